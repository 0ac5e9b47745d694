package queue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// noPoll leaves a waiting claim to its wake-ups.
func noPoll(cfg *queue.Config) { cfg.PollEvery = time.Minute }

// hall is a bench on a Redis of its own, whose queue hears the store's wake-ups;
// nothing else wakes its claims.
type hall struct {
	*bench
	server *storetest.Server
	rounds *rounds
	deaf   atomic.Bool  // wake-ups are lost
	heard  atomic.Int64 // wake-ups for a command that is ready, lost ones too
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{server: storetest.Start(t), rounds: new(rounds)}
	h.bench = newBench(t, h.connect(t), noPoll)
	h.listen(h.store, h.queue)
	return h
}

func (h *hall) connect(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: h.server.URL(), Observe: h.rounds.observe})
}

// listen has a queue told of the store's wake-ups, from now on.
func (h *hall) listen(s *store.Store, q *queue.Queue) {
	h.t.Helper()
	connected := make(chan struct{})
	var once sync.Once
	go s.Listen(h.t.Context(), func(w store.Wake) {
		if !h.deaf.Load() {
			q.HandleWake(w)
		}
		if w.Ready {
			h.heard.Add(1)
		}
		once.Do(func() { close(connected) })
	})
	<-connected
}

// unheard makes n commands ready of which the queue hears nothing.
func (h *hall) unheard(n int64, makeReady func()) {
	h.t.Helper()
	h.deaf.Store(true)
	defer h.deaf.Store(false)
	want := h.heard.Load() + n
	makeReady()
	eventually(h.t, "the wake-ups never came", func() bool { return h.heard.Load() == want })
}

// waiting is a claim that waits.
type waiting struct {
	t      testing.TB
	leases chan []queue.Lease
	leave  context.CancelFunc
}

// wait starts a claim on a queue and comes back when it has looked and found
// nothing.
func (h *hall) wait(q *queue.Queue, change ...func(*queue.ClaimRequest)) waiting {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	w := waiting{t: h.t, leases: make(chan []queue.Lease, 1), leave: cancel}
	r := h.claimRequest(append(change, func(r *queue.ClaimRequest) { r.Wait = 30 * time.Second })...)
	looked := h.rounds.of("claim")
	go func() {
		leases, err := q.Claim(ctx, r)
		if err != nil && !errors.Is(err, context.Canceled) {
			h.t.Error(err)
		}
		w.leases <- leases
	}()
	eventually(h.t, "the claim never looked", func() bool { return h.rounds.of("claim") > looked })
	return w
}

// comesBack says what the claim was given, long before it would look by itself.
func (w waiting) comesBack() []queue.Lease {
	w.t.Helper()
	select {
	case leases := <-w.leases:
		return leases
	case <-time.After(10 * time.Second):
		require.Fail(w.t, "the claim still waits")
		return nil
	}
}

func TestAWaitingClaimIsWokenByWhateverMakesACommandReady(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *bench) (makeReady func()){
		"a proposal": func(b *bench) func() {
			return func() { b.propose(auto) }
		},
		"an approval": func(b *bench) func() {
			c := b.propose(review)
			return func() { b.approve(c) }
		},
		"a release": func(b *bench) func() {
			b.propose(auto)
			release := b.writes(b.take())["release"]
			return func() { require.NoError(b.t, release()) }
		},
		"a lease that ends": func(b *bench) func() {
			b.propose(auto)
			lease := b.take(visibleFor(200 * time.Millisecond))
			return func() {
				eventually(b.t, "the lease never ended", func() bool {
					b.sweep()
					return slices.Contains(b.happened(lease.ID), "requeued")
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHall(t)
			makeReady := prepare(h.bench)
			w := h.wait(h.queue)
			makeReady()
			require.Len(t, w.comesBack(), 1)
		})
	}
}

func TestAWaitingClaimIsWokenThroughEveryInstance(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	second := h.connect(t)
	other := queue.New(queue.Config{Store: second, PollEvery: time.Minute})
	h.listen(second, other)

	w := h.wait(other)
	c := h.propose(auto)
	require.Equal(t, []string{c.ID}, ids(w.comesBack()))

	here, there := h.wait(h.queue), h.wait(other)
	h.propose(auto)
	h.propose(auto)
	require.Len(t, here.comesBack(), 1)
	require.Len(t, there.comesBack(), 1)
}

func TestOneCommandWakesOneOfThoseWhoWait(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	all := []waiting{h.wait(h.queue), h.wait(h.queue), h.wait(h.queue)}
	stranger := h.beside(h.newDevice(h.device.Tenant))
	looked := h.rounds.of("claim")
	for i, w := range all {
		stranger.propose(auto)
		c := h.propose(auto)
		require.Equal(t, []string{c.ID}, ids(w.comesBack()), "the first who came is the first to be served")
		require.Equal(t, looked+i+1, h.rounds.of("claim"), "nobody else looked")
	}
}

func TestWhoeverLeavesCommandsInTheLineWakesTheNext(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	all := []waiting{h.wait(h.queue), h.wait(h.queue), h.wait(h.queue)}
	h.unheard(2, func() { h.fill(auto, 2) })
	h.propose(auto)
	for _, w := range all {
		require.Len(t, w.comesBack(), 1)
	}
}

func TestAClaimThatGivesUpPassesItsWakeUpOn(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	for range 20 {
		first, second := h.wait(h.queue), h.wait(h.queue)
		go first.leave() // at the same time as the wake-up, in whatever order
		c := h.propose(auto)
		got := first.comesBack()
		if len(got) == 0 {
			got = second.comesBack()
		}
		require.Equal(t, []string{c.ID}, ids(got))
		require.Equal(t, 1, got[0].Attempt)
		h.finish(got[0], queue.Succeeded)
		second.leave()
	}
}

func TestALostConnectionToTheStoreIsNoReasonToMissACommand(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	w := h.wait(h.queue)
	h.unheard(1, func() { h.propose(auto) })
	h.queue.HandleWake(store.Wake{}) // what the store says when it is connected again
	require.Len(t, w.comesBack(), 1)
}

func TestAWaitingClaimLooksByItselfNowAndThen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s, func(cfg *queue.Config) { cfg.PollEvery = time.Millisecond })
		got := make(chan []queue.Lease, 1)
		go func() {
			leases, err := b.queue.Claim(t.Context(), b.claimRequest(waitFor(30*time.Second)))
			if err != nil {
				t.Error(err)
			}
			got <- leases
		}()
		c := b.propose(auto)
		require.Equal(t, []string{c.ID}, ids(<-got))
	})
}

