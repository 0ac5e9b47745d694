package device

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
)

// SettleRemoval deletes decommissioned devices whose retention has ended. The sweeper calls
// it. A device stays as long as commands or sessions of it are kept. A device that cannot be
// deleted is moved to the quarantine, so that it does not block the others.
func (r *Registry) SettleRemoval(ctx context.Context, due []store.Due) error {
	for _, d := range due {
		_, err := r.remove(ctx, d.Device, "")
		if err == nil {
			continue
		}
		if store.IsTransient(ctx, err) {
			return err
		}
		r.log.ErrorContext(ctx, "deleting a device failed, moving it to the quarantine",
			"tenant", d.Device.Tenant, "device", d.ID, "error", err)
		if err := r.store.Quarantine(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// Erase deletes a decommissioned device at once, with its commands and all that they count. The
// caller has deleted its sessions and the results of its commands. It reports whether the device was
// deleted, and returns false for one that is not decommissioned.
func (r *Registry) Erase(ctx context.Context, d store.Device) (bool, error) {
	return r.remove(ctx, d, "erase")
}

// remove deletes one device if its retention has ended, or in the mode "erase" at once. The tags of
// a decommissioned device do not change any more, so remove may read them first.
func (r *Registry) remove(ctx context.Context, d store.Device, mode string) (deleted bool, err error) {
	records, _, err := r.readRecords(ctx, []string{d.ID}, []string{"tags"})
	if err != nil {
		return false, fmt.Errorf("reading the tags of a device: %w", err)
	}
	var tags map[string]string
	if err := decodeMap(store.Reply(records[0].Val()).String(0), &tags); err != nil {
		return false, err
	}
	tenant := store.Tenant(d.Tenant)
	keys := append(d.Keys(), tenant.DevicesKey(), statusIndexKey(d.Tenant, Decommissioned),
		store.PartitionOf(d.Tenant).TenantsKey(), d.SessionsKey(), store.LoginsKey(d.ID))
	reply, err := r.run(ctx, settleRemovalScript, append(keys, tagIndexKeys(d.Tenant, tags)...),
		store.NewScope(d, store.ActorSystem, "", r.cfg.Retention).Args(mode))
	if err != nil || reply.Int(2) == 0 {
		return false, err
	}
	r.log.InfoContext(ctx, "deleted a decommissioned device", "tenant", d.Tenant, "device", d.ID, "unreadableFields", reply.Int(3))
	return true, nil
}

// Reconcile updates what a device counts towards the stored bytes for its timeline, and
// completes a record that an earlier version of the gateway wrote. The reconciler calls it. It
// runs one script.
func (r *Registry) Reconcile(ctx context.Context, d store.Device) error {
	_, err := r.run(ctx, reconcileScript, d.Keys(), store.NewScope(d, store.ActorSystem, "", r.cfg.Retention).Args())
	return err
}
