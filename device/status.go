package device

import (
	"context"

	"github.com/fieldgate/fieldgate/store"
)

// Order is what a person orders about a device.
type Order struct {
	Tenant    string
	DeviceID  string
	UserID    string
	RequestID string
	Reason    string // for those who read the timeline later; may be empty
}

// Suspend shuts a device out until it is resumed: its logins are over at once and
// it cannot log in. Its session and its commands stay as they are. Suspending
// again changes nothing. Refusals: device_not_found, device_decommissioned.
func (r *Registry) Suspend(ctx context.Context, o Order) (Device, error) {
	return r.change(ctx, suspendScript, o, statusKeys(o.Tenant)...)
}

// Resume lets a suspended device log in again; one that never registered is
// provisioned again. Resuming again changes nothing. Refusals: device_not_found,
// device_decommissioned.
func (r *Registry) Resume(ctx context.Context, o Order) (Device, error) {
	return r.change(ctx, resumeScript, o, statusKeys(o.Tenant)...)
}

// RevokeLogins ends all logins of a device at once. It may log in again with its
// secret. Refusals: device_not_found, device_decommissioned.
func (r *Registry) RevokeLogins(ctx context.Context, o Order) (Device, error) {
	return r.change(ctx, revokeScript, o)
}

// change makes a transition that a person ordered.
func (r *Registry) change(ctx context.Context, script *store.Script, o Order, keys ...string) (Device, error) {
	device, err := locate(o.Tenant, o.DeviceID)
	if err != nil {
		return Device{}, err
	}
	scope := r.scope(device, store.ActorUser(o.UserID), o.RequestID)
	reply, err := r.run(ctx, script, append(device.Keys(), keys...), scope.Args(o.Reason))
	if err != nil {
		return Device{}, err
	}
	return r.decodeWhole(device.ID, reply.Map(3), moment(reply.String(2)))
}

// Decommission takes a device out of service for good: its logins, its secret and
// its activation code are dead, its external id is free, its session is closed
// and what waits for it is cancelled. What it has claimed is left to its leases.
// The device and its history stay readable. Decommissioning again changes
// nothing. Refusals: device_not_found, rate_limited where too much else happens
// to the device at once.
func (r *Registry) Decommission(ctx context.Context, o Order) error {
	device, err := locate(o.Tenant, o.DeviceID)
	if err != nil {
		return err
	}
	_, err = persist(func() (store.Reply, error) { return r.decommission(ctx, o, device) })
	return err
}

// decommission tries once, with the session that the device has now.
func (r *Registry) decommission(ctx context.Context, o Order, device store.Device) (store.Reply, error) {
	fields, _, _, err := r.readOne(ctx, device)
	if err != nil {
		return nil, err
	}
	session := fields[fieldSession]
	keys := append(device.Keys(), statusKeys(o.Tenant)...)
	keys = append(keys, store.Tenant(o.Tenant).ExternalIDsKey())
	if session != "" {
		keys = append(keys, store.SessionKey(session))
	}
	return r.run(ctx, decommissionScript, keys,
		r.scope(device, store.ActorUser(o.UserID), o.RequestID).Args(o.Reason, session))
}
