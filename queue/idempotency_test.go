package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

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

func TestPropose_SameKeyReturnsSameCommand(t *testing.T) {
	t.Parallel()
	for _, commandType := range []string{auto, review} {
		t.Run(commandType, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				first := f.propose(commandType, proposalKey("k"))
				require.Equal(t, first, f.propose(commandType, proposalKey("k")))
				require.NotEqual(t, first.ID, f.propose(commandType, proposalKey("k2")).ID)
				require.NotEqual(t, first.ID, f.propose(commandType).ID, "without a key every proposal is a new one")
				require.Len(t, f.listAll(f.session.ID, 50), 3)

				f.cancel(first)
				require.Equal(t, first, f.propose(commandType, proposalKey("k")), "the first response is repeated, although the command has changed")
				f.closeSession()
				require.Equal(t, first, f.propose(commandType, proposalKey("k")))
			})
		})
	}
}

func TestPropose_KeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	unchanged := map[string]string{
		"Tenant": "keys belong to a tenant", "SessionID": "there is one session", "IdempotencyKey": "the test repeats it",
		"RequestID": "a retry has another", "Traceparent": "so it is with the span", "Names": "a renewed token may have others", "Role": "so may it", "RetryOf": "set by Retry",
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first := f.propose(auto, proposalKey("k"))
		renamed := func(p *queue.Proposal) { p.Names.Name = "Renamed" }
		require.Equal(t, first, f.propose(auto, proposalKey("k"), renamed), "the names are those of the act")
		proposal := f.proposal(auto)
		proposal.IdempotencyKey = "k"
		storetest.ForEachChange(t, proposal, unchanged, func(t *testing.T, field string, changed queue.Proposal) {
			_, err := f.queue.Propose(t.Context(), changed)
			require.Equal(t, fieldgate.CodeIdempotencyKeyReused, fieldgate.CodeOf(err), field)
		})
		require.Len(t, f.listAll(f.session.ID, 50), 1)

		other := f.withDevice(f.newDevice(storetest.Tenant()))
		require.NotEmpty(t, other.propose(auto, proposalKey("k")).ID, "another tenant has its own keys")
	})
}

// TestPropose_AnswerOfEarlierReleaseIsRepeated replaces the fingerprint of a kept answer by the
// one that earlier releases stored, which did not cover the user.
func TestPropose_AnswerOfEarlierReleaseIsRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first := f.propose(auto, proposalKey("k"))
		key := store.IdempotencyKeys(f.device.Tenant, "k")[0]
		f.do(func(ctx context.Context, c store.Client) error {
			kept, content := c.Get(ctx, key).Val(), `{"type":"`+auto+`","parameters":{"host":"example.com"}}`
			request, err := json.Marshal([]any{"propose", first.SessionID, content, first.Priority, first.MaxAttempts, first.DeliverWithin})
			require.NoError(t, err)
			return c.Set(ctx, key, store.DigestOf(string(request))+kept[strings.IndexByte(kept, '{'):], longLease).Err()
		})
		require.Equal(t, first, f.propose(auto, proposalKey("k")))
	})
}

func TestPropose_RefusalIsNotRemembered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.proposeMany(auto, 100)
		p := f.proposal(auto)
		p.IdempotencyKey = "k"
		_, err := f.queue.Propose(t.Context(), p)
		requireRefusal(t, err, fieldgate.CodeDeviceQueueFull)
		f.claimOne()
		f.propose(auto, proposalKey("k"))
	})
}

func TestRetry_SameKeyReturnsSameCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	r := retryOf(f.cancel(f.propose(auto)))
	r.IdempotencyKey = "k"
	first, err := f.queue.Retry(t.Context(), r)
	require.NoError(t, err)
	second, err := f.queue.Retry(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, second)
}

func TestClaim_SameKeyReturnsSameLeases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		for range 3 {
			f.propose(auto)
		}
		first := f.claim(limit(2), claimKey("k"))
		second := f.claim(limit(2), claimKey("k"))
		require.Len(t, second, 2)
		for i := range first {
			require.LessOrEqual(t, second[i].Remaining, first[i].Remaining)
			second[i].Remaining = first[i].Remaining
		}
		require.Equal(t, first, second)
		require.Equal(t, 1, f.get(first[0].ID).Attempt)

		require.Equal(t, queue.Succeeded, f.submitResult(second[0], queue.Succeeded).Status)
		require.Equal(t, ids(first[1:]), ids(f.claim(limit(2), claimKey("k"))), "only leases that still last are returned")
		require.NotEqual(t, first[1].ID, f.claimOne(limit(2), claimKey("k2")).ID, "another key makes another claim")
	})
}

