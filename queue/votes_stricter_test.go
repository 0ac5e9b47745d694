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

// underRule returns the fixture of a gateway that was restarted with another rule for the type review.
func (f *fixture) underRule(needs policy.Requirement) *fixture {
	cfg := queue.Config{Store: f.store}
	requiring(needs)(&cfg)
	withRecordKey(&cfg)
	restarted := *f
	restarted.queue = queue.New(cfg)
	return &restarted
}

func TestClaim_StricterRuleKeepsTheVotes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(twoApprovals), withRecordKey)
		c := f.propose(review)
		f.voteOf(c, "bob")
		f.voteOf(c, "carol")
		strict := f.underRule(policy.Requirement{Approvals: 3})
		require.Empty(t, strict.claim())
		waiting := f.get(c.ID)
		require.Equal(t, queue.PendingApproval, waiting.Status)
		require.Equal(t, 3, waiting.Required)
		require.Equal(t, []string{"bob", "carol"}, voters(waiting))
		require.Empty(t, f.claim(), "a gateway with the earlier rule hands it out")
		require.Equal(t, waiting, f.voteOf(c, "bob"))
		require.Equal(t, queue.Queued, f.voteOf(c, "dora").Status, "a gateway with the earlier rule asks for fewer votes")
		require.Equal(t, c.ID, strict.claimOne().ID)
		f.requireNoViolation()
	})
}

// TestClaim_StricterRuleRemovesTheVoteOfTheProposer lets the only user of a tenant approve their own command. Two
// others must approve it once a rule requires that.
func TestClaim_StricterRuleRemovesTheVoteOfTheProposer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, withRecordKey)
		c := f.propose(review)
		own := f.vote(c, proposer, true)
		own.SoleUser = true
		_, err := f.queue.Decide(t.Context(), own)
		require.NoError(t, err)
		strict := f.underRule(twoApprovals)
		require.Empty(t, strict.claim())
		require.Empty(t, f.get(c.ID).Votes)
		strict.voteOf(c, "bob")
		strict.voteOf(c, "carol")
		require.Equal(t, c.ID, strict.claimOne().ID)
		f.requireNoViolation()
	})
}

func TestDecide_StricterRuleNeedsMoreVotes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), withRecordKey)
	c := f.propose(review)
	strict := f.underRule(twoApprovals)
	require.Equal(t, queue.PendingApproval, strict.voteOf(c, "bob").Status)
	require.Equal(t, queue.Queued, f.voteOf(c, "carol").Status)
	require.Equal(t, c.ID, f.claimOne().ID, "the record with the higher number is not the one that was vouched for")
}

func TestDecide_LooserRuleLeavesWhatTheStatementRequires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(everything), withRecordKey)
	c := f.propose(review)
	loose := f.underRule(policy.Requirement{})
	require.Equal(t, queue.PendingApproval, loose.voteOf(c, "bob").Status)
	weak := loose.vote(c, "carol", true)
	weak.SignIn.Assurance = "aal1"
	_, err := loose.queue.Decide(t.Context(), weak)
	requireRefusal(t, err, fieldgate.CodeStepUpRequired)
	require.Equal(t, queue.Queued, loose.voteOf(c, "carol").Status)
	require.Equal(t, c.ID, loose.claimOne().ID)
}

func TestClaim_VoteWithoutTheAssuranceThatIsNeededByNowDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(twoApprovals), withRecordKey)
	c := f.propose(review)
	weak := f.vote(c, "bob", true)
	weak.SignIn.Assurance = "aal1"
	_, err := f.queue.Decide(t.Context(), weak)
	require.NoError(t, err)
	f.voteOf(c, "carol")
	strict := f.underRule(policy.Requirement{Approvals: 2, Assurance: "aal2"})
	require.Empty(t, strict.claim())
	require.Equal(t, []string{"carol"}, voters(f.get(c.ID)))
	require.Equal(t, queue.Queued, strict.voteOf(c, "bob").Status)
	require.Equal(t, c.ID, strict.claimOne().ID)
}

