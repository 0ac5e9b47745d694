package device

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// AdminRequest is a request of a user to change the status of a device or end its
// logins.
type AdminRequest struct {
	Tenant    string
	DeviceID  string
	UserID    string
	Names     fieldgate.Names
	RequestID string
	Reason    string // recorded in the timeline; may be empty
}

// Suspend suspends a device until it is resumed. It ends the device's logins
// immediately, and the device cannot log in. The session and the commands of the
// device do not change. Suspending a suspended device changes nothing. Errors:
// device_not_found, device_decommissioned.
func (r *Registry) Suspend(ctx context.Context, a AdminRequest) (Device, error) {
	return r.change(ctx, suspendScript, a, statusIndexKeys(a.Tenant))
}

// Resume resumes a suspended device, which may then log in again. A device that has
// never registered becomes provisioned. Resuming a device that is not suspended
// changes nothing. Errors: device_not_found, device_decommissioned.
func (r *Registry) Resume(ctx context.Context, a AdminRequest) (Device, error) {
	return r.change(ctx, resumeScript, a, statusIndexKeys(a.Tenant))
}

// RevokeLogins ends all logins of a device immediately. The device may log in again
// with its secret. Errors: device_not_found, device_decommissioned.
func (r *Registry) RevokeLogins(ctx context.Context, a AdminRequest) (Device, error) {
	return r.change(ctx, revokeScript, a, nil)
}

// change runs the script of an AdminRequest and returns the changed device. The keys follow those of
// the device, and the args follow the reason.
func (r *Registry) change(ctx context.Context, script *store.Script, a AdminRequest, keys []string, args ...any) (Device, error) {
	device, err := locate(a.Tenant, a.DeviceID)
	if err != nil {
		return Device{}, err
	}
	scope := store.NewScope(device, store.ActorUser(a.UserID), a.RequestID, r.cfg.Retention).WithNames(a.Names)
	reply, err := r.run(ctx, script, append(device.Keys(), keys...), append(scope.Args(a.Reason), args...))
	if err != nil {
		return Device{}, err
	}
	return r.decodeFull(device.ID, reply.Map(3), store.ParseTime(reply.String(2)))
}

// Decommission takes a device out of service permanently. Its logins, its secret and
// its activation code become invalid, and its external id may be used again. Its
// session is closed and its waiting commands are cancelled. Commands that the device
// has claimed stay claimed until their leases expire. The device and its history stay
// readable until the retention ends. Decommissioning again changes nothing. Errors: device_not_found;
// rate_limited if too many other changes of the device happen at the same time.
func (r *Registry) Decommission(ctx context.Context, a AdminRequest) error {
	device, err := locate(a.Tenant, a.DeviceID)
	if err != nil {
		return err
	}
	reply, err := refusal.RetryStale(func() (store.Reply, error) { return r.decommission(ctx, a, device) })
	if err != nil {
		return err
	}
	r.endCode(ctx, device, reply.String(2), reply.String(3))
	return nil
}

// decommission reads the device's current session and runs the script with it once.
func (r *Registry) decommission(ctx context.Context, a AdminRequest, device store.Device) (store.Reply, error) {
	fields, _, _, err := r.readOne(ctx, device)
	if err != nil {
		return nil, err
	}
	session := fields[fieldSession]
	keys := append(device.Keys(), statusIndexKeys(a.Tenant)...)
	keys = append(keys, store.Tenant(a.Tenant).ExternalIDsKey())
	if session != "" {
		keys = append(keys, store.SessionKey(session))
	}
	return r.run(ctx, decommissionScript, keys,
		store.NewScope(device, store.ActorUser(a.UserID), a.RequestID, r.cfg.Retention).WithNames(a.Names).Args(a.Reason, session))
}
