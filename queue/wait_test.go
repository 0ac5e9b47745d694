package queue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// withoutPolling sets PollEvery to more than the duration of a test. Before its deadline, a
// waiting claim then returns only after a wake-up.
func withoutPolling(cfg *queue.Config) { cfg.PollEvery = longLease }

// manyWaiters raises the maximum number of waiting claims of a device.
func manyWaiters(cfg *queue.Config) { cfg.MaxWaiting = 32 }

// wakeFixture is a fixture with a separate Redis. Its queue receives the store's wake-ups, and
// its claims do not poll.
type wakeFixture struct {
	*fixture
	server     *storetest.Server
	trips      *roundTrips
	dropWakes  atomic.Bool  // drops wake-ups before they reach the queue
	readyWakes atomic.Int64 // number of wake-ups for ready commands, including dropped ones
}

func newWakeFixture(t *testing.T) *wakeFixture {
	t.Helper()
	f := &wakeFixture{server: storetest.Start(t), trips: new(roundTrips)}
	f.fixture = newFixture(t, f.connect(t), withoutPolling, manyWaiters)
	f.listen(f.store, f.queue)
	return f
}

func (f *wakeFixture) connect(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: f.server.URL(), Observe: f.trips.observe})
}

// listen passes the store's wake-ups to a queue. It returns once the store has subscribed to
// wake-ups.
func (f *wakeFixture) listen(s *store.Store, q *queue.Queue) {
	f.t.Helper()
	connected := make(chan struct{})
	var once sync.Once
	go s.Listen(f.t.Context(), func(w store.Wake) {
		if !f.dropWakes.Load() {
			q.HandleWake(w)
		}
		if w.Ready {
			f.readyWakes.Add(1)
		}
		once.Do(func() { close(connected) })
	})
	<-connected
}

// withoutWakes calls makeReady, which makes n commands ready, and drops the n wake-ups.
func (f *wakeFixture) withoutWakes(n int64, makeReady func()) {
	f.t.Helper()
	f.dropWakes.Store(true)
	defer f.dropWakes.Store(false)
	want := f.readyWakes.Load() + n
	makeReady()
	eventually(f.t, "the wake-ups did not arrive", func() bool { return f.readyWakes.Load() == want })
}

// waitingClaim is a claim that waits for a command.
type waitingClaim struct {
	t      testing.TB
	leases chan []queue.Lease
	cancel context.CancelFunc
}

// startClaim starts a claim on a queue. It returns once the claim has found no command and
// waits.
func (f *wakeFixture) startClaim(q *queue.Queue, change ...func(*queue.ClaimRequest)) waitingClaim {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	w := waitingClaim{t: f.t, leases: make(chan []queue.Lease, 1), cancel: cancel}
	r := f.claimRequest(append(change, func(r *queue.ClaimRequest) { r.Wait = longLease })...)
	before := f.trips.of("claim")
	go func() {
		leases, err := q.Claim(ctx, r)
		if err != nil && !errors.Is(err, context.Canceled) {
			f.t.Error(err)
		}
		w.leases <- leases
	}()
	eventually(f.t, "the claim did not ask the store", func() bool { return f.trips.of("claim") > before })
	return w
}

// await waits for the claim to return and returns its leases.
func (w waitingClaim) await() []queue.Lease {
	w.t.Helper()
	select {
	case leases := <-w.leases:
		return leases
	case <-time.After(patience):
		require.Fail(w.t, "the claim still waits")
		return nil
	}
}

