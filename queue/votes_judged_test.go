package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// strictVote returns an approval that meets each condition of stricterRules.
func (f *fixture) strictVote(c queue.Command, user string) queue.Decision {
	d := f.vote(c, user, true)
	d.SignIn.Roles = []string{"viewer", "operator", "approver", "admin"}
	return d
}

// stricterRules has rules of two approvals with one condition, and an approval that does not meet it.
func stricterRules() map[string]struct {
	needs policy.Requirement
	weak  func(*queue.Decision)
} {
	type stricter = struct {
		needs policy.Requirement
		weak  func(*queue.Decision)
	}
	return map[string]stricter{
		"roles":            {policy.Requirement{Roles: []string{"admin"}}, func(d *queue.Decision) { d.SignIn.Roles = d.SignIn.Roles[:3] }},
		"no roles known":   {policy.Requirement{Roles: []string{"admin"}}, func(d *queue.Decision) { d.SignIn.Roles = nil }},
		"reason":           {policy.Requirement{Reason: true}, func(d *queue.Decision) { d.Reason = "" }},
		"an old sign-in":   {policy.Requirement{SignInAge: time.Hour}, func(d *queue.Decision) { d.SignIn.At = time.Now().Add(-2 * time.Hour) }},
		"no sign-in known": {policy.Requirement{SignInAge: time.Hour}, func(d *queue.Decision) { d.SignIn.At = time.Time{} }},
		"assurance":        {policy.Requirement{Assurance: "aal2"}, func(d *queue.Decision) { d.SignIn.Assurance = "aal1" }},
	}
}

// TestClaim_VoteCountsOnlyIfItMeetsTheRuleOfNow lets two users approve a command before a condition is added
// to its rule. One of them meets it.
func TestClaim_VoteCountsOnlyIfItMeetsTheRuleOfNow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals), withRecordKey)
		for name, stricter := range stricterRules() {
			c := f.propose(review)
			weak := f.strictVote(c, "bob")
			stricter.weak(&weak)
			for _, d := range []queue.Decision{weak, f.strictVote(c, "carol")} {
				_, err := f.queue.Decide(t.Context(), d)
				require.NoError(t, err)
			}
			require.Equal(t, queue.Queued, f.get(c.ID).Status)
			strict := f.underRule(stricter.needs)
			require.Empty(t, strict.claim(), name)
			waiting := f.get(c.ID)
			require.Equal(t, queue.PendingApproval, waiting.Status, name)
			require.Equal(t, []string{"carol"}, voters(waiting), name)
			queued, err := strict.queue.Decide(t.Context(), strict.strictVote(c, "bob"))
			require.NoError(t, err)
			require.Equal(t, queue.Queued, queued.Status)
			require.Equal(t, c.ID, strict.claimOne().ID, "%s: what meets the rule of now does not run", name)
			f.requireNoViolation()
		}
	})
}

// TestDecide_VoteCountsOnlyIfItMeetsTheRuleOfNow adds a condition to the rule between the votes. The user
// whose vote does not count any more may vote again.
func TestDecide_VoteCountsOnlyIfItMeetsTheRuleOfNow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals), withRecordKey)
		for name, stricter := range stricterRules() {
			for _, second := range []string{"bob", "carol"} {
				c := f.propose(review)
				weak := f.strictVote(c, "bob")
				stricter.weak(&weak)
				_, err := f.queue.Decide(t.Context(), weak)
				require.NoError(t, err)
				strict := f.underRule(stricter.needs)
				waiting, err := strict.queue.Decide(t.Context(), strict.strictVote(c, second))
				require.NoError(t, err)
				require.Equal(t, queue.PendingApproval, waiting.Status, name)
				require.Equal(t, []string{second}, voters(waiting), name)
				queued, err := strict.queue.Decide(t.Context(), strict.strictVote(c, "dora"))
				require.NoError(t, err)
				require.Equal(t, queue.Queued, queued.Status, name)
				require.Equal(t, c.ID, strict.claimOne().ID, name)
			}
		}
	})
}

