package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// requiring sets a policy under which the commands of type review need what needs says.
func requiring(needs policy.Requirement) func(*queue.Config) {
	return func(cfg *queue.Config) {
		cfg.Policy = queue.Policy{
			{Pattern: "diagnostic.*", Mode: queue.Auto}, {Pattern: review, Mode: queue.Review, Needs: needs}, {Pattern: "*", Mode: queue.Review},
		}
	}
}

// twoApprovals is a rule that needs two users.
var twoApprovals = policy.Requirement{Approvals: 2}

// everything is a rule with all conditions. The user of a vote meets them.
var everything = policy.Requirement{
	Approvals: 2, Roles: []string{"approver"}, Assurance: "aal2", SignInAge: 15 * time.Minute, Within: 90 * time.Minute, Reason: true, BreakGlass: true, GlassByProposer: true,
}

// vote returns the approval or rejection of a user.
func (f *fixture) vote(c queue.Command, user string, approved bool) queue.Decision {
	d := f.decision(c, approved)
	d.UserID, d.Names = user, storetest.NamesOf(user)
	d.SignIn = queue.SignIn{Roles: []string{"viewer", "operator", "approver"}, Assurance: "aal2", At: time.Now()}
	return d
}

// breakGlass approves a command alone.
func (f *fixture) breakGlass(c queue.Command, user string) queue.Command {
	f.t.Helper()
	broken, err := f.queue.BreakGlass(f.t.Context(), f.vote(c, user, true))
	require.NoError(f.t, err)
	return broken
}

// reviewGlass reviews a command that an admin has approved alone.
func (f *fixture) reviewGlass(c queue.Command, user string) queue.Command {
	f.t.Helper()
	reviewed, err := f.queue.ReviewBreakGlass(f.t.Context(), f.vote(c, user, true))
	require.NoError(f.t, err)
	return reviewed
}

// voteOf approves a command as a user.
func (f *fixture) voteOf(c queue.Command, user string) queue.Command {
	f.t.Helper()
	voted, err := f.queue.Decide(f.t.Context(), f.vote(c, user, true))
	require.NoError(f.t, err)
	return voted
}

// voters returns the users who have voted on a command.
func voters(c queue.Command) (users []string) {
	for _, v := range c.Votes {
		users = append(users, v.UserID)
	}
	return users
}

func TestDecide_LastOfTwoVotesQueuesTheCommand(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals))
		c := f.propose(review)
		require.Equal(t, 2, c.Required)
		first := f.voteOf(c, "bob")
		require.Equal(t, queue.PendingApproval, first.Status)
		require.Nil(t, first.Approval)
		require.Equal(t, []queue.Vote{{
			UserID: "bob", Names: storetest.NamesOf("bob"), Decision: "approved", At: first.Votes[0].At, Reason: "checked", Assurance: "aal2",
		}}, first.Votes)
		require.Len(t, f.pending(), 1, "the inbox has what waits for more votes")
		require.Empty(t, f.claim())

		require.Equal(t, first, f.voteOf(c, "bob"), "the second vote of a user is a repetition")
		last := f.voteOf(c, "carol")
		require.Equal(t, queue.Queued, last.Status)
		require.Equal(t, "carol", last.Approval.DecidedBy)
		require.Equal(t, []string{"bob", "carol"}, voters(last))
		require.Equal(t, last, f.voteOf(c, "bob"), "a vote can be repeated after the last one")
		require.Equal(t, last, f.get(c.ID))
		require.Equal(t, []string{"proposed", "vote", "vote", "approved"}, f.eventTypes(c.ID))
		require.Empty(t, f.pending())
		require.Equal(t, c.ID, f.claimOne().ID)
		f.requireNoViolation()
	})
}

func TestDecide_EventOfVoteCountsVotes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(twoApprovals))
	c := f.propose(review)
	f.voteOf(c, "bob")
	_, err := f.queue.Decide(t.Context(), f.vote(c, "carol", false))
	require.NoError(t, err)
	var data []string
	for _, e := range f.events() {
		if e.Type == "command.vote" {
			data = append(data, string(e.Data))
		}
	}
	require.Len(t, data, 2)
	require.JSONEq(t, `{"decision":"approved","votes":1,"required":2,"reason":"checked"}`, data[0])
	require.JSONEq(t, `{"decision":"rejected","votes":1,"required":2,"reason":"checked"}`, data[1])
}

