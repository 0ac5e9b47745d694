package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
)

func retention(d time.Duration) func(*queue.Config) {
	return func(cfg *queue.Config) { cfg.Retention = d }
}

// keysWithoutMemories lists all keys of the store but the gateway's own first
// facts and the memories of idempotency keys, which have a time to live.
func (b *bench) keysWithoutMemories() (keys []string) {
	b.t.Helper()
	b.do(func(ctx context.Context, c store.Client) error {
		for cursor := uint64(0); ; {
			page, next, err := c.Scan(ctx, cursor, "fg:{*", 100).Result()
			if err != nil {
				return err
			}
			keys = append(keys, page...)
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	keys = slices.DeleteFunc(keys, func(key string) bool {
		if !strings.Contains(key, ":idempotency:") {
			return false
		}
		b.do(func(ctx context.Context, c store.Client) error {
			require.Positive(b.t, c.PTTL(ctx, key).Val(), key)
			return nil
		})
		return true
	})
	slices.Sort(keys)
	return keys
}

func TestAFinishedCommandVanishesAfterItsRetention(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, retention(400*time.Millisecond))
		old := b.inState(queue.Succeeded)
		kept := b.propose(auto)
		eventually(t, "the command never vanished", func() bool {
			b.sweep()
			_, err := b.queue.GetOwn(t.Context(), b.device, old.ID)
			return fieldgate.CodeOf(err) == fieldgate.CodeCommandNotFound
		})
		require.Equal(t, []string{kept.ID}, b.listAll(b.session.ID, 50))
		require.Equal(t, kept.ID, b.take().ID, "what is not finished is kept, however old")
	})
}

func TestACommandIsKeptForItsRetention(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, retention(time.Hour))
		done := b.inState(queue.Succeeded)
		b.dueNow(done.ID)
		b.sweep()
		require.Equal(t, "done", b.get(done.ID).Result.Output)
		require.False(t, b.nothingDueBefore(time.Now().Add(2*time.Hour)), "the sweeper comes back for it")
		require.True(t, b.nothingDueBefore(time.Now().Add(time.Minute)))
	})
}

func TestALateResultIsKeptForItsOwnRetention(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, retention(time.Hour))
		lease := b.inState(queue.TimedOut)
		b.edit(lease.ID, func(state map[string]any) { state["finished"] = time.Now().Add(-time.Hour).UnixMilli() })
		require.True(t, b.finish(lease, queue.Succeeded).Late)
		b.dueNow(lease.ID)
		b.sweep()
		require.Equal(t, "done", b.get(lease.ID).Result.Output)
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		var b *bench
		var want []string
		for _, row := range life {
			b = newBench(t, s, retention(1500*time.Millisecond))
			at := b.inState(row.from)
			b.propose(review, proposalKey("k"))
			b.propose(auto, deliverWithin(time.Millisecond))
			if b.get(at.ID).Status == queue.Claimed {
				b.cancel(at.Command)
				b.finish(at, queue.Cancelled)
			}
			b.claim(claimKey("k"), brief)
			b.closeSession()
			// The device itself stays, and that its tenant is there, and the tenant's
			// event stream, which is trimmed.
			want = append(want, b.device.RecordKey(), store.Tenant(b.device.Tenant).StreamKey(),
				store.PartitionOf(b.device.Tenant).TenantsKey())
		}
		slices.Sort(want)
		want = slices.Compact(want)
		eventually(t, "something is left", func() bool {
			b.sweep()
			return slices.Equal(want, b.keysWithoutMemories())
		})
	})
}

func TestAForgottenCommandsKeyMakesANewOne(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, retention(time.Millisecond))
		first := b.cancel(b.propose(auto, proposalKey("k")))
		eventually(t, "the command never vanished", func() bool {
			b.sweep()
			return len(b.listAll(b.session.ID, 50)) == 0
		})
		require.NotEqual(t, first.ID, b.propose(auto, proposalKey("k")).ID)
	})
}
