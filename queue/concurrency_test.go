package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestEachCommandIsHandedOutOnceHoweverManyClaim(t *testing.T) {
	t.Parallel()
	const more = 60
	b := newBench(t, storetest.Redis(t))
	want := make(map[string]bool)
	for _, c := range b.fill(auto, 100) {
		want[c.ID] = true
	}
	var all sync.WaitGroup
	given := make([][]queue.Lease, 1000)
	failed := make([]error, 1000)
	for i := range given {
		all.Go(func() { given[i], failed[i] = b.queue.Claim(t.Context(), b.claimRequest(limit(1+i%3))) })
	}
	for len(want) < 100+more {
		c, err := b.queue.Propose(t.Context(), b.proposal(auto))
		if fieldgate.CodeOf(err) == fieldgate.CodeDeviceQueueFull {
			continue
		}
		require.NoError(t, err)
		want[c.ID] = true
	}
	all.Wait()
	for rest := b.claim(limit(10)); len(rest) > 0; rest = b.claim(limit(10)) {
		given = append(given, rest)
	}

	for i, leases := range given {
		if i < len(failed) {
			require.NoError(t, failed[i])
		}
		for _, l := range leases {
			require.True(t, want[l.ID], "%s was handed out twice", l.ID)
			require.Equal(t, 1, l.Attempt)
			delete(want, l.ID)
		}
	}
	require.Empty(t, want, "all are handed out")
}

// crowd is a device that does everything at once, out of order and too late, and
// what it was told.
type crowd struct {
	*bench
	mu       sync.Mutex
	leases   []queue.Lease // all that were ever handed out
	accepted map[string]int
}

func (c *crowd) noteLeases(leases []queue.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases = append(c.leases, leases...)
}

func (c *crowd) noteResult(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted[id]++
}

// some picks one of the newest leases.
func (c *crowd) some(rng *rand.Rand) (queue.Lease, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.leases) == 0 {
		return queue.Lease{}, false
	}
	from := max(0, len(c.leases)-12)
	return c.leases[from+rng.IntN(len(c.leases)-from)], true
}

// act does one thing at random. A refusal of the contract is as good as success.
func (c *crowd) act(ctx context.Context, rng *rand.Rand) (err error) {
	defer func() {
		if fieldgate.CodeOf(err) != fieldgate.CodeInternal {
			err = nil
		}
	}()
	visible := time.Duration(1+rng.IntN(8)) * time.Millisecond
	if rng.IntN(10) < 5 {
		leases, err := c.queue.Claim(ctx, c.claimRequest(limit(1+rng.IntN(3)), visibleFor(visible)))
		c.noteLeases(leases)
		return err
	}
	lease, ok := c.some(rng)
	if !ok {
		return nil
	}
	hold := c.hold(lease)
	switch rng.IntN(6) {
	case 0:
		_, err = c.queue.Release(ctx, hold, "")
	case 1, 2, 3:
		_, err = c.queue.Extend(ctx, hold, visible)
	case 4:
		_, err = c.queue.Cancel(ctx, cancelOf(lease.Command))
	default:
		var out queue.RecordedResult
		out, err = c.queue.SubmitResult(ctx, hold, queue.Succeeded, queue.Result{Output: lease.Token})
		if err == nil && !out.Duplicate {
			c.noteResult(lease.ID)
		}
	}
	return err
}

// Two sweepers and four claimants on leases of a few milliseconds: attempts never
// exceed their maximum, and no two leases of a command overlap.
func TestWhateverHappensAtTheSameTimeTheFencesHold(t *testing.T) {
	t.Parallel()
	c := &crowd{bench: newBench(t, alone(t)), accepted: map[string]int{}}
	most := map[string]int{}
	for i := range 60 {
		made := c.propose(auto, attempts(1+i%4))
		most[made.ID] = made.MaxAttempts
	}

	const seed = 20260101
	ctx := t.Context()
	var workers, sweepers sync.WaitGroup
	var over atomic.Bool
	for w := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		workers.Go(func() {
			for range 400 {
				if err := c.act(ctx, rng); err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
			}
		})
	}
	for range 2 {
		sweepers.Go(func() {
			for !over.Load() {
				c.sweep()
			}
		})
	}
	workers.Wait()
	over.Store(true)
	sweepers.Wait()
	c.drain()

	require.NotEmpty(t, c.accepted)
	for id, limit := range most {
		c.holds(id, limit)
	}
	require.Empty(t, c.quarantine())
}

// drain finishes whatever is left.
func (c *crowd) drain() {
	c.t.Helper()
	for id := range c.everything() {
		eventually(c.t, "the command never ended", func() bool {
			c.sweep()
			for _, l := range c.claim(limit(10)) {
				c.noteLeases([]queue.Lease{l})
				c.finish(l, queue.Succeeded)
				c.noteResult(l.ID)
			}
			return c.get(id).Status.Final()
		})
	}
}

func (c *crowd) everything() map[string]bool {
	all := map[string]bool{}
	for _, id := range c.listAll(c.session.ID, 200) {
		all[id] = true
	}
	return all
}

// holds says what must be true of a command, whatever happened to it.
func (c *crowd) holds(id string, limit int) {
	c.t.Helper()
	end := c.get(id)
	require.True(c.t, end.Status.Final())
	require.LessOrEqual(c.t, end.Attempt, limit)
	require.LessOrEqual(c.t, c.accepted[id], 1, "one result stands")
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
	require.LessOrEqual(c.t, counted, limit)

	tokens := map[string]bool{}
	var given []queue.Lease
	for _, l := range c.leases {
		if l.ID == id {
			tokens[l.Token] = true
			given = append(given, l)
		}
	}
	require.Len(c.t, tokens, len(given), "every lease has a token of its own")
	if end.Result != nil && end.Result.Output != "done" {
		require.Equal(c.t, given[c.newest(given)].Token, end.Result.Output, "only the newest claim reports")
	}
}

// newest finds the last lease of a command: by when it was claimed and, within a
// millisecond, by its attempt.
func (c *crowd) newest(given []queue.Lease) (at int) {
	key := func(l queue.Lease) string {
		return fmt.Sprintf("%d %02d %02d", l.ClaimedAt.UnixMilli(), l.Attempt, len(l.Attempts))
	}
	for i := range given {
		if key(given[i]) > key(given[at]) {
			at = i
		}
	}
	return at
}
