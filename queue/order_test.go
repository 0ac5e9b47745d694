package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func priority(n int) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.Priority = n }
}

func TestTheHighestPriorityGoesFirstAndWithinItTheOldest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		byPriority := map[int][]string{}
		for _, p := range []int{5, 0, 9, 5, 8, 9, 0, 5} {
			byPriority[p] = append(byPriority[p], b.propose(auto, priority(p)).ID)
		}
		var want []string
		for p := 9; p >= 0; p-- {
			want = append(want, byPriority[p]...)
		}
		require.Equal(t, want[:3], ids(b.claim(limit(3))))
		require.Equal(t, want[3:], ids(b.claim(limit(10))))
	})
}

func TestACommandThatComesBackHasItsOldPlace(t *testing.T) {
	t.Parallel()
	ways := map[string]func(b *bench) string{
		"released": func(b *bench) string {
			lease := b.take()
			_, err := b.queue.Release(b.t.Context(), b.hold(lease), "")
			require.NoError(b.t, err)
			return lease.ID
		},
		"requeued": func(b *bench) string {
			lease := b.take(brief)
			b.becomes(lease.ID, queue.Queued)
			return lease.ID
		},
	}
	for name, comesBack := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				want := []string{b.propose(auto).ID, b.propose(auto).ID, b.propose(auto).ID}
				require.Equal(t, want[0], comesBack(b))
				require.Equal(t, want, ids(b.claim(limit(3))))
			})
		})
	}
}

func TestAnApprovedCommandStandsWhereItsProposalPutIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		first, second, third := b.propose(review), b.propose(auto), b.propose(review)
		b.approve(third)
		b.approve(first)
		require.Equal(t, []string{first.ID, second.ID, third.ID}, ids(b.claim(limit(3))))
	})
}

func TestALimitIsALimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.fill(auto, 12)
		leases := b.claim(limit(10))
		require.Len(t, leases, 10)
		tokens := map[string]bool{}
		for _, l := range leases {
			tokens[l.Token] = true
		}
		require.Len(t, tokens, 10, "each command has a token of its own")
		require.Len(t, b.claim(limit(10)), 2)
		require.Empty(t, b.claim(limit(10)))
	})
}

func TestAnEmptyLineAnswersAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	start := time.Now()
	require.Empty(t, b.claim())
	require.Less(t, time.Since(start), time.Second)
}