func TestBreakGlass_ApprovesAloneForGood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(policy.Requirement{Approvals: 3, BreakGlass: true, GlassByProposer: true}), withRecordKey)
		for _, admin := range []string{"dora", "bob", proposer} {
			c := f.propose(review)
			f.voteOf(c, "bob")
			broken := f.breakGlass(c, admin)
			require.Equal(t, queue.Queued, broken.Status)
			require.Equal(t, admin, broken.BreakGlass.UserID)
			require.Equal(t, broken, f.breakGlass(c, admin), "a repetition changes nothing")
			require.Equal(t, []string{"proposed", "vote", "break_glass", "approved"}, f.eventTypes(c.ID))
			require.Empty(t, f.pending())
			require.Len(t, f.unreviewed(), 1)

			f.submitResult(f.claimOne(), queue.Succeeded)
			require.Len(t, f.unreviewed(), 1, "the review waits after the end of the command")
			_, err := f.queue.ReviewBreakGlass(t.Context(), f.vote(c, admin, true))
			requireRefusal(t, err, fieldgate.CodeSelfApproval)
			_, err = f.queue.ReviewBreakGlass(t.Context(), f.vote(c, proposer, true))
			requireRefusal(t, err, fieldgate.CodeSelfApproval)
			reviewed := f.reviewGlass(c, "erin")
			require.Equal(t, "erin", reviewed.BreakGlass.Review.UserID)
			require.Equal(t, "checked", reviewed.BreakGlass.Review.Comment)
			require.Equal(t, reviewed, f.reviewGlass(c, "frank"), "the first review stands")
			require.Empty(t, f.unreviewed())
			_, err = f.queue.Reconcile(t.Context(), f.device)
			require.NoError(t, err)
			f.requireNoViolation()
		}
	})
}

// unreviewed returns the commands that wait for a review.
func (f *fixture) unreviewed() []queue.Command {
	f.t.Helper()
	found, _, err := f.queue.Unreviewed(f.t.Context(), f.device.Tenant, store.Page{Limit: 50})
	require.NoError(f.t, err)
	return found
}

// TestBreakGlass_MarkIsNeverReplaced withdraws an approval by an admin alone, before and after its review. No admin
// can approve the command alone again, and it runs once the others approve it.
func TestBreakGlass_MarkIsNeverReplaced(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(policy.Requirement{Approvals: 2, BreakGlass: true}))
		for _, isReviewed := range []bool{false, true} {
			c := f.propose(review)
			broken := f.breakGlass(c, "dora")
			if isReviewed {
				broken = f.reviewGlass(c, "bob")
			}
			withdrawn, err := f.queue.Withdraw(t.Context(), f.vote(c, "dora", true))
			require.NoError(t, err)
			require.Equal(t, queue.PendingApproval, withdrawn.Status)
			require.Empty(t, f.claim())
			for _, admin := range []string{"dora", "erin"} {
				_, err := f.queue.BreakGlass(t.Context(), f.vote(c, admin, true))
				requireRefusal(t, err, fieldgate.CodeCommandDenied)
			}
			require.Equal(t, broken.BreakGlass, f.get(c.ID).BreakGlass, "the mark stays for good")
			require.Len(t, f.unreviewed(), map[bool]int{false: 1, true: 0}[isReviewed])
			f.voteOf(c, "bob")
			f.voteOf(c, "dora")
			f.submitResult(f.claimOne(), queue.Succeeded)
			require.Equal(t, broken.BreakGlass, f.get(c.ID).BreakGlass)
			f.reviewGlass(c, "bob")
		}
	})
}

