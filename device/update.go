package device

import (
	"context"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// Change is a request to change the description of a device. Nil fields stay
// unchanged.
type Change struct {
	Tenant    string
	DeviceID  string
	UserID    string
	Names     fieldgate.Names
	RequestID string
	Name      *string
	Location  *string           // an empty string removes the location
	Tags      map[string]string // replaces all tags; an empty map removes them
}

// apply returns the device with the change applied.
func (c Change) apply(d Device) Device {
	if c.Name != nil {
		d.Name = *c.Name
	}
	if c.Location != nil {
		d.Location = *c.Location
	}
	if c.Tags != nil {
		d.Tags = c.Tags
	}
	return d
}

// Update changes the description of a device. Concurrent changes are all applied. Errors:
// device_not_found, device_decommissioned, quota_exceeded, validation_failed for an invalid tag
// key, rate_limited if too many changes happen at the same time.
func (r *Registry) Update(ctx context.Context, c Change) (Device, error) {
	if err := checkTags(c.Tags); err != nil {
		return Device{}, err
	}
	device, err := locate(c.Tenant, c.DeviceID)
	if err != nil {
		return Device{}, err
	}
	reply, err := refusal.RetryStale(func() (store.Reply, error) { return r.update(ctx, c, device) })
	if err != nil {
		return Device{}, err
	}
	return r.decodeFull(device.ID, reply.Map(3), store.ParseTime(reply.String(2)))
}

// update runs the script once, with the current record of the device.
func (r *Registry) update(ctx context.Context, c Change, device store.Device) (store.Reply, error) {
	fields, _, now, err := r.readOne(ctx, device)
	if err != nil {
		return nil, err
	}
	before, err := r.decode(device.ID, fields, now)
	if err != nil {
		return nil, err
	}
	after := c.apply(before)
	tags, err := encodeMap(after.Tags)
	if err != nil {
		return nil, err
	}
	leaves := tagIndexKeys(c.Tenant, before.Tags)
	keys := append(append(device.Keys(), leaves...), tagIndexKeys(c.Tenant, after.Tags)...)
	return r.run(ctx, updateScript, keys, store.NewScope(device, store.ActorUser(c.UserID), c.RequestID, r.cfg.Retention).WithNames(c.Names).Args(
		fields[fieldRevision], after.Name, after.Location, tags, len(leaves), r.cfg.Limits.StoredBytes))
}
