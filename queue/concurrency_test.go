package queue_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestClaim_ConcurrentClaimsShareNoCommand(t *testing.T) {
	t.Parallel()
	const more = 60
	f := newFixture(t, storetest.Redis(t))
	want := make(map[string]bool)
	for _, c := range f.proposeMany(auto, 100) {
		want[c.ID] = true
	}
	var claims sync.WaitGroup
	claimed := make([][]queue.Lease, 1000)
	errs := make([]error, 1000)
	for i := range claimed {
		claims.Go(func() { claimed[i], errs[i] = f.queue.Claim(t.Context(), f.claimRequest(limit(1+i%3))) })
	}
	for len(want) < 100+more {
		c, err := f.queue.Propose(t.Context(), f.proposal(auto))
		if fieldgate.CodeOf(err) == fieldgate.CodeDeviceQueueFull {
			continue
		}
		require.NoError(t, err)
		want[c.ID] = true
	}
	claims.Wait()
	for rest := f.claim(limit(10)); len(rest) > 0; rest = f.claim(limit(10)) {
		claimed = append(claimed, rest)
	}

	for _, err := range errs {
		require.NoError(t, err)
	}
	for _, leases := range claimed {
		for _, l := range leases {
			require.True(t, want[l.ID], "%s was claimed twice", l.ID)
			require.Equal(t, 1, l.Attempt)
			delete(want, l.ID)
		}
	}
	require.Empty(t, want, "some commands were not claimed")
}

// contention is a device with several processes that work on the same commands at the same
// time, often with expired leases. It records the responses.
type contention struct {
	*fixture
	mu       sync.Mutex
	leases   []queue.Lease  // all leases that were returned by claims
	accepted map[string]int // number of accepted results by command, without duplicates
}

func (c *contention) addLeases(leases []queue.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases = append(c.leases, leases...)
}

func (c *contention) addResult(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted[id]++
}

// pickLease picks one of the newest leases.
func (c *contention) pickLease(rng *rand.Rand) (queue.Lease, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.leases) == 0 {
		return queue.Lease{}, false
	}
	from := max(0, len(c.leases)-12)
	return c.leases[from+rng.IntN(len(c.leases)-from)], true
}

// runOperation runs one random operation. It does not return a refusal as an error.
func (c *contention) runOperation(ctx context.Context, rng *rand.Rand) (err error) {
	defer func() {
		if fieldgate.CodeOf(err) != fieldgate.CodeInternal {
			err = nil
		}
	}()
	span := time.Duration(1+rng.IntN(8)) * time.Millisecond
	if rng.IntN(10) < 5 {
		leases, err := c.queue.Claim(ctx, c.claimRequest(limit(1+rng.IntN(3)), visibility(span)))
		c.addLeases(leases)
		return err
	}
	lease, ok := c.pickLease(rng)
	if !ok {
		return nil
	}
	ref := c.ref(lease)
	switch rng.IntN(6) {
	case 0:
		_, err = c.queue.Release(ctx, ref, "")
	case 1, 2, 3:
		_, err = c.queue.Extend(ctx, ref, span)
	case 4:
		_, err = c.queue.Cancel(ctx, cancelOf(lease.Command))
	default:
		var recorded queue.RecordedResult
		recorded, err = c.queue.SubmitResult(ctx, ref, queue.Succeeded, queue.Result{Output: lease.Token})
		if err == nil && !recorded.Duplicate {
			c.addResult(lease.ID)
		}
	}
	return err
}

// TestClaim_FencesHoldUnderConcurrency runs four clients and two sweepers with leases of
// a few milliseconds. No command may have more attempts than allowed, more than one
// result, or two leases at the same time.
func TestClaim_FencesHoldUnderConcurrency(t *testing.T) {
	t.Parallel()
	c := &contention{fixture: newFixture(t, isolatedRedis(t)), accepted: map[string]int{}}
	allowed := map[string]int{}
	for i := range 60 {
		command := c.propose(auto, maxAttempts(1+i%4))
		allowed[command.ID] = command.MaxAttempts
	}

	const seed = 20260101
	ctx := t.Context()
	var workers, sweepers sync.WaitGroup
	var done atomic.Bool
	for w := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		workers.Go(func() {
			for range 400 {
				if err := c.runOperation(ctx, rng); err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
			}
		})
	}
	for range 2 {
		sweepers.Go(func() {
			for !done.Load() {
				c.sweep()
			}
		})
	}
	workers.Wait()
	done.Store(true)
	sweepers.Wait()
	c.finishAll()

	require.NotEmpty(t, c.accepted)
	for id, attempts := range allowed {
		c.requireFences(id, attempts)
	}
	require.Empty(t, c.quarantined())
}

// finishAll claims and finishes every command that has not ended.
func (c *contention) finishAll() {
	c.t.Helper()
	for _, id := range c.listAll(c.session.ID, 200) {
		eventually(c.t, "the command did not end", func() bool {
			c.sweep()
			for _, l := range c.claim(limit(10)) {
				c.addLeases([]queue.Lease{l})
				c.submitResult(l, queue.Succeeded)
				c.addResult(l.ID)
			}
			return c.get(id).Status.Final()
		})
	}
}

// requireFences checks a finished command against the responses that contention recorded.
func (c *contention) requireFences(id string, attempts int) {
	c.t.Helper()
	end := c.get(id)
	require.True(c.t, end.Status.Final())
	require.LessOrEqual(c.t, end.Attempt, attempts)
	require.LessOrEqual(c.t, c.accepted[id], 1, "more than one result was recorded")
	require.Equal(c.t, c.accepted[id] == 1, end.Result != nil)

	counted := 0
	for i, a := range end.Attempts {
		if a.Outcome != "released" {
			counted++
		}
		require.False(c.t, a.EndedAt.IsZero())
		if i > 0 {
			require.False(c.t, a.ClaimedAt.Before(end.Attempts[i-1].EndedAt), "two leases overlap: %v", end.Attempts)
		}
	}
	require.LessOrEqual(c.t, counted, attempts)

	tokens := map[string]bool{}
	var leases []queue.Lease
	for _, l := range c.leases {
		if l.ID == id {
			tokens[l.Token] = true
			leases = append(leases, l)
		}
	}
	require.Len(c.t, tokens, len(leases), "two leases have the same token")
	if end.Result != nil && end.Result.Output != "done" {
		require.Equal(c.t, newestLease(leases).Token, end.Result.Output, "the result is not that of the newest claim")
	}
}

// newestLease returns the lease that was claimed last. Leases claimed in the same millisecond
// are ordered by their attempt and by the number of claims.
func newestLease(leases []queue.Lease) queue.Lease {
	return slices.MaxFunc(leases, func(a, b queue.Lease) int {
		return cmp.Or(a.ClaimedAt.Compare(b.ClaimedAt), cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(len(a.Attempts), len(b.Attempts)))
	})
}
