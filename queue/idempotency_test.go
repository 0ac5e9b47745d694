package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func proposalKey(key string) func(*queue.Proposal) {
	return func(p *queue.Proposal) { p.IdempotencyKey = key }
}

func claimKey(key string) func(*queue.ClaimRequest) {
	return func(r *queue.ClaimRequest) { r.IdempotencyKey = key }
}

func TestARepeatedProposalMakesNoSecondCommand(t *testing.T) {
	t.Parallel()
	for _, commandType := range []string{auto, review} {
		t.Run(commandType, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				first := b.propose(commandType, proposalKey("k"))
				require.Equal(t, first, b.propose(commandType, proposalKey("k")))
				require.NotEqual(t, first.ID, b.propose(commandType, proposalKey("k2")).ID)
				require.NotEqual(t, first.ID, b.propose(commandType).ID, "without a key every proposal is a new one")
				require.Len(t, b.listAll(b.session.ID, 50), 3)

				b.cancel(first)
				require.Equal(t, first, b.propose(commandType, proposalKey("k")), "the answer is the first one, whatever came after")
				b.closeSession()
				require.Equal(t, first, b.propose(commandType, proposalKey("k")))
			})
		})
	}
}

func TestAKeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*queue.Proposal){
		"type":        func(p *queue.Proposal) { p.Type = "diagnostic.ping" },
		"parameters":  func(p *queue.Proposal) { p.Parameters = json.RawMessage(`{"host":"example.org"}`) },
		"priority":    func(p *queue.Proposal) { p.Priority = 9 },
		"reason":      func(p *queue.Proposal) { p.Reason = "another" },
		"maxAttempts": attempts(2),
		"deliver":     deliverWithin(time.Hour),
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto, proposalKey("k"))
		for name, change := range changes {
			p := b.proposal(auto)
			p.IdempotencyKey = "k"
			change(&p)
			_, err := b.queue.Propose(t.Context(), p)
			require.Equal(t, fieldgate.CodeIdempotencyKeyReused, fieldgate.CodeOf(err), name)
		}
		require.Len(t, b.listAll(b.session.ID, 50), 1)

		other := b.beside(b.newDevice(storetest.Tenant()))
		require.NotEmpty(t, other.propose(auto, proposalKey("k")).ID, "another tenant's keys are its own")
	})
}

func TestARefusedProposalIsNotRemembered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.fill(auto, 100)
		p := b.proposal(auto)
		p.IdempotencyKey = "k"
		_, err := b.queue.Propose(t.Context(), p)
		refused(t, err, fieldgate.CodeDeviceQueueFull)
		b.take()
		b.propose(auto, proposalKey("k"))
	})
}

func TestARepeatedRetryMakesNoSecondCommand(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	r := retryOf(b.cancel(b.propose(auto)))
	r.IdempotencyKey = "k"
	first, err := b.queue.Retry(t.Context(), r)
	require.NoError(t, err)
	second, err := b.queue.Retry(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, second)
}

func TestARepeatedClaimGivesTheSameCommandsAndTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		for range 3 {
			b.propose(auto)
		}
		first := b.claim(limit(2), claimKey("k"))
		second := b.claim(limit(2), claimKey("k"))
		require.Len(t, second, 2)
		for i := range first {
			require.LessOrEqual(t, second[i].Remaining, first[i].Remaining)
			second[i].Remaining = first[i].Remaining
		}
		require.Equal(t, first, second)
		require.Equal(t, 1, b.get(first[0].ID).Attempt)

		require.Equal(t, queue.Succeeded, b.finish(second[0], queue.Succeeded).Status)
		require.Equal(t, ids(first[1:]), ids(b.claim(limit(2), claimKey("k"))), "what is still under its lease")
		require.NotEqual(t, first[1].ID, b.take(limit(2), claimKey("k2")).ID, "another key is another claim")
	})
}

func TestAClaimKeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		b.take(claimKey("k"))
		for _, change := range []func(*queue.ClaimRequest){limit(2), visibleFor(2 * time.Minute)} {
			_, err := b.queue.Claim(t.Context(), b.claimRequest(claimKey("k"), change))
			refused(t, err, fieldgate.CodeIdempotencyKeyReused)
		}
	})
}

func TestAnEmptyAnswerIsNeverRemembered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		require.Empty(t, b.claim(claimKey("k")))
		b.propose(auto)
		require.Len(t, b.claim(claimKey("k")), 1)
	})
}

func TestAfterItsLeasesAKeyClaimsAfresh(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		end     func(b *bench, l queue.Lease)
		attempt int
	}{
		"expired": {func(b *bench, l queue.Lease) { b.lapse(l) }, 2},
		"released": {func(b *bench, l queue.Lease) {
			require.NoError(b.t, b.writes(l)["release"]())
		}, 1},
		"claimed by another key": {func(b *bench, l queue.Lease) {
			b.lapse(l)
			b.lapse(b.take(claimKey("other")))
		}, 3},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				b.propose(auto)
				first := b.take(claimKey("k"))
				tt.end(b, first)
				again := b.take(claimKey("k"))
				require.Equal(t, first.ID, again.ID)
				require.NotEqual(t, first.Token, again.Token)
				require.Equal(t, tt.attempt, again.Attempt)
				require.Equal(t, again.Token, b.take(claimKey("k")).Token, "which is remembered in its turn")
			})
		})
	}
}

func TestARepeatedClaimNeverGivesWhatAnotherClaimHolds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		b.lapse(b.take(claimKey("k")))
		other := b.take(claimKey("other"))
		require.Empty(t, b.claim(claimKey("k")))
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, b.finish(other, queue.Succeeded))
	})
}

func TestAKeyOfOneDeviceMeansNothingToAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		b.take(claimKey("k"))
		other := b.beside(b.newDevice(b.device.Tenant))
		require.Empty(t, other.claim(claimKey("k")))
		require.Empty(t, other.claim(limit(2), claimKey("k")), "and is not taken by it either")
	})
}