func TestClaim_WaitEndsWhenCommandIsReady(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(f *fixture) (makeReady func()){
		"a proposal": func(f *fixture) func() {
			return func() { f.propose(auto) }
		},
		"an approval": func(f *fixture) func() {
			c := f.propose(review)
			return func() { f.approve(c) }
		},
		"a release": func(f *fixture) func() {
			f.propose(auto)
			release := f.deviceCalls(f.claimOne())["release"]
			return func() { require.NoError(f.t, release()) }
		},
		"a lease that expires": func(f *fixture) func() {
			f.propose(auto)
			lease := f.claimOne()
			return func() {
				f.expireLease(lease)
				eventually(f.t, "the command was not requeued", func() bool {
					f.sweep()
					return slices.Contains(f.eventTypes(lease.ID), "requeued")
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newWakeFixture(t)
			makeReady := prepare(f.fixture)
			w := f.startClaim(f.queue)
			makeReady()
			require.Len(t, w.await(), 1)
		})
	}
}

func TestClaim_WaitEndsOnEveryInstance(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	second := f.connect(t)
	other := queue.New(queue.Config{Store: second, PollEvery: longLease})
	f.listen(second, other)

	w := f.startClaim(other)
	c := f.propose(auto)
	require.Equal(t, []string{c.ID}, ids(w.await()))

	here, there := f.startClaim(f.queue), f.startClaim(other)
	f.propose(auto)
	f.propose(auto)
	require.Len(t, here.await(), 1)
	require.Len(t, there.await(), 1)
}

func TestClaim_OneCommandWakesOneWaiter(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	all := []waitingClaim{f.startClaim(f.queue), f.startClaim(f.queue), f.startClaim(f.queue)}
	other := f.withDevice(f.newDevice(f.device.Tenant))
	before := f.trips.of("claim")
	for i, w := range all {
		other.propose(auto)
		c := f.propose(auto)
		require.Equal(t, []string{c.ID}, ids(w.await()), "the first waiter gets the first command")
		require.Equal(t, before+i+1, f.trips.of("claim"), "another waiter asked the store")
	}
}

func TestClaim_WaiterThatLeavesCommandsWakesNext(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	all := []waitingClaim{f.startClaim(f.queue), f.startClaim(f.queue), f.startClaim(f.queue)}
	f.withoutWakes(2, func() { f.proposeMany(auto, 2) })
	f.propose(auto)
	for _, w := range all {
		require.Len(t, w.await(), 1)
	}
}

func TestClaim_CancelledWaiterPassesWakeUpOn(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	for range 20 {
		first, second := f.startClaim(f.queue), f.startClaim(f.queue)
		go first.cancel() // may run before, during or after the wake-up
		c := f.propose(auto)
		got := first.await()
		if len(got) == 0 {
			got = second.await()
		}
		require.Equal(t, []string{c.ID}, ids(got))
		require.Equal(t, 1, got[0].Attempt)
		f.submitResult(got[0], queue.Succeeded)
		second.cancel()
	}
}

func TestClaim_ReconnectWakesWaiter(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	w := f.startClaim(f.queue)
	f.withoutWakes(1, func() { f.propose(auto) })
	f.queue.HandleWake(store.Wake{}) // the store sends an empty wake-up after a reconnection
	require.Len(t, w.await(), 1)
}

func TestClaim_WaiterPolls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.PollEvery = time.Millisecond })
		got := make(chan []queue.Lease, 1)
		go func() {
			leases, err := f.queue.Claim(t.Context(), f.claimRequest(waitFor(longLease)))
			if err != nil {
				t.Error(err)
			}
			got <- leases
		}()
		c := f.propose(auto)
		require.Equal(t, []string{c.ID}, ids(<-got))
	})
}

func waitFor(d time.Duration) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Wait = d }
}

// TestClaim_WaitingIsBounded starts two claims that wait, and then 400 further claims of the
// same device. The 400 claims must be refused without a call to the store.
func TestClaim_WaitingIsBounded(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	q := queue.New(queue.Config{Store: f.store, PollEvery: longLease})
	f.startClaim(q)
	f.startClaim(q)
	before := f.trips.of("claim")
	for range 400 {
		_, err := q.Claim(t.Context(), f.claimRequest(waitFor(longLease)))
		requireRefusal(t, err, fieldgate.CodeRateLimited)
		var refused *fieldgate.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, time.Second, refused.RetryAfter)
	}
	require.Equal(t, before, f.trips.of("claim"))
	_, err := q.Claim(t.Context(), f.claimRequest())
	require.NoError(t, err, "a claim that does not wait is served")
}

func TestClaim_WaitEndsAtDeadline(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withoutPolling)
	start := time.Now()
	require.Empty(t, f.claim(waitFor(50*time.Millisecond)))
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	require.Zero(t, f.metricValue("fieldgate_claims_waiting"))
}

