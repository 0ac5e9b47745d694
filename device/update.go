package device

import (
	"context"

	"github.com/fieldgate/fieldgate/store"
)

// Change asks for another description of a device. What is nil stays as it is.
type Change struct {
	Tenant    string
	DeviceID  string
	UserID    string
	RequestID string
	Name      *string
	Location  *string           // empty removes it
	Tags      map[string]string // replaces all tags; empty, and not nil, removes them
}

// apply gives the description after the change.
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

// Update changes how a device is described. Of changes that come at the same
// time none is lost. Refusals: device_not_found, device_decommissioned,
// validation_failed for a tag's key, rate_limited where too many come at once.
func (r *Registry) Update(ctx context.Context, c Change) (Device, error) {
	if err := checkTags(c.Tags); err != nil {
		return Device{}, err
	}
	device, err := locate(c.Tenant, c.DeviceID)
	if err != nil {
		return Device{}, err
	}
	reply, err := persist(func() (store.Reply, error) { return r.update(ctx, c, device) })
	if err != nil {
		return Device{}, err
	}
	return r.decodeWhole(device.ID, reply.Map(3), moment(reply.String(2)))
}

// update tries the change once, on the record as it is now.
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
	tags, err := pack(after.Tags)
	if err != nil {
		return nil, err
	}
	leaves := tagKeys(c.Tenant, before.Tags)
	keys := append(append(device.Keys(), leaves...), tagKeys(c.Tenant, after.Tags)...)
	return r.run(ctx, updateScript, keys, r.scope(device, store.ActorUser(c.UserID), c.RequestID).Args(
		fields[fieldRevision], after.Name, after.Location, tags, len(leaves)))
}