func TestBreakGlass_IsRefused(t *testing.T) {
	t.Parallel()
	allowed := policy.Requirement{Approvals: 2, BreakGlass: true}
	f := newFixture(t, storetest.Redis(t), requiring(allowed), withRecordKey)
	c := f.propose(review)
	passkey := allowed
	passkey.Assurance = "passkey"
	for name, tt := range map[string]struct {
		gateway *fixture
		code    fieldgate.Code
	}{
		"the rule does not allow it by now": {f.underRule(twoApprovals), fieldgate.CodeCommandDenied},
		"the policy denies the type":        {f.underPolicy(review + "=deny"), fieldgate.CodeCommandDenied},
		"the rule requires a passkey":       {f.underRule(passkey), fieldgate.CodeStepUpRequired},
	} {
		_, err := tt.gateway.queue.BreakGlass(t.Context(), f.vote(c, "dora", true))
		requireRefusal(t, err, tt.code)
		require.Equal(t, queue.PendingApproval, f.get(c.ID).Status, name)
	}
	silent := f.vote(c, "dora", true)
	silent.Reason = " "
	_, err := f.queue.BreakGlass(t.Context(), silent)
	requireRefusal(t, err, fieldgate.CodeValidationFailed)

	f.breakGlass(c, "dora")
	strict := f.underRule(twoApprovals)
	require.Empty(t, strict.claim(), "the rule does not allow it by now")
	require.Equal(t, queue.PendingApproval, f.get(c.ID).Status)
	require.Empty(t, f.get(c.ID).Votes)
}

// TestBreakGlass_ProposerNeedsARuleThatSaysSo lets an admin break the glass on their own proposal, under a rule
// that allows break glass only. The rule of the proposal decides even if the policy has become looser, and a
// command whose proposer broke the glass is taken back if the policy has become stricter.
func TestBreakGlass_ProposerNeedsARuleThatSaysSo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		only := policy.Requirement{Approvals: 2, BreakGlass: true}
		explicit := policy.Requirement{Approvals: 2, BreakGlass: true, GlassByProposer: true}
		f := newFixture(t, s, requiring(only), withRecordKey)
		c := f.propose(review)
		for _, soleUser := range []bool{false, true} {
			own := f.vote(c, proposer, true)
			own.SoleUser = soleUser
			_, err := f.queue.BreakGlass(t.Context(), own)
			requireRefusal(t, err, fieldgate.CodeSelfApproval)
			_, err = f.underRule(explicit).queue.BreakGlass(t.Context(), own)
			requireRefusal(t, err, fieldgate.CodeSelfApproval)
		}
		require.Nil(t, f.get(c.ID).BreakGlass)

		allowed := f.underRule(explicit)
		own := allowed.propose(review)
		require.Contains(t, string(own.Statement), `"breakGlass":true,"breakGlassByProposer":true`)
		_, err := f.queue.BreakGlass(t.Context(), f.vote(own, proposer, true))
		requireRefusal(t, err, fieldgate.CodeSelfApproval)
		allowed.breakGlass(own, proposer)
		require.Empty(t, f.claim(), "the rule does not allow it by now")
		require.Equal(t, queue.PendingApproval, f.get(own.ID).Status)
		_, err = allowed.queue.BreakGlass(t.Context(), f.vote(own, proposer, true))
		requireRefusal(t, err, fieldgate.CodeCommandDenied)
		f.cancel(own)
		next := allowed.propose(review)
		allowed.breakGlass(next, proposer)
		require.Equal(t, next.ID, allowed.claimOne().ID)
	})
}

func TestReviewBreakGlass_OfOtherCommandIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	_, err := f.queue.ReviewBreakGlass(t.Context(), f.vote(f.approve(f.propose(review)), "bob", true))
	requireRefusal(t, err, fieldgate.CodeCommandNotFound)
}

