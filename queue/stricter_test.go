package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// underPolicy returns the fixture of a gateway that was restarted with another policy.
func (f *fixture) underPolicy(rules string) *fixture {
	policy, err := queue.ParsePolicy(rules)
	require.NoError(f.t, err)
	restarted := *f
	restarted.queue = queue.New(queue.Config{
		Store: f.store, Policy: policy, RecordKey: []byte("a key of the operator's own"), RecordKeyRequired: true,
	})
	return &restarted
}

func TestClaim_EndsCommandThatIsDeniedByNow(t *testing.T) {
	t.Parallel()
	for _, commandType := range []string{auto, review} {
		f := newFixture(t, storetest.Redis(t), withRecordKey)
		c := f.propose(commandType)
		if commandType == review {
			f.approve(c)
		}
		strict := f.underPolicy(commandType + "=deny,*=auto")
		next := strict.propose("other.type")
		require.Equal(t, next.ID, strict.claimOne().ID, "the denied command blocks the one behind it")
		ended := f.get(c.ID)
		require.Equal(t, queue.Cancelled, ended.Status)
		require.Zero(t, ended.Attempt, "the device did not get the command")
		types := f.eventTypes(c.ID)
		require.Equal(t, "cancelled", types[len(types)-1])
	}
}

func TestClaim_MakesCommandWaitThatNeedsApprovalByNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c := f.propose(auto)
	strict := f.underPolicy("*=review")
	require.Empty(t, strict.claim())
	waiting := strict.get(c.ID)
	require.Equal(t, queue.PendingApproval, waiting.Status)
	require.False(t, waiting.ApproveBy.IsZero())
	require.Len(t, strict.pending(), 1)
	require.Empty(t, strict.claim())
	require.Empty(t, f.claim(), "a gateway with the earlier policy hands out what waits for an approval")
	strict.approve(c)
	require.Equal(t, c.ID, strict.claimOne().ID)
}

func TestClaim_ApprovedCommandRunsUnderPolicyThatReviewsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c := f.approve(f.propose(review))
	require.Equal(t, c.ID, f.underPolicy("*=review").claimOne().ID)
}

func TestSubmitResultAndClaim_EndsCommandThatIsDeniedByNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	f.approve(f.propose("other.type"))
	denied := f.propose(auto)
	last := f.approve(f.propose("other.type"))
	strict := f.underPolicy(auto + "=deny,*=auto")
	_, leases, err := strict.queue.SubmitResultAndClaim(t.Context(), f.ref(strict.claimOne()), queue.Succeeded, queue.Result{}, longLease)
	require.NoError(t, err)
	require.Len(t, leases, 1)
	require.Equal(t, last.ID, leases[0].ID)
	require.Equal(t, queue.Cancelled, f.get(denied.ID).Status)
}

func TestDecide_RefusesApprovalOfTypeThatIsDeniedByNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c, done := f.propose(review), f.propose(review)
	f.approve(done)
	strict := f.underPolicy("*=deny")
	_, err := strict.queue.Decide(t.Context(), f.decision(c, true))
	requireRefusal(t, err, fieldgate.CodeCommandDenied)
	_, err = strict.queue.Decide(t.Context(), f.decision(done, true))
	require.NoError(t, err, "the repetition of a recorded decision is refused")
	rejected, err := strict.queue.Decide(t.Context(), f.decision(c, false))
	require.NoError(t, err)
	require.Equal(t, queue.Rejected, rejected.Status)
}

// TestClaim_RepeatedUnderStricterPolicyLetsNothingWaitThatHasEnded repeats a claim after a user has cancelled the
// command, and after its session has ended.
func TestClaim_RepeatedUnderStricterPolicyLetsNothingWaitThatHasEnded(t *testing.T) {
	t.Parallel()
	for status, end := range map[queue.Status]func(*fixture, queue.Command){
		queue.Cancelled: func(f *fixture, c queue.Command) { f.cancel(c) },
		queue.Expired:   func(f *fixture, _ queue.Command) { f.closeSession() },
	} {
		f := newFixture(t, storetest.Redis(t), withRecordKey)
		c := f.propose(auto)
		f.claimOne(claimKey("claim-1"))
		end(f, c)
		require.Empty(t, f.underPolicy("*=review").claim(claimKey("claim-1")))
		require.Equal(t, status, f.get(c.ID).Status)
		require.Empty(t, f.pending())
	}
}

// TestCheck_CommandThatStricterPolicyTookBackIsNoViolation checks the store while the command waits, and
// after it has ended without an approval. It was claimed, but the device did not get it.
func TestCheck_CommandThatStricterPolicyTookBackIsNoViolation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c := f.propose(auto)
	strict := f.underPolicy("*=review")
	require.Empty(t, strict.claim())
	f.requireNoViolation()
	_, err := strict.queue.Decide(t.Context(), f.decision(c, false))
	require.NoError(t, err)
	f.requireNoViolation()
}

func (f *fixture) requireNoViolation() {
	f.t.Helper()
	found, _, err := f.queue.Check(f.t.Context(), f.device)
	require.NoError(f.t, err)
	require.Empty(f.t, found)
}
