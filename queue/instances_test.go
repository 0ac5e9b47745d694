package queue_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// instance sets the instance that claims.
func instance(id string) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.InstanceID = id }
}

// conflict claims as two instances in turn.
func (f *fixture) conflict() {
	f.t.Helper()
	for _, id := range []string{"a", "b", "a"} {
		require.Empty(f.t, f.claim(instance(id)))
	}
}

// resolve ends the conflict of the device's instances as package device does.
func (f *fixture) resolve() {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HDel(ctx, f.device.RecordKey(), "conflict").Err()
	})
}

// conflicts returns the number of identity conflicts in the timeline of the device.
func (f *fixture) conflicts() (n int) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		entries, err := c.XRange(ctx, f.device.TimelineKey(), "-", "+").Result()
		for _, entry := range entries {
			if store.ParseEvent(entry).Type == "device.identity_conflict" {
				n++
			}
		}
		return err
	})
	return n
}

// as opens a login of the device as an instance, and sets it for a claim. The id of the instance is
// also the hash of the login.
func (f *fixture) as(id string) func(*queue.ClaimRequest) {
	f.t.Helper()
	end := time.Now().Add(time.Hour).UnixMilli()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, store.LoginKey(f.device.ID, id), "epoch", 7, "expires", end, "ends", end, "instance", id).Err()
	})
	f.writeDevice(map[string]any{"epoch": 7})
	check := &store.LoginCheck{Login: id, Cost: 1, Settings: []any{60_000, 1000, 5000, 0, 0, 90_000}}
	return func(r *queue.ClaimRequest) { r.Login = check }
}

func TestClaim_InstancesInTurnAreConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		require.Empty(t, f.claim(instance("a")))
		require.Empty(t, f.claim(instance("b")))
		require.Empty(t, f.claim(instance("b")))
		require.Zero(t, f.conflicts(), "a restart")
		require.Empty(t, f.claim(instance("a")))
		require.Empty(t, f.claim(instance("b")))
		require.Equal(t, 1, f.conflicts())
	})
}

// TestClaim_ConflictHoldsApprovedCommandsOnly also requires that commands which are held do not block
// those behind them.
func TestClaim_ConflictHoldsApprovedCommandsOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.conflict()
		held := []queue.Command{f.propose(review, priority(9)), f.propose(review, priority(8))}
		for _, c := range held {
			f.approve(c)
		}
		free := f.propose(auto, priority(0))
		for _, id := range []string{"b", "a", "c"} {
			for _, lease := range f.claim(instance(id), limit(10)) {
				require.Equal(t, free.ID, lease.ID)
			}
		}
		require.Equal(t, queue.Claimed, f.get(free.ID).Status)
		f.resolve()
		leases := f.claim(instance("c"), limit(10))
		require.Equal(t, []string{held[0].ID, held[1].ID}, ids(leases))
	})
}

// TestClaim_HeldCommandsAreReadOnce requires that a claim reads each held command once, however many
// commands it returns.
func TestClaim_HeldCommandsAreReadOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, isolatedRedis(t))
	f.conflict()
	const held, free = 60, 10
	for range held {
		f.approve(f.propose(review, priority(9)))
	}
	for range free {
		f.propose(auto)
	}
	before := f.calls("hget", "hmget")
	require.Len(t, f.claim(instance("a"), limit(free)), free)
	const others = 12 * free // reads of a claim that do not depend on the number of held commands
	require.Less(t, f.calls("hget", "hmget")-before, held+others)
}

// calls returns how often the server has run commands of Redis, also in scripts. No other test may use
// the server.
func (f *fixture) calls(names ...string) (n int) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		stats, err := c.Info(ctx, "commandstats").Result()
		for _, name := range names {
			_, line, _ := strings.Cut(stats, "cmdstat_"+name+":calls=")
			count, _, _ := strings.Cut(line, ",")
			calls, _ := strconv.Atoi(count)
			n += calls
		}
		return err
	})
	return n
}

// TestClaim_LoginNamesInstance claims without an id of the instance, which the login has.
func TestClaim_LoginNamesInstance(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		a, b := f.as("a"), f.as("b")
		for _, login := range []func(*queue.ClaimRequest){a, b, a} {
			require.Empty(t, f.claim(login))
		}
		require.Equal(t, 1, f.conflicts())
	})
}

// TestClaim_WaitOfEarlierInstanceGetsNothing lets a claim wait while the device restarts, as when its power
// was cut and the connection is still open. The command is for the new instance.
func TestClaim_WaitOfEarlierInstanceGetsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	waiting := make(chan []queue.Lease, 1)
	go func() {
		leases, _ := f.queue.Claim(t.Context(), f.claimRequest(instance("a"), waitFor(2*time.Second)))
		waiting <- leases
	}()
	eventually(t, "the claim does not wait", func() bool { return f.metricValue("fieldgate_claims_waiting") == 1 && f.hasInstance("a") })
	require.Empty(t, f.claim(instance("b")))
	f.propose(auto)
	require.Empty(t, <-waiting)
	require.Zero(t, f.conflicts())
	require.Len(t, f.claim(instance("b")), 1)
}

func (f *fixture) hasInstance(id string) (has bool) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		fields, err := c.HMGet(ctx, f.device.RecordKey(), "instance").Result()
		has = slices.Equal(fields, []any{id})
		return err
	})
	return has
}

// TestSubmitResultAndClaim_ConflictHoldsApprovedCommands requires the same of the claim that comes with
// a result.
func TestSubmitResultAndClaim_ConflictHoldsApprovedCommands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(instance("a"))
		f.conflict()
		f.approve(f.propose(review))
		_, next, err := f.queue.SubmitResultAndClaim(t.Context(), f.ref(lease), queue.Succeeded, queue.Result{}, longLease)
		require.NoError(t, err)
		require.Empty(t, next)
	})
}

// TestClaim_RepeatIsBoundToInstance repeats a claim with the key that a copy of the device has on its
// disk. Only the instance that has claimed gets the commands again.
func TestClaim_RepeatIsBoundToInstance(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(claimKey("k"), instance("a"))
		require.Equal(t, lease.Token, f.claimOne(claimKey("k"), instance("a")).Token)
		require.Empty(t, f.claim(claimKey("k"), instance("b")))
		require.Empty(t, f.claim(claimKey("k"), f.as("l")))
	})
}

func TestClaim_RepeatWithoutInstanceIsBoundToLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(claimKey("k"), f.as("l"))
		require.Equal(t, lease.Token, f.claimOne(claimKey("k"), f.as("l")).Token)
		require.Empty(t, f.claim(claimKey("k"), f.as("m")))
	})
}
