package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func priority(n int) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.Priority = n }
}

func TestClaim_OrdersByPriorityThenAge(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		byPriority := map[int][]string{}
		for _, p := range []int{5, 0, 9, 5, 8, 9, 0, 5} {
			byPriority[p] = append(byPriority[p], f.propose(auto, priority(p)).ID)
		}
		var want []string
		for p := 9; p >= 0; p-- {
			want = append(want, byPriority[p]...)
		}
		require.Equal(t, want[:3], ids(f.claim(limit(3))))
		require.Equal(t, want[3:], ids(f.claim(limit(10))))
	})
}

func TestClaim_RequeuedCommandKeepsItsPosition(t *testing.T) {
	t.Parallel()
	ends := map[string]func(f *fixture) string{
		"released": func(f *fixture) string {
			lease := f.claimOne()
			_, err := f.queue.Release(f.t.Context(), f.ref(lease), "")
			require.NoError(f.t, err)
			return lease.ID
		},
		"requeued": func(f *fixture) string {
			lease := f.claimOne(shortLease)
			f.settleUntil(lease.ID, queue.Queued)
			return lease.ID
		},
	}
	for name, endLease := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				want := []string{f.propose(auto).ID, f.propose(auto).ID, f.propose(auto).ID}
				require.Equal(t, want[0], endLease(f))
				require.Equal(t, want, ids(f.claim(limit(3))))
			})
		})
	}
}

func TestClaim_ApprovedCommandKeepsItsPosition(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first, second, third := f.propose(review), f.propose(auto), f.propose(review)
		f.approve(third)
		f.approve(first)
		require.Equal(t, []string{first.ID, second.ID, third.ID}, ids(f.claim(limit(3))))
	})
}

func TestClaim_ReturnsAtMostLimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 12)
		leases := f.claim(limit(10))
		require.Len(t, leases, 10)
		tokens := map[string]bool{}
		for _, l := range leases {
			tokens[l.Token] = true
		}
		require.Len(t, tokens, 10, "two leases have the same token")
		require.Len(t, f.claim(limit(10)), 2)
		require.Empty(t, f.claim(limit(10)))
	})
}

func TestClaim_WithoutWaitReturnsAtOnce(t *testing.T) {
	t.Parallel()
	trips := new(roundTrips)
	f := newFixture(t, storetest.Connect(t, store.Config{Observe: trips.observe}), withoutPolling)
	require.Empty(t, f.claim())
	require.Equal(t, 1, trips.of("claim"))
}
