package quota_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// keys returns the keys of the store that contain one of the given texts.
func (b *bench) keys(texts ...string) (found []string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		all, err := c.Keys(ctx, "fg:{*").Result()
		for _, key := range all {
			for _, text := range texts {
				if strings.Contains(key, text) {
					found = append(found, key)
				}
			}
		}
		return err
	})
	return found
}

// setRecord sets a field of the record of a device.
func (b *bench) setRecord(d store.Device, field string, value any) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error { return c.HSet(ctx, d.RecordKey(), field, value).Err() })
}

func (b *bench) requireNoDevice(d store.Device) {
	b.t.Helper()
	_, err := b.devices.Get(b.t.Context(), d.Tenant, d.ID)
	require.Equal(b.t, fieldgate.CodeDeviceNotFound, fieldgate.CodeOf(err))
	for _, f := range []device.Filter{{}, {Status: device.Decommissioned}, {Tag: "site"}, {Tag: "site:leipzig"}} {
		list, _, err := b.devices.List(b.t.Context(), b.tenant, f, store.Page{Limit: 50})
		require.NoError(b.t, err)
		for _, listed := range list {
			require.NotEqual(b.t, d.ID, listed.ID)
		}
	}
}

// TestRemoval_DeletesEveryKey requires that nothing is left of a decommissioned device after
// its retention, and of its tenant after the last device.
func TestRemoval_DeletesEveryKey(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d, other := b.provision(), b.provision()
		s := b.open(d)
		b.propose(s, auto)
		b.submit(d, b.claim(d), "done")
		b.decommission(d)
		b.endRetention()
		b.requireNoDevice(d)
		require.Empty(b.t, b.keys(d.ID, s.ID))

		b.decommission(other)
		b.endRetention()
		b.requireNoDevice(other)
		stream := store.Tenant(b.tenant).StreamKey()
		for _, key := range b.keys(b.tenant, "due", "tenants", "quarantine") {
			require.Equal(b.t, stream, key, "only the trimmed stream of events is left")
		}
	})
}

func TestRemoval_WaitsForRetention(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		retired, active := b.provision(), b.provision()
		b.decommission(retired)
		b.do(func(ctx context.Context, c store.Client) error { // a device that was never decommissioned must stay
			due := store.PartitionOf(b.tenant).DueKey()
			member, err := c.ZRange(ctx, due, 0, -1).Result()
			require.Contains(b.t, member, "device "+retired.ID+" "+retired.ID+" "+b.tenant)
			return err
		})
		b.makeDue()
		b.makeDueFor(active)
		b.sweep()
		d, err := b.devices.Get(b.t.Context(), b.tenant, retired.ID)
		require.NoError(b.t, err)
		require.Equal(b.t, device.Decommissioned, d.Status)
		b.start(time.Millisecond)
		b.makeDueFor(active)
		b.sweep()
		_, err = b.devices.Get(b.t.Context(), b.tenant, active.ID)
		require.NoError(b.t, err)
	})
}

// makeDueFor adds a removal to the due index, as if the device had been decommissioned.
func (b *bench) makeDueFor(d store.Device) {
	b.addDue("device " + d.ID + " " + d.ID + " " + d.Tenant)
}

// TestRemoval_WaitsForCommands keeps a device as long as a command of it is readable. A
// quarantined command does not keep it for ever.
func TestRemoval_WaitsForCommands(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d := b.provision()
		s := b.open(d)
		c := b.propose(s, auto)
		b.submit(d, b.claim(d), "done")
		b.propose(s, auto)
		broken := b.claim(d)
		b.decommission(d)
		long := 30 * 24 * time.Hour
		b.setRecord(d, "decommissioned", time.Now().Add(-long-time.Minute).UnixMilli())
		b.edit(d, broken.ID, `"status":`, `"states":`)
		b.makeDue()
		b.sweep()
		require.Contains(b.t, b.log.String(), broken.ID, "the command is quarantined")
		got, err := b.queue.Get(b.t.Context(), b.tenant, s.ID, c.ID)
		require.NoError(b.t, err)
		require.Equal(b.t, "done", got.Result.Output)

		b.setRecord(d, "decommissioned", time.Now().Add(-2*long-time.Minute).UnixMilli())
		b.makeDue()
		b.sweep()
		b.requireNoDevice(d)
		require.Contains(b.t, b.log.String(), "unreadableFields=")
	})
}

// TestStoredBytes_AreFreedWithDevice deletes one of two devices. With the last one, all counts
// are deleted anyway.
func TestStoredBytes_AreFreedWithDevice(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		b.provision()
		want := b.used()
		d := b.provision()
		b.close(b.open(d))
		b.reconcile(d)
		b.decommission(d)
		b.endRetention()
		b.requireNoDevice(d)
		require.Equal(b.t, want, b.used())
	})
}

// TestReconcile_CompletesDeviceOfEarlierVersion requires that a device counts that an earlier
// version provisioned and decommissioned, and that its retention ends.
func TestReconcile_CompletesDeviceOfEarlierVersion(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d := b.provision()
		want := b.used()
		b.decommission(d)
		want.Devices = 0
		b.do(func(ctx context.Context, c store.Client) error {
			c.HDel(ctx, d.RecordKey(), "bytes", "bytes_added", "bytes_freed", "decommissioned")
			c.Del(ctx, store.Tenant(b.tenant).UsageKey())
			return c.Del(ctx, store.PartitionOf(b.tenant).DueKey()).Err()
		})
		require.Equal(b.t, quota.Amounts{}, b.used())
		b.reconcile(d)
		want.StoredBytes += 256 * b.events(d)
		require.Equal(b.t, want, b.used())
		require.NotContains(b.t, b.log.String(), "corrected")
		b.makeDue()
		b.sweep()
		_, err := b.devices.Get(b.t.Context(), b.tenant, d.ID)
		require.NoError(b.t, err, "its retention has just begun")
		b.endRetention()
		b.requireNoDevice(d)
	})
}