func TestDecide_OneRejectionEndsIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals))
		for _, user := range []string{"carol", "bob", proposer} {
			c := f.propose(review)
			f.voteOf(c, "bob")
			rejected, err := f.queue.Decide(t.Context(), f.vote(c, user, false))
			require.NoError(t, err)
			require.Equal(t, queue.Rejected, rejected.Status)
			require.Equal(t, user, rejected.Approval.DecidedBy)
			if user == "bob" {
				require.Equal(t, []string{"bob"}, voters(rejected), "each user has one vote")
			}
			require.Empty(t, f.claim())
			require.Empty(t, f.pending())
		}
	})
}

func TestDecide_ProposerHasNoVote(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals))
		c := f.propose(review)
		for _, soleUser := range []bool{false, true} {
			own := f.vote(c, proposer, true)
			own.SoleUser = soleUser
			_, err := f.queue.Decide(t.Context(), own)
			requireRefusal(t, err, fieldgate.CodeSelfApproval)
		}
		require.Empty(t, f.get(c.ID).Votes)
	})
}

// TestDecide_ConcurrentVotesCountOnce lets many users vote at once, each twice.
func TestDecide_ConcurrentVotesCountOnce(t *testing.T) {
	t.Parallel()
	const users = 20
	f := newFixture(t, storetest.Redis(t), requiring(policy.Requirement{Approvals: users}))
	c := f.propose(review)
	var done sync.WaitGroup
	errs := make([]error, 2*users)
	for i := range errs {
		done.Go(func() {
			_, errs[i] = f.queue.Decide(context.WithoutCancel(t.Context()), f.vote(c, fmt.Sprintf("u-%d", i/2), true))
		})
	}
	done.Wait()
	require.NoError(t, errors.Join(errs...))
	decided := f.get(c.ID)
	require.Equal(t, queue.Queued, decided.Status)
	require.Len(t, decided.Votes, users)
	seen := map[string]bool{}
	for _, user := range voters(decided) {
		require.False(t, seen[user], user)
		seen[user] = true
	}
	require.Equal(t, c.ID, f.claimOne().ID)
}

func TestWithdraw_CommandWaitsAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals))
		for _, user := range []string{"bob", "carol"} {
			c := f.propose(review)
			f.voteOf(c, "bob")
			f.voteOf(c, "carol")
			w := f.vote(c, user, true)
			withdrawn, err := f.queue.Withdraw(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, queue.PendingApproval, withdrawn.Status)
			require.Nil(t, withdrawn.Approval)
			require.NotContains(t, voters(withdrawn), user)
			require.Len(t, withdrawn.Votes, 1)
			require.Empty(t, f.claim())
			require.Len(t, f.pending(), 1)

			again, err := f.queue.Withdraw(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, withdrawn, again, "withdrawing twice does no harm")
			require.Equal(t, []string{"proposed", "vote", "vote", "approved", "vote_withdrawn"}, f.eventTypes(c.ID))

			require.Equal(t, queue.Queued, f.voteOf(c, "dora").Status)
			require.Equal(t, c.ID, f.claimOne().ID)
			f.requireNoViolation()
		}
	})
}

func TestWithdraw_OnlyApprovalMakesCommandWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.approve(f.propose(review))
		withdrawn, err := f.queue.Withdraw(t.Context(), f.vote(c, approver, true))
		require.NoError(t, err)
		require.Equal(t, queue.PendingApproval, withdrawn.Status)
		require.Empty(t, withdrawn.Votes)
		require.Equal(t, []string{"proposed", "approved", "vote_withdrawn"}, f.eventTypes(c.ID))
		require.Empty(t, f.claim())
		f.approve(c)
		require.Equal(t, c.ID, f.claimOne().ID)
	})
}

