package device

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// IsListed is the invariant that a device is in the indexes that its record names, and in no
// index of another status or tag.
const IsListed store.Invariant = "deviceIsListed"

// maxTries is the maximum number of times that CheckIndexes reads a device that changes meanwhile.
const maxTries = 4

// place is an index of devices, and whether it has to contain the device that is checked.
type place struct {
	key     string
	name    string
	belongs bool
}

// CheckIndexes compares a device with the indexes of its tenant. It returns the violations of
// IsListed, and repairs none. It returns nothing for a device that is not one of the tenant.
func (r *Registry) CheckIndexes(ctx context.Context, d store.Device) ([]store.Violation, error) {
	for range maxTries {
		first, err := r.readPlaces(ctx, d, nil, "")
		if err != nil || first.record.String(0) != d.Tenant {
			return nil, err
		}
		places, err := placesOf(d, first.record)
		if err != nil {
			return []store.Violation{notListed(d, "unreadable tags")}, nil
		}
		now, err := r.readPlaces(ctx, d, places, first.record.String(3))
		if err != nil {
			return nil, err
		}
		if slices.Equal(now.record, first.record) {
			return now.compare(d, places), nil
		}
	}
	return nil, nil // every change of the record writes the indexes again
}

// placesOf returns the indexes of a tenant's devices that depend on the record of a device: its
// tenant, status, tags and external id.
func placesOf(d store.Device, record store.Reply) ([]place, error) {
	var tags map[string]string
	if err := decodeMap(record.String(2), &tags); err != nil {
		return nil, err
	}
	places := []place{
		{store.PartitionOf(d.Tenant).TenantsKey(), "tenants", true},
		{store.Tenant(d.Tenant).DevicesKey(), "devices", true},
	}
	for _, status := range []Status{Provisioned, Active, Suspended, Decommissioned} {
		places = append(places, place{statusIndexKey(d.Tenant, status), "status " + string(status), record.String(1) == string(status)})
	}
	for _, key := range tagIndexKeys(d.Tenant, tags) {
		places = append(places, place{key, "tag", true})
	}
	return places, nil
}

// reading holds the record of a device and its places at one time.
type reading struct {
	record         store.Reply // tenant, status, tags and external id
	listed         []bool      // whether each place contains the device
	ownsExternalID bool
}

// readPlaces reads the record of a device and which places contain the device, in one
// transaction.
func (r *Registry) readPlaces(ctx context.Context, d store.Device, places []place, externalID string) (found reading, err error) {
	err = r.store.Do(ctx, "read_places", func(ctx context.Context, c store.Client) error {
		pipe := c.TxPipeline()
		fields := pipe.HMGet(ctx, d.RecordKey(), fieldTenant, "status", "tags", "external_id")
		owner := pipe.HGet(ctx, store.Tenant(d.Tenant).ExternalIDsKey(), externalID)
		scores := make([]*redis.FloatCmd, len(places))
		for i, p := range places {
			scores[i] = pipe.ZScore(ctx, p.key, memberOf(d, p))
		}
		if err := store.ExecReads(ctx, pipe); err != nil {
			return err
		}
		found = reading{record: fields.Val(), ownsExternalID: owner.Val() == d.ID}
		for _, score := range scores {
			found.listed = append(found.listed, score.Err() == nil)
		}
		return nil
	})
	return found, err
}

// memberOf returns the member of an index that stands for a device.
func memberOf(d store.Device, p place) string {
	if p.name == "tenants" {
		return d.Tenant
	}
	return d.ID
}

// compare returns a violation for each index that is wrong. A decommissioned device has given its
// external id back.
func (r reading) compare(d store.Device, places []place) (found []store.Violation) {
	for i, p := range places {
		switch {
		case p.belongs && !r.listed[i]:
			found = append(found, notListed(d, "missing in the index "+p.name))
		case !p.belongs && r.listed[i]:
			found = append(found, notListed(d, "left in the index "+p.name))
		}
	}
	if r.record.String(3) != "" && Status(r.record.String(1)) != Decommissioned && !r.ownsExternalID {
		found = append(found, notListed(d, "missing in the index external"))
	}
	return found
}

func notListed(d store.Device, damage string) store.Violation {
	return store.Violation{Invariant: IsListed, Damage: damage, ID: d.ID, Device: d.ID}
}

// CheckIndex returns a violation of IsListed for each member of an index of the tenant's devices
// that has no device. The property and the value name the index as in store.Tenant.DevicesByKey;
// both are empty for the index of all devices.
func (r *Registry) CheckIndex(ctx context.Context, tenant, property, value string) (found []store.Violation, err error) {
	listing := store.Listing{Key: store.Tenant(tenant).DevicesKey()}
	if property != "" {
		listing.Key = store.Tenant(tenant).DevicesByKey(property, value)
	}
	for page := (store.Page{Limit: batchSize}); ; {
		ids, err := r.store.Members(ctx, listing, page)
		if err != nil {
			return nil, err
		}
		shown := ids[:min(len(ids), page.Limit)]
		gone, err := r.withoutRecord(ctx, tenant, listing.Key, shown)
		if err != nil {
			return nil, err
		}
		for _, id := range gone {
			found = append(found, notListed(store.Device{Tenant: tenant, ID: id}, "left without a record in the index "+strings.TrimSpace("devices "+property+" "+value)))
		}
		if len(ids) <= page.Limit {
			return found, nil
		}
		page.Cursor = store.CursorAfter(ids[page.Limit-1])
	}
}

// withoutRecord returns the ids that have no record of the tenant and are still in the index. A
// device that is deleted meanwhile is no longer in the index.
func (r *Registry) withoutRecord(ctx context.Context, tenant, index string, ids []string) (gone []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	records, _, err := r.readRecords(ctx, ids, []string{fieldTenant})
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if store.Reply(records[i].Val()).String(0) != tenant {
			gone = append(gone, id)
		}
	}
	return r.stillListed(ctx, index, gone)
}

func (r *Registry) stillListed(ctx context.Context, index string, ids []string) (listed []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = r.store.Do(ctx, "read_index", func(ctx context.Context, c store.Client) error {
		listed = nil
		pipe := c.Pipeline()
		scores := make([]*redis.FloatCmd, len(ids))
		for i, id := range ids {
			scores[i] = pipe.ZScore(ctx, index, id)
		}
		if err := store.ExecReads(ctx, pipe); err != nil {
			return err
		}
		for i, score := range scores {
			if score.Err() == nil {
				listed = append(listed, ids[i])
			}
		}
		return nil
	})
	return listed, err
}