func waitFor(d time.Duration) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.Wait = d }
}

func TestAWaitEndsInTimeWithNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t), noPoll)
	start := time.Now()
	require.Empty(t, b.claim(waitFor(50*time.Millisecond)))
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	require.Less(t, time.Since(start), 5*time.Second)
	require.Zero(t, b.counted("fieldgate_claims_waiting"))
}

func TestDrainingSendsEverybodyHome(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	all := []waiting{h.wait(h.queue), h.wait(h.queue), h.wait(h.queue)}
	require.Equal(t, 3.0, h.counted("fieldgate_claims_waiting"))
	h.queue.Drain()
	h.queue.Drain()
	for _, w := range all {
		require.Empty(t, w.comesBack())
	}
	require.Empty(t, h.claim(waitFor(time.Minute)), "nor does anybody wait from now on")
	h.propose(auto)
	require.Len(t, h.claim(waitFor(time.Minute)), 1, "what is there is still handed out")
}

func TestAClaimWhoseCallerGoesAwayWaitsNoLonger(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	w := h.wait(h.queue)
	w.leave()
	require.Empty(t, w.comesBack())
	eventually(t, "somebody still waits", func() bool { return h.counted("fieldgate_claims_waiting") == 0 })
	h.propose(auto)
	require.Equal(t, 1, h.take().Attempt)
}

func TestWhatNobodyTakesIsGivenBack(t *testing.T) {
	t.Parallel()
	ctx, goAway := context.WithCancel(t.Context())
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Observe: func(name string, _ time.Duration, _ error) {
		if name == "claim" {
			goAway() // the connection dies while the answer is on its way
		}
	}})
	b := newBench(t, s)
	c := b.propose(auto, attempts(1))
	b.propose(auto)
	_, err := b.queue.Claim(ctx, b.claimRequest(limit(2)))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"proposed", "claimed", "released"}, b.happened(c.ID))
	require.Equal(t, queue.Queued, b.get(c.ID).Status)
	require.Zero(t, b.get(c.ID).Attempt)
	require.Len(t, b.claim(limit(2)), 2)
}

func TestAClaimWithAKeyIsKeptForItsRepetition(t *testing.T) {
	t.Parallel()
	ctx, goAway := context.WithCancel(t.Context())
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), Observe: func(name string, _ time.Duration, _ error) {
		if name == "claim" {
			goAway()
		}
	}})
	b := newBench(t, s)
	c := b.propose(auto)
	_, _ = b.queue.Claim(ctx, b.claimRequest(claimKey("k")))
	again := b.take(claimKey("k"))
	require.Equal(t, c.ID, again.ID)
	require.Equal(t, []string{"proposed", "claimed"}, b.happened(c.ID))
}

func TestAClaimThatIsUnderWayWhenItsCallerGivesUpIsGivenBackToo(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	c := h.propose(auto, attempts(1))
	require.Empty(t, h.beside(h.newDevice(h.device.Tenant)).claim(), "the server knows the script")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	answer := make(chan error, 1)
	h.server.Signal(t, syscall.SIGSTOP)
	go func() {
		_, err := h.queue.Claim(ctx, h.claimRequest())
		answer <- err
	}()
	<-ctx.Done()
	givenUp := func() bool { return len(answer) > 0 }
	require.Never(t, givenUp, 200*time.Millisecond, 5*time.Millisecond, "nobody would know what it hands out")
	h.server.Signal(t, syscall.SIGCONT)
	require.ErrorIs(t, <-answer, context.DeadlineExceeded)
	require.Equal(t, queue.Queued, h.get(c.ID).Status)
	require.Zero(t, h.get(c.ID).Attempt)
}

func TestACallerThatIsGoneClaimsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	c := b.propose(auto)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.queue.Claim(ctx, b.claimRequest())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"proposed"}, b.happened(c.ID))
}