func TestCheckApproval_ConditionsOfTheRule(t *testing.T) {
	t.Parallel()
	admin := queue.SignIn{Roles: []string{"approver", "admin"}, Assurance: "aal2", At: time.Now()}
	for name, tt := range map[string]struct {
		needs     policy.Requirement
		change    func(*queue.SignIn)
		code      fieldgate.Code
		assurance string
	}{
		"none":                 {policy.Requirement{}, func(s *queue.SignIn) { *s = queue.SignIn{} }, "", ""},
		"one of the roles":     {policy.Requirement{Roles: []string{"owner", "admin"}}, nil, "", ""},
		"another role":         {policy.Requirement{Roles: []string{"owner"}}, nil, fieldgate.CodeInsufficientRole, ""},
		"a second factor":      {policy.Requirement{Assurance: "aal2"}, nil, "", ""},
		"no second factor":     {policy.Requirement{Assurance: "aal2"}, func(s *queue.SignIn) { s.Assurance = "aal1" }, fieldgate.CodeStepUpRequired, "aal2"},
		"no level":             {policy.Requirement{Assurance: "aal2"}, func(s *queue.SignIn) { s.Assurance = "" }, fieldgate.CodeStepUpRequired, "aal2"},
		"an unknown assurance": {policy.Requirement{Assurance: "aal9"}, func(s *queue.SignIn) { s.Assurance = "aal9" }, fieldgate.CodeStepUpRequired, "aal9"},
		"a passkey":            {policy.Requirement{Assurance: "passkey"}, func(s *queue.SignIn) { s.Assurance = "passkey" }, fieldgate.CodeStepUpRequired, "passkey"},
		"a recent sign-in":     {policy.Requirement{SignInAge: time.Hour}, nil, "", ""},
		"an old sign-in":       {policy.Requirement{SignInAge: time.Hour}, func(s *queue.SignIn) { s.At = time.Now().Add(-2 * time.Hour) }, fieldgate.CodeStepUpRequired, "aal1"},
		"an unknown sign-in":   {policy.Requirement{SignInAge: time.Hour}, func(s *queue.SignIn) { s.At = time.Time{} }, fieldgate.CodeStepUpRequired, "aal1"},
	} {
		f := queue.Config{Store: storetest.Redis(t)}
		requiring(tt.needs)(&f)
		by := admin
		if tt.change != nil {
			tt.change(&by)
		}
		err := queue.New(f).CheckApproval(t.Context(), queue.Command{Proposal: queue.Proposal{Type: review}}, by)
		if tt.code == "" {
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, tt.assurance, requireRefusal(t, err, tt.code).Assurance, name)
	}
}

// TestClaim_RaisedRequirementIsAuthenticated lowers the number that a stricter rule has raised, to the one of
// the statement, and hands the command to a gateway with the earlier rule.
func TestClaim_RaisedRequirementIsAuthenticated(t *testing.T) {
	t.Parallel()
	eachWatched(t, func(w *watched) {
		c := w.propose(review)
		w.voteOf(c, "bob")
		w.voteOf(c, "carol")
		require.Empty(t, w.underRule(policy.Requirement{Approvals: 3}).claim())
		w.editState(c.ID, func(s map[string]any) {
			last := votesOf(s)[1].(map[string]any)
			last["decision"] = "approved"
			s["votes"], s["approval"], s["required"] = votesOf(s)[:1], last, 2
			s["status"], s["queued"] = "queued", s["created"]
		})
		w.forceReady(c.ID)
		require.Empty(t, w.claim())
		w.requireSetAside(c.ID, "raised requirement")
	}, requiring(twoApprovals), withRecordKey)
}

func TestEraseNames_OfVotersAndReviewers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(policy.Requirement{Approvals: 3, BreakGlass: true}), withRecordKey)
		c := f.propose(review)
		f.voteOf(c, "bob")
		f.voteOf(c, "carol")
		f.breakGlass(c, "dora")
		f.reviewGlass(c, "erin")
		for _, user := range []string{"bob", "carol", "dora", "erin"} {
			require.Contains(t, f.stateText(c.ID), "Name of "+user)
			done, err := f.queue.EraseNames(t.Context(), f.device, user, false)
			require.NoError(t, err)
			require.Equal(t, queue.ErasedNames{Erased: 1}, done, user)
			require.NotContains(t, f.stateText(c.ID), "Name of "+user)
			require.NotContains(t, f.stateText(c.ID), user+"@example.com")
		}
		require.Equal(t, []string{"bob", "carol", "dora"}, voters(f.get(c.ID)))
		require.Equal(t, c.ID, f.claimOne().ID, "the MACs do not cover the names")
	})
}

// stateText returns the state of a command as JSON.
func (f *fixture) stateText(id string) string {
	f.t.Helper()
	raw, err := f.queue.ReadRaw(f.t.Context(), f.device, id)
	require.NoError(f.t, err)
	return raw.State
}