func TestWithdraw_AfterClaimIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.approve(f.propose(review, maxAttempts(2)))
		lease := f.claimOne()
		w := f.vote(c, approver, true)
		_, err := f.queue.Withdraw(t.Context(), w)
		require.Equal(t, &fieldgate.CommandState{ID: c.ID, Status: "claimed", Attempt: 1}, requireRefusal(t, err, fieldgate.CodeAlreadyClaimed).Command)
		f.expireLease(lease)
		_, err = f.queue.Withdraw(t.Context(), w)
		requireRefusal(t, err, fieldgate.CodeAlreadyClaimed)
		lease = f.claimOne()
		f.submitResult(lease, queue.Succeeded)
		_, err = f.queue.Withdraw(t.Context(), w)
		requireRefusal(t, err, fieldgate.CodeCommandFinished)
		require.Equal(t, c.Approval, f.get(c.ID).Approval)
	})
}

func TestWithdraw_AfterReleaseIsAllowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.approve(f.propose(review))
	_, err := f.queue.Release(t.Context(), f.ref(f.claimOne()), "not now")
	require.NoError(t, err)
	withdrawn, err := f.queue.Withdraw(t.Context(), f.vote(c, approver, true))
	require.NoError(t, err)
	require.Equal(t, queue.PendingApproval, withdrawn.Status)
	require.Empty(t, f.claim())
	f.requireNoViolation()
}

func TestWithdraw_WithoutVoteIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		approved, waiting, automatic := f.approve(f.propose(review)), f.propose(review), f.propose(auto)
		for _, c := range []queue.Command{approved, waiting, automatic} {
			_, err := f.queue.Withdraw(t.Context(), f.vote(c, "mallory", true))
			refused := requireRefusal(t, err, fieldgate.CodeVoteNotFound)
			require.Equal(t, &fieldgate.CommandState{ID: c.ID, Status: string(c.Status)}, refused.Command)
			require.Equal(t, c, f.get(c.ID))
			require.NotContains(t, f.eventTypes(c.ID), "vote_withdrawn")
		}
		_, err := f.queue.Withdraw(t.Context(), f.vote(approved, approver, true))
		require.NoError(t, err)
		_, err = f.queue.Withdraw(t.Context(), f.vote(approved, "mallory", true))
		requireRefusal(t, err, fieldgate.CodeVoteNotFound)
		_, err = f.queue.Withdraw(t.Context(), f.vote(approved, approver, true))
		require.NoError(t, err, "a refusal does not end the repetition of another user")
	})
}

func TestWithdraw_AfterApproveByTheCommandExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.approve(f.propose(review))
	f.editState(c.ID, func(state map[string]any) { state["approve_by"] = 1 })
	withdrawn, err := f.queue.Withdraw(t.Context(), f.vote(c, approver, true))
	require.NoError(t, err)
	require.Equal(t, queue.Expired, withdrawn.Status)
	require.Empty(t, f.pending())
}

// TestWithdraw_AgainstClaimOneWins lets a claim and a withdrawal of the same command race. Either the device
// has the command and the vote stays, or it has not.
func TestWithdraw_AgainstClaimOneWins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	for range 30 {
		c := f.approve(f.propose(review))
		var leases []queue.Lease
		var claimErr, err error
		var race sync.WaitGroup
		race.Go(func() { leases, claimErr = f.queue.Claim(context.WithoutCancel(t.Context()), f.claimRequest()) })
		race.Go(func() { _, err = f.queue.Withdraw(context.WithoutCancel(t.Context()), f.vote(c, approver, true)) })
		race.Wait()
		require.NoError(t, claimErr)
		if len(leases) > 0 {
			requireRefusal(t, err, fieldgate.CodeAlreadyClaimed)
			require.NotNil(t, f.get(c.ID).Approval)
			f.submitResult(leases[0], queue.Succeeded)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, queue.PendingApproval, f.get(c.ID).Status)
		f.cancel(c)
	}
}

func TestStatement_StatesWhatTheRuleRequires(t *testing.T) {
	t.Parallel()
	needs := everything
	f := newFixture(t, storetest.Redis(t), requiring(needs))
	c := f.propose(review)
	require.Contains(t, string(c.Statement), `"policy":{"approvals":2,"assurance":"aal2","breakGlass":true,"breakGlassByProposer":true,"effect":"review","reason":true,`+
		`"roles":["approver"],"rule":"`+review+`","signInAge":"15m","version":"`)
	require.Contains(t, string(c.Statement), `,"within":"1h30m"}`)
	require.Equal(t, &needs, c.Needs)
	require.Equal(t, 90*time.Minute, c.ApproveBy.Sub(c.CreatedAt))
	require.Equal(t, review, c.Rule)
}
