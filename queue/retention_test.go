package queue_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func retention(d time.Duration) func(*queue.Config) {
	return func(cfg *queue.Config) { cfg.Retention = d }
}

// endRetention ends the retention of all finished commands and ended sessions. It replaces the
// queue and the session service with new ones whose retention is short, and makes every entry
// of the due index due.
func (f *fixture) endRetention() {
	f.t.Helper()
	f.queue = queue.New(queue.Config{Store: f.store, Retention: time.Millisecond})
	f.sessions = session.New(session.Config{Store: f.store, Retention: time.Millisecond})
	f.do(func(ctx context.Context, c store.Client) error {
		for p := range store.Partitions {
			key := store.Partition(p).DueKey()
			for _, member := range c.ZRange(ctx, key, 0, -1).Val() {
				if err := c.ZAdd(ctx, key, redis.Z{Score: 1, Member: member}).Err(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// permanentKeys returns the keys without a time to live, in all partitions.
func (f *fixture) permanentKeys() (keys []string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		for cursor := uint64(0); ; {
			page, next, err := c.Scan(ctx, cursor, "fg:{*", 100).Result()
			if err != nil {
				return err
			}
			for _, key := range page {
				const noTTL = -1
				if c.PTTL(ctx, key).Val() == noTTL {
					keys = append(keys, key)
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestRetention_FinishedCommandIsDeleted(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, retention(time.Millisecond))
		old := f.inState(queue.Succeeded)
		kept := f.propose(auto)
		eventually(t, "the command was not deleted", func() bool {
			f.sweep()
			_, err := f.queue.GetOwn(t.Context(), f.device, old.ID)
			return fieldgate.CodeOf(err) == fieldgate.CodeCommandNotFound
		})
		require.Equal(t, []string{kept.ID}, f.listAll(f.session.ID, 50))
		require.Equal(t, kept.ID, f.claimOne().ID, "a command that has not ended is kept")
	})
}

func TestRetention_FinishedCommandIsKeptUntilThen(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, retention(time.Hour))
		done := f.inState(queue.Succeeded)
		f.makeDue(done.ID)
		f.sweep()
		require.Equal(t, "done", f.get(done.ID).Result.Output)
		require.False(t, f.nothingDueBefore(time.Now().Add(2*time.Hour)), "the command is due at the end of its retention")
		require.True(t, f.nothingDueBefore(time.Now().Add(time.Minute)))
	})
}

func TestRetention_StartsAnewWithLateResult(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, retention(time.Hour))
		lease := f.inState(queue.TimedOut)
		f.editState(lease.ID, func(state map[string]any) { state["finished"] = time.Now().Add(-time.Hour).UnixMilli() })
		require.True(t, f.submitResult(lease, queue.Succeeded).Late)
		f.makeDue(lease.ID)
		f.sweep()
		require.Equal(t, "done", f.get(lease.ID).Result.Output)
	})
}

func TestRetention_LeavesNoKeys(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		var f *fixture
		var want []string
		for _, row := range transitions {
			f = newFixture(t, s)
			lease := f.inState(row.from)
			f.propose(review, proposalKey("k"), parametersOf(8<<10))
			f.propose(auto, deliverWithin(time.Millisecond))
			if row.from == queue.Claimed {
				f.cancel(lease.Command)
				f.submitResult(lease, queue.Cancelled)
			}
			f.claim(claimKey("k"), shortLease)
			f.closeSession()
			// Four keys are never deleted: the device's record, the index of tenants, the tenant's
			// usage record, and its event stream, which is trimmed.
			want = append(want, f.device.RecordKey(), store.Tenant(f.device.Tenant).StreamKey(),
				store.Tenant(f.device.Tenant).UsageKey(), store.PartitionOf(f.device.Tenant).TenantsKey())
		}
		slices.Sort(want)
		want = slices.Compact(want)
		f.endRetention()
		eventually(t, "more keys are left than those of the devices and tenants", func() bool {
			f.sweep()
			return slices.Equal(want, f.permanentKeys())
		})
	})
}

func TestPropose_KeyOfDeletedCommandIsReusable(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, retention(time.Millisecond))
		first := f.cancel(f.propose(auto, proposalKey("k")))
		eventually(t, "the command was not deleted", func() bool {
			f.sweep()
			return len(f.listAll(f.session.ID, 50)) == 0
		})
		require.NotEqual(t, first.ID, f.propose(auto, proposalKey("k")).ID)
	})
}

// TestTimeline_ExpiresAfterRetention requires that each event leaves the timeline at least the
// retention, and at most a thirtieth more, whatever time it had left before.
func TestTimeline_ExpiresAfterRetention(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const kept = 30 * time.Hour
		f := newFixture(t, s, retention(kept))
		for _, left := range []time.Duration{time.Hour, kept - time.Minute, kept + 10*time.Minute, 40 * kept} {
			f.do(func(ctx context.Context, c store.Client) error {
				return c.PExpire(ctx, f.device.TimelineKey(), left).Err()
			})
			f.propose(auto)
			f.do(func(ctx context.Context, c store.Client) error {
				now := c.PTTL(ctx, f.device.TimelineKey()).Val()
				require.Greater(t, now, kept-time.Minute/2, left)
				require.LessOrEqual(t, now, kept+time.Hour, left)
				return nil
			})
		}
	})
}

// TestTimeline_OfFewEventsIsSmall requires that a timeline takes what its events need, and not the
// 4 KiB that Redis reserves for the first events of a stream.
func TestTimeline_OfFewEventsIsSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Connect(t, store.Config{}))
	f.propose(auto)
	f.do(func(ctx context.Context, c store.Client) error {
		require.EqualValues(t, 2, c.XLen(ctx, f.device.TimelineKey()).Val())
		require.Less(t, c.MemoryUsage(ctx, f.device.TimelineKey()).Val(), int64(1500), "bytes")
		require.Positive(t, c.PTTL(ctx, f.device.TimelineKey()).Val(), "a timeline expires")
		return nil
	})
}
