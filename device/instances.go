package device

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// IdentityConflict is the state of a device whose identity two instances use in turn. An instance is
// one start of the device's software. The commands that required an approval are held until a user
// resolves the conflict.
type IdentityConflict struct {
	Since     time.Time
	Instances []Instance // in the order in which they appeared
}

// Instance is one start of the software of a device, as far as the gateway knows it.
type Instance struct {
	ID        string
	FirstSeen time.Time
	LastSeen  time.Time // may be up to a minute too early
	Addr      string    // address from which the instance logged in; may be empty
}

// instanceState is an instance in a device's record: see lua/instances.lua.
type instanceState struct {
	ID      string `json:"id"`
	First   int64  `json:"first"`
	Seen    int64  `json:"seen"`
	Address string `json:"address"`
}

// decodeConflict returns the conflict in a device's record, or nil if there is none. The scripts ignore
// a damaged list of instances, and so does decodeConflict, because the conflict must be seen.
func decodeConflict(fields map[string]string) *IdentityConflict {
	since := store.ParseTime(fields["conflict"])
	if since.IsZero() {
		return nil
	}
	var states []instanceState
	_ = json.Unmarshal([]byte(fields["instances"]), &states)
	conflict := &IdentityConflict{Since: since}
	for _, s := range states {
		conflict.Instances = append(conflict.Instances, Instance{
			ID: s.ID, FirstSeen: store.TimeOf(s.First), LastSeen: store.TimeOf(s.Seen), Addr: s.Address,
		})
	}
	return conflict
}

// NewestInstance stands for the newest instance in Registry.ResolveIdentity.
const NewestInstance = "newest"

// ResolveIdentity ends the identity conflict of a device, and the commands that were held are
// delivered. keep is the id of the instance that is right, or NewestInstance. If another instance
// acts again, that is a new conflict. ResolveIdentity changes nothing if the device has no conflict.
// Errors: device_not_found, device_decommissioned; validation_failed if the conflict has no such
// instance.
func (r *Registry) ResolveIdentity(ctx context.Context, a AdminRequest, keep string) (Device, error) {
	device, err := r.Get(ctx, a.Tenant, a.DeviceID)
	if err != nil {
		return Device{}, err
	}
	if keep == NewestInstance {
		keep = ""
	} else if device.IdentityConflict != nil && !device.IdentityConflict.has(keep) {
		return Device{}, errUnknownInstance
	}
	return r.change(ctx, resolveIdentityScript, a, nil, keep)
}

func (c *IdentityConflict) has(id string) bool {
	return slices.ContainsFunc(c.Instances, func(i Instance) bool { return i.ID == id })
}

var errUnknownInstance = &fieldgate.Error{
	Code: fieldgate.CodeValidationFailed, Detail: "The conflict has no such instance.",
	Fields: []fieldgate.FieldError{{Pointer: "/keep", Keyword: "enum", Reason: "is not an instance of the conflict"}},
}
