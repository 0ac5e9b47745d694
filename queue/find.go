package queue

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// Find returns the device of a command, for a caller that knows only the id and may see every
// tenant. The id names the partition, so Find searches all devices of the partition: one round trip
// for each 200 devices, and one for each tenant. Refusal: command_not_found.
func (q *Queue) Find(ctx context.Context, id string) (store.Device, error) {
	p, ok := store.PartitionOfID(store.KindCommand, id)
	if !ok {
		return store.Device{}, errCommandNotFound
	}
	for tenant, err := range q.store.TenantsIn(ctx, p) {
		if err != nil {
			return store.Device{}, fmt.Errorf("listing the tenants of a partition: %w", err)
		}
		if d, err := q.findIn(ctx, tenant, id); d.ID != "" || err != nil {
			return d, err
		}
	}
	return store.Device{}, errCommandNotFound
}

// findIn returns the device of a tenant that has a command. The zero Device means that none has.
func (q *Queue) findIn(ctx context.Context, tenant, id string) (store.Device, error) {
	devices := store.Listing{Key: store.Tenant(tenant).DevicesKey()}
	for ids, err := range q.store.Pages(ctx, devices) {
		if err != nil {
			return store.Device{}, fmt.Errorf("listing the devices of a tenant: %w", err)
		}
		if d, err := q.findAmong(ctx, tenant, ids, id); d.ID != "" || err != nil {
			return d, err
		}
	}
	return store.Device{}, nil
}

func (q *Queue) findAmong(ctx context.Context, tenant string, deviceIDs []string, id string) (store.Device, error) {
	found := make([]*redis.BoolCmd, len(deviceIDs))
	err := q.pipelined(ctx, "find_command", func(ctx context.Context, pipe redis.Pipeliner) {
		for i, device := range deviceIDs {
			found[i] = pipe.HExists(ctx, store.Device{Tenant: tenant, ID: device}.CommandsKey(), id)
		}
	})
	if err != nil {
		return store.Device{}, fmt.Errorf("searching a command: %w", err)
	}
	for i, device := range deviceIDs {
		if found[i].Val() {
			return store.Device{Tenant: tenant, ID: device}, nil
		}
	}
	return store.Device{}, nil
}

// Unfinished holds the ids of a device's commands that have not ended, by the structure that holds
// them.
type Unfinished struct {
	Ready   []string // in the order in which the device claims them
	Pending []string // in the order of the proposals
	Claimed []string // by the end of the lease
}

// IDs returns the ids of all commands in u.
func (u Unfinished) IDs() []string {
	ids := append([]string(nil), u.Claimed...)
	return append(append(ids, u.Ready...), u.Pending...)
}

// Unfinished returns the commands of a device that have not ended.
func (q *Queue) Unfinished(ctx context.Context, d store.Device) (Unfinished, error) {
	keys := d.AliveKeys()
	sets := make([]*redis.StringSliceCmd, len(keys))
	err := q.pipelined(ctx, "read_unfinished", func(ctx context.Context, pipe redis.Pipeliner) {
		for i, key := range keys {
			sets[i] = pipe.ZRange(ctx, key, 0, -1)
		}
	})
	if err != nil {
		return Unfinished{}, fmt.Errorf("reading the unfinished commands of a device: %w", err)
	}
	return Unfinished{Ready: sets[0].Val(), Pending: sets[1].Val(), Claimed: sets[2].Val()}, nil
}
