package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// indexed adds the fixture's device to the index of its tenant's devices.
func (f *fixture) indexed() *fixture {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.ZAdd(ctx, store.Tenant(f.device.Tenant).DevicesKey(), redis.Z{Member: f.device.ID}).Err()
	})
	return f
}

func (f *fixture) oldestReady(ready int64) time.Time {
	f.t.Helper()
	at, err := f.queue.OldestReady(f.t.Context(), f.device.Tenant, ready)
	require.NoError(f.t, err)
	return at
}

// span is the time that a call took, by the clock of this machine, which the store has too.
type span struct{ begin, end time.Time }

func spanOf(call func()) span {
	begin := time.Now().Truncate(time.Millisecond)
	call()
	return span{begin, time.Now()}
}

func (s span) requireContains(t testing.TB, at time.Time) {
	t.Helper()
	require.False(t, at.Before(s.begin) || at.After(s.end), "%v is not between %v and %v", at, s.begin, s.end)
}

// TestBacklog_OldestReadyIsAmongNextCommands has two devices. The second one's command becomes ready
// last, although it was proposed first.
func TestBacklog_OldestReadyIsAmongNextCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s).indexed()
		require.Zero(t, f.oldestReady(5), "no command is ready")
		other := f.withDevice(f.newDevice(f.device.Tenant)).indexed()
		waiting := other.propose(review)
		first := spanOf(func() { f.propose(auto) })
		f.propose(auto)
		first.requireContains(t, f.oldestReady(2))
		require.Zero(t, f.oldestReady(0), "the devices were read although nothing is ready")

		approved := spanOf(func() { other.approve(waiting) })
		first.requireContains(t, f.oldestReady(3))
		f.claim(limit(2))
		approved.requireContains(t, f.oldestReady(1))
		other.claimOne()
		require.Zero(t, f.oldestReady(1))
	})
}

// TestBacklog_UnreadableCommandIsLeftOut requires that the survey goes on beside a damaged record.
func TestBacklog_UnreadableCommandIsLeftOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s).indexed()
		broken := f.propose(auto)
		other := f.withDevice(f.newDevice(f.device.Tenant)).indexed()
		whole := spanOf(func() { other.propose(auto) })
		f.do(func(ctx context.Context, c store.Client) error {
			return c.HSet(ctx, f.device.CommandsKey(), broken.ID, "{").Err()
		})
		whole.requireContains(t, f.oldestReady(2))
	})
}

func TestBacklog_OldestPending(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		oldest := func() time.Time {
			at, err := f.queue.OldestPending(t.Context(), f.device.Tenant)
			require.NoError(t, err)
			return at
		}
		require.Zero(t, oldest())
		first, second := f.propose(review), f.propose(review)
		require.Equal(t, first.CreatedAt, oldest())
		f.approve(first)
		require.Equal(t, second.CreatedAt, oldest())
	})
}
