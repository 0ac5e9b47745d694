package quota_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store"
)

// TestUsage_OfEarlierVersionIsNotNegative ends records that were never counted.
func TestUsage_OfEarlierVersionIsNotNegative(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{ReadyCommands: 2, StoredBytes: 100_000}, func(b *bench) {
		d := b.provision()
		s := b.open(d)
		b.propose(s, auto)
		b.propose(s, auto)
		for _, id := range b.commands(d) {
			b.edit(d, id, `"bytes":`, `"unknown":`)
		}
		b.forgetCounts(d)
		b.submit(d, b.claim(d), "done")
		require.Zero(b.t, b.used().ReadyCommands)
		require.EqualValues(b.t, len(`{"output":"done"}`), b.used().StoredBytes)
		b.propose(s, auto)
		b.close(s)
		require.Zero(b.t, b.used().OpenSessions)
		b.reconcile(d)
		after := b.used()
		require.Zero(b.t, after.ReadyCommands)
		b.propose(b.open(d), auto)
		require.EqualValues(b.t, 1, b.used().ReadyCommands)
		require.EqualValues(b.t, 1, b.used().OpenSessions)
		b.decommission(d)
		b.endRetention()
		require.Equal(b.t, quota.Amounts{}, b.used())
	})
}

// forgetCounts deletes all counts, as if an earlier version had written the records.
func (b *bench) forgetCounts(d store.Device) {
	b.do(func(ctx context.Context, c store.Client) error {
		c.HDel(ctx, d.RecordKey(), "bytes_added", "bytes_freed")
		return c.Del(ctx, store.Tenant(b.tenant).UsageKey()).Err()
	})
}

// TestReconcile_CorrectsCounts damages counts and records. The reconciler must correct the
// counts, once.
func TestReconcile_CorrectsCounts(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d, other := b.provision(), b.provision()
		s := b.open(d)
		b.propose(s, auto)
		b.open(other)
		b.reconcile(d, other)
		intact := b.used()
		usage := store.Tenant(b.tenant).UsageKey()
		for name, damage := range map[string]func(ctx context.Context, c store.Client) error{
			"too high": func(ctx context.Context, c store.Client) error {
				for _, name := range []quota.Name{quota.OpenSessions, quota.ReadyCommands, quota.StoredBytes} {
					c.HIncrBy(ctx, usage, string(name)+":added", 1000)
				}
				return nil
			},
			"too low": func(ctx context.Context, c store.Client) error {
				for _, name := range []quota.Name{quota.OpenSessions, quota.ReadyCommands, quota.StoredBytes} {
					c.HIncrBy(ctx, usage, string(name)+":freed", 1000)
				}
				return nil
			},
			"lost": func(ctx context.Context, c store.Client) error { return c.Del(ctx, usage).Err() },
			"of the device": func(ctx context.Context, c store.Client) error {
				return c.HIncrBy(ctx, d.RecordKey(), "bytes_freed", 1000).Err()
			},
		} {
			b.do(damage)
			b.reconcile(d, other)
			b.reconcile(d, other) // the correction of a device may also correct its tenant
			require.Equal(b.t, intact, b.used(), name)
		}

		b.do(func(ctx context.Context, c store.Client) error {
			return c.HDel(ctx, d.CommandsKey(), b.commands(d)...).Err()
		})
		b.reconcile(d, other)
		b.reconcile(d, other)
		require.Less(b.t, b.used().StoredBytes, intact.StoredBytes, "a lost record is freed")
	})
}

// TestReconcile_InstancesCorrectOnce lets two instances find the same difference.
func TestReconcile_InstancesCorrectOnce(t *testing.T) {
	t.Parallel()
	each(t, quota.Amounts{}, func(b *bench) {
		d := b.provision()
		b.propose(b.open(d), auto)
		intact := b.used().StoredBytes
		for range 2 {
			require.NoError(b.t, quota.CorrectDevice(b.quotas, b.t.Context(), d, 100, 0))
		}
		require.Equal(b.t, intact+100, b.used().StoredBytes)
		for range 2 {
			missing := map[quota.Name]int64{quota.StoredBytes: -100}
			require.NoError(b.t, quota.CorrectTenant(b.quotas, b.t.Context(), b.tenant, missing, 0))
		}
		require.Equal(b.t, intact, b.used().StoredBytes)
	})
}