func TestClaim_KeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		f.claimOne(claimKey("k"))
		for _, change := range []func(*queue.ClaimRequest){limit(2), visibility(longLease / 2)} {
			_, err := f.queue.Claim(t.Context(), f.claimRequest(claimKey("k"), change))
			requireRefusal(t, err, fieldgate.CodeIdempotencyKeyReused)
		}
	})
}

func TestClaim_EmptyResponseIsNotRemembered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		require.Empty(t, f.claim(claimKey("k")))
		f.propose(auto)
		require.Len(t, f.claim(claimKey("k")), 1)
	})
}

func TestClaim_KeyIsReusableAfterItsLeases(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		end     func(f *fixture, l queue.Lease)
		attempt int
	}{
		"expired": {func(f *fixture, l queue.Lease) { f.expireLease(l) }, 2},
		"released": {func(f *fixture, l queue.Lease) {
			require.NoError(f.t, f.deviceCalls(l)["release"]())
		}, 1},
		"claimed by another key": {func(f *fixture, l queue.Lease) {
			f.expireLease(l)
			f.expireLease(f.claimOne(claimKey("other")))
		}, 3},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				f.propose(auto)
				first := f.claimOne(claimKey("k"))
				tt.end(f, first)
				again := f.claimOne(claimKey("k"))
				require.Equal(t, first.ID, again.ID)
				require.NotEqual(t, first.Token, again.Token)
				require.Equal(t, tt.attempt, again.Attempt)
				require.Equal(t, again.Token, f.claimOne(claimKey("k")).Token, "the new lease is remembered under the key")
			})
		})
	}
}

func TestClaim_SameKeyReturnsNoLeaseOfAnotherClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		f.expireLease(f.claimOne(claimKey("k")))
		other := f.claimOne(claimKey("other"))
		require.Empty(t, f.claim(claimKey("k")))
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, f.submitResult(other, queue.Succeeded))
	})
}

func TestClaim_KeysOfDevicesAreSeparate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		f.claimOne(claimKey("k"))
		other := f.withDevice(f.newDevice(f.device.Tenant))
		require.Empty(t, other.claim(claimKey("k")))
		require.Empty(t, other.claim(limit(2), claimKey("k")), "the key is free for another request of the other device")
	})
}

// TestClaim_KeptTokenIsSealed reads the answer that the store keeps for a claim with an
// Idempotency-Key. Only that key opens the claim token.
func TestClaim_KeptTokenIsSealed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(claimKey("a key of the device"))
		kept := f.keptClaim("a key of the device")
		require.Contains(t, kept, lease.ID)
		require.NotContains(t, kept, lease.Token)
		require.NotContains(t, kept, "a key of the device")
		require.Equal(t, lease.Token, f.claimOne(claimKey("a key of the device")).Token)
	})
}

// TestClaim_KeptTokenOfEarlierReleaseIsReturned replaces the kept answer by one in the form of
// earlier releases, which stored the claim token itself.
func TestClaim_KeptTokenOfEarlierReleaseIsReturned(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(claimKey("k"))
		kept := f.keptClaim("k")
		fingerprint, hash := kept[:strings.IndexByte(kept, '[')], f.state(lease.ID)["token"]
		f.do(func(ctx context.Context, c store.Client) error {
			answer := fmt.Sprintf(`%s[{"id":%q,"token":%q,"hash":%q}]`, fingerprint, lease.ID, lease.Token, hash)
			return c.Set(ctx, f.device.ClaimKey(store.DigestOf("k")), answer, longLease).Err()
		})
		require.Equal(t, lease.Token, f.claimOne(claimKey("k")).Token)
	})
}

// keptClaim returns the answer that the store keeps for the Idempotency-Key of a claim.
func (f *fixture) keptClaim(key string) (kept string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		kept, err = c.Get(ctx, f.device.ClaimKey(store.DigestOf(key))).Result()
		return err
	})
	return kept
}
