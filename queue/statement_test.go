package queue_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// describe sets fields of the device's record, as an update does.
func (f *fixture) describe(revision int, fields ...any) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) error {
		return c.HSet(ctx, f.device.RecordKey(), append(fields, "revision", revision)...).Err()
	})
}

// described sets all fields of a device that statements have.
func (f *fixture) described() *fixture {
	f.describe(1, "name", "Pump 9", "external_id", "P-9", "tags", `{"site":"berlin","env":"prod"}`, "metadata", `{"model":"X","serialNumber":"SN-1"}`)
	return f
}

func (f *fixture) body(id string) (body string) {
	f.t.Helper()
	f.do(func(ctx context.Context, c store.Client) (err error) {
		body, err = c.HGet(ctx, f.device.CommandsKey(), id+":body").Result()
		return err
	})
	return body
}

func sha256Hex(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// TestStatement_DescribesTheCommand compares the bytes of a statement with what was proposed. Numbers and
// texts of the parameters are as the proposal wrote them.
func TestStatement_DescribesTheCommand(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s).described()
		first := f.cancel(f.propose(review, maxAttempts(3), func(p *queue.Proposal) {
			p.Parameters = json.RawMessage(`{ "z": [1.0, 1e2, 9007199254740993], "a": "<\u00e9é" }`)
		}))
		r := retryOf(first)
		r.Reason, r.ByProgram = "as <agreed>", true
		c, err := f.queue.Retry(t.Context(), r)
		require.NoError(t, err)
		version := queue.DefaultPolicy.Version()
		want := `{"command":"` + c.ID + `","deliverBy":"` + c.DeliverBy.UTC().Format("2006-01-02T15:04:05.000Z") + `",` +
			`"device":{"externalId":"P-9","id":"` + f.device.ID + `","name":"Pump 9","serialNumber":"SN-1","tags":{"env":"prod","site":"berlin"}},` +
			`"maxAttempts":3,"parameters":{"z":[1.0,1e2,9007199254740993],"a":"<\u00e9é"},` +
			`"policy":{"effect":"review","rule":"*","version":"` + version + `"},"priority":5,` +
			`"proposer":{"id":"` + proposer + `","kind":"program"},` +
			`"reason":"as <agreed>","retryOf":"` + first.ID + `","session":"` + f.session.ID + `","tenant":"` + f.device.Tenant + `",` +
			`"type":"` + review + `","version":1}`
		require.Equal(t, want, string(c.Statement))
		require.Equal(t, sha256Hex([]byte(want)), c.Digest)
		require.Equal(t, want, f.body(c.ID), "the bytes are stored")
		require.Equal(t, c.Digest, f.state(c.ID)["digest"])
		require.Equal(t, c, f.get(c.ID))
	})
}

// TestStatement_HasIdentityThatTheDeviceHas renames a device between proposals, and registers it again
// with another serial number.
func TestStatement_HasIdentityThatTheDeviceHas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s).described()
		require.Contains(t, string(f.propose(auto).Statement), `"name":"Pump 9"`)
		f.describe(2, "name", "Pump 10")
		require.Contains(t, string(f.propose(auto).Statement), `"name":"Pump 10"`)
		require.Contains(t, string(f.propose(auto).Statement), `"name":"Pump 10"`)
		f.describe(2, "metadata", `{"serialNumber":"SN-2"}`, "epoch", 1)
		require.Contains(t, string(f.propose(auto).Statement), `"serialNumber":"SN-2"`)
	})
}

// TestStatement_IsWithEachClaim requires the same bytes from a claim, its repetition, the claim of a
// result and a redelivery.
func TestStatement_IsWithEachClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first, second := f.propose(auto), f.propose(auto)
		lease := f.claimOne(claimKey("k"))
		require.Equal(t, first.Statement, lease.Statement)
		require.Equal(t, first.Statement, f.claimOne(claimKey("k")).Statement)
		_, next, err := f.queue.SubmitResultAndClaim(t.Context(), f.ref(lease), queue.Succeeded, queue.Result{}, longLease)
		require.NoError(t, err)
		require.Len(t, next, 1)
		require.Equal(t, second.Statement, next[0].Statement)
		f.expireLease(next[0])
		require.Equal(t, second.Statement, f.claimOne().Statement)
		require.Equal(t, first.Statement, f.get(first.ID).Statement, "a finished command keeps it")
	})
}

// TestStatement_OfLargeParametersIsInNoList keeps lists short. The digest stays.
func TestStatement_OfLargeParametersIsInNoList(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	small, large := f.propose(review), f.propose(review, func(p *queue.Proposal) {
		p.Parameters = json.RawMessage(`{"text":"` + strings.Repeat("x", 5<<10) + `"}`)
	})
	listed := f.list()
	require.Equal(t, small.Statement, listed[0].Statement)
	require.Empty(t, listed[1].Statement)
	require.Equal(t, large.Digest, listed[1].Digest)
	require.Equal(t, large.Statement, f.get(large.ID).Statement)
}

// TestStatement_WaitsForSchema requires that a store which instances of an earlier version may use has
// no statements. Such an instance would compare the digest with another one.
func TestStatement_WaitsForSchema(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "partitions", store.Partitions, "schema", 2, "reader", 2).Err())
	f := newFixture(t, connectTo(t, server, false))
	earlier := f.propose(review)
	require.Empty(t, earlier.Statement)
	require.Equal(t, digest(t, earlier), earlier.Digest)
	require.NoError(t, f.store.RaiseSchema(t.Context()))

	f.queue = newFixture(t, connectTo(t, server, false)).queue
	later := f.propose(review)
	require.NotEmpty(t, later.Statement)
	f.approve(earlier)
	f.approve(later)
	require.Equal(t, []string{earlier.ID, later.ID}, ids(f.claim(limit(2))), "both are handed out")
}

// TestPropose_PersonAndProgramShareNoCommand repeats a proposal of a user through an OAuth client.
func TestPropose_PersonAndProgramShareNoCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto, proposalKey("k"))
	p := f.proposal(auto)
	p.IdempotencyKey, p.ByProgram = "k", true
	_, err := f.queue.Propose(t.Context(), p)
	requireRefusal(t, err, "idempotency_key_reused")
}