// TestClaim_ApprovalWithoutFactsMeetsNoConditionThatNeedsThem approves a command whose rule had no
// conditions, so that nothing about the approver was recorded.
func TestClaim_ApprovalWithoutFactsMeetsNoConditionThatNeedsThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	for name, stricter := range stricterRules() {
		c := f.propose(review)
		d := f.strictVote(c, "bob")
		d.Reason = ""
		_, err := f.queue.Decide(t.Context(), d)
		require.NoError(t, err)
		strict := f.underRule(stricter.needs)
		require.Empty(t, strict.claim(), name)
		_, err = strict.queue.Decide(t.Context(), strict.strictVote(c, "bob"))
		require.NoError(t, err)
		require.Equal(t, c.ID, strict.claimOne().ID, name)
	}
}

func TestBreakGlass_CountsOnlyIfItMeetsTheRuleOfNow(t *testing.T) {
	t.Parallel()
	allowed := policy.Requirement{Approvals: 2, BreakGlass: true}
	f := newFixture(t, storetest.Redis(t), requiring(allowed), withRecordKey)
	c := f.propose(review)
	f.breakGlass(c, "dora")
	recent := allowed
	recent.Roles = []string{"admin"}
	require.Empty(t, f.underRule(recent).claim())
	require.Equal(t, queue.PendingApproval, f.get(c.ID).Status)
}

// TestDecide_ApprovalAfterTheTimeOfTheRuleOfNowIsRefused shortens the time of the rule while a command waits.
func TestDecide_ApprovalAfterTheTimeOfTheRuleOfNowIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(policy.Requirement{BreakGlass: true}), withRecordKey)
		late, alone, rejected, early := f.propose(review), f.propose(review), f.propose(review), f.propose(review)
		f.waitUntilAfter(early.CreatedAt.Add(10 * time.Millisecond))
		short := f.underRule(policy.Requirement{BreakGlass: true, Within: 10 * time.Millisecond})
		_, err := short.queue.Decide(t.Context(), f.vote(late, "bob", true))
		requireRefusal(t, err, fieldgate.CodeApprovalExpired)
		require.Equal(t, queue.Expired, f.get(late.ID).Status)
		_, err = short.queue.Decide(t.Context(), f.vote(late, "bob", true))
		requireRefusal(t, err, fieldgate.CodeApprovalExpired)
		_, err = short.queue.BreakGlass(t.Context(), f.vote(alone, "dora", true))
		requireRefusal(t, err, fieldgate.CodeApprovalExpired)
		_, err = short.queue.Decide(t.Context(), f.vote(rejected, "bob", false))
		require.NoError(t, err)
		long := f.underRule(policy.Requirement{Within: time.Hour})
		require.Equal(t, queue.Queued, long.voteOf(early, "bob").Status)
		require.Equal(t, early.ID, long.claimOne().ID)
		f.requireNoViolation()
	})
}

// TestDecide_CommandThatWasTakenBackHasTheTimeOfTheRule takes back a command that is older than the time of
// the rule.
func TestDecide_CommandThatWasTakenBackHasTheTimeOfTheRule(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c := f.propose(auto)
	f.editState(c.ID, func(state map[string]any) { state["created"] = c.CreatedAt.Add(-2 * time.Hour).UnixMilli() })
	strict := f.underPolicy("*=review(within=1h)")
	require.Empty(t, strict.claim())
	require.Equal(t, queue.Queued, strict.approve(c).Status)
	require.Equal(t, c.ID, strict.claimOne().ID)
}

// TestDecide_ReasonThatCannotBeSeenIsNone sends reasons of characters without any form.
func TestDecide_ReasonThatCannotBeSeenIsNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(policy.Requirement{Approvals: 2, Reason: true, BreakGlass: true}))
	c := f.propose(review)
	for _, blank := range []string{"", " ", "\u200b", "\u3164", " \u2800\ufeff"} {
		d := f.vote(c, "bob", true)
		d.Reason = blank
		_, err := f.queue.Decide(t.Context(), d)
		requireRefusal(t, err, fieldgate.CodeValidationFailed)
		_, err = f.queue.BreakGlass(t.Context(), d)
		requireRefusal(t, err, fieldgate.CodeValidationFailed)
	}
	f.breakGlass(c, "bob")
	d := f.vote(c, "carol", true)
	d.Reason = "\u3164"
	_, err := f.queue.ReviewBreakGlass(t.Context(), d)
	requireRefusal(t, err, fieldgate.CodeValidationFailed)
	require.Len(t, f.unreviewed(), 1)
}