func TestDrain_EndsWaitingClaims(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	all := []waitingClaim{f.startClaim(f.queue), f.startClaim(f.queue), f.startClaim(f.queue)}
	require.Equal(t, 3.0, f.metricValue("fieldgate_claims_waiting"))
	f.queue.Drain()
	f.queue.Drain()
	for _, w := range all {
		require.Empty(t, w.await())
	}
	require.Empty(t, f.claim(waitFor(longLease)), "a claim waits although the queue drains")
	f.propose(auto)
	require.Len(t, f.claim(waitFor(longLease)), 1, "a ready command can still be claimed")
}

func TestClaim_CancelledContextEndsWait(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	w := f.startClaim(f.queue)
	w.cancel()
	require.Empty(t, w.await())
	eventually(t, "a claim still waits", func() bool { return f.metricValue("fieldgate_claims_waiting") == 0 })
	f.propose(auto)
	require.Equal(t, 1, f.claimOne().Attempt)
}

func TestClaim_ReleasesLeasesOfGoneCaller(t *testing.T) {
	t.Parallel()
	ctx, goAway := context.WithCancel(t.Context())
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Observe: func(name string, _ time.Duration, _ error) {
		if name == "claim" {
			goAway() // the connection breaks before the response is sent
		}
	}})
	f := newFixture(t, s)
	c := f.propose(auto, maxAttempts(1))
	f.propose(auto)
	_, err := f.queue.Claim(ctx, f.claimRequest(limit(2)))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"proposed", "claimed", "released"}, f.eventTypes(c.ID))
	require.Equal(t, queue.Queued, f.get(c.ID).Status)
	require.Zero(t, f.get(c.ID).Attempt)
	require.Len(t, f.claim(limit(2)), 2)
}

func TestClaim_WithKeyKeepsLeasesOfGoneCaller(t *testing.T) {
	t.Parallel()
	ctx, goAway := context.WithCancel(t.Context())
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Observe: func(name string, _ time.Duration, _ error) {
		if name == "claim" {
			goAway()
		}
	}})
	f := newFixture(t, s)
	c := f.propose(auto)
	_, _ = f.queue.Claim(ctx, f.claimRequest(claimKey("k")))
	again := f.claimOne(claimKey("k"))
	require.Equal(t, c.ID, again.ID)
	require.Equal(t, []string{"proposed", "claimed"}, f.eventTypes(c.ID))
}

// TestClaim_ReleasesLeasesOfCallerGoneDuringScript cancels a claim while its script runs. The
// claim must wait for the reply, and must release the commands in the reply.
func TestClaim_ReleasesLeasesOfCallerGoneDuringScript(t *testing.T) {
	t.Parallel()
	proxy := storetest.NewProxy(t)
	proxy.ForwardTo(storetest.Start(t).Addr())
	f := newFixture(t, storetest.Connect(t, store.Config{URL: "redis://" + proxy.Addr(), Timeout: patience}))
	c := f.propose(auto, maxAttempts(1))
	require.Empty(t, f.withDevice(f.newDevice(f.device.Tenant)).claim(), "loads the script into the server")

	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error, 1)
	proxy.Inject(storetest.HoldReply)
	go func() {
		_, err := f.queue.Claim(ctx, f.claimRequest())
		returned <- err
	}()
	<-proxy.Faulted // wait until the script has run
	cancel()
	hasReturned := func() bool { return len(returned) > 0 }
	require.Never(t, hasReturned, 100*time.Millisecond, 5*time.Millisecond, "the claim returned without the reply of the script")
	proxy.Inject(storetest.NoFault)
	proxy.Release <- struct{}{}
	require.ErrorIs(t, <-returned, context.Canceled)
	require.Equal(t, queue.Queued, f.get(c.ID).Status)
	require.Zero(t, f.get(c.ID).Attempt)
}

func TestClaim_DoneContextClaimsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose(auto)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.queue.Claim(ctx, f.claimRequest())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"proposed"}, f.eventTypes(c.ID))
}

// TestClaim_WakeUpPassesWaitOfEarlierInstance requires that the waiting claim of an instance from before a
// restart leaves the wake-up to the claim of the new instance.
func TestClaim_WakeUpPassesWaitOfEarlierInstance(t *testing.T) {
	t.Parallel()
	f := newWakeFixture(t)
	earlier := f.startClaim(f.queue, instance("a"))
	newer := f.startClaim(f.queue, instance("b"))
	c := f.propose(auto)
	require.Equal(t, []string{c.ID}, ids(newer.await()))
	require.Empty(t, earlier.await())
	require.Zero(t, f.conflicts())
}
