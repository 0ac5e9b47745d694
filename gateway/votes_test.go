package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
)

// requiring sets the rule of all commands.
func requiring(needs policy.Requirement) func(*gateway.Config) {
	return func(cfg *gateway.Config) {
		cfg.Policy = queue.Policy{{Pattern: "*", Mode: queue.Review, Needs: needs}}
	}
}

// approval returns the approval of a command as it was shown.
func approval(c client.Command) client.DecisionRequest {
	return client.DecisionRequest{CommandID: c.ID, Approved: true, Digest: c.Digest}
}

func TestVotes_TwoUsersApprove(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		carol := g.User(f.tenantID, "carol", "approver")
		c := f.propose(t, review)
		require.EqualValues(t, 2, c.Approval.Required)
		require.NotNil(t, c.Approval.Votes, "an empty list of votes is written")
		require.NotEmpty(t, c.Policy.Version)

		voted := f.decide(t, c, true)
		require.Equal(t, client.CommandStatusPendingApproval, voted.Status)
		require.Empty(t, voted.Approval.Decision)
		require.Equal(t, "bob", voted.Approval.Votes[0].User.ID)
		for name, of := range map[string]struct {
			user *client.CustomerClient
			may  bool
		}{"bob, who has voted": {f.bob, false}, "carol": {carol, true}} {
			page, err := of.user.Approvals(t.Context(), client.ListApprovalsParams{})
			require.NoError(t, err)
			require.Len(t, page.Items, 1, name)
			require.Equal(t, of.may, *page.Items[0].MayDecide, name)
			require.Len(t, page.Items[0].Approval.Votes, 1, name)
		}

		withdrawn, err := f.bob.WithdrawVote(t.Context(), f.session, c.ID, "a doubt")
		require.NoError(t, err)
		require.Empty(t, withdrawn.Approval.Votes)
		f.decide(t, c, true)
		approved, err := carol.Decide(t.Context(), f.session, approval(c))
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusQueued, approved.Status)
		require.Equal(t, "carol", approved.Approval.DecidedBy)
		require.Len(t, approved.Approval.Votes, 2)

		claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{})
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		_, err = f.bob.WithdrawVote(t.Context(), f.session, c.ID, "too late")
		refusal := requireCode(t, client.CodeAlreadyClaimed, err)
		require.Equal(t, http.StatusConflict, refusal.Status)
	}, requiring(policy.Requirement{Approvals: 2}))
}

func TestVotes_RuleSetsWhoMayApprove(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		c := f.propose(t, review)
		user := func(role, aal string, signedIn time.Duration) *client.CustomerClient {
			return f.userWith(issuer.Claims{Subject: role + aal, Role: role, Assurance: aal, IssuedAt: time.Now().Add(-signedIn)})
		}
		withReason := approval(c)
		withReason.Reason = "agreed"
		for name, refused := range map[string]struct {
			user *client.CustomerClient
			with client.DecisionRequest
			code client.ProblemCode
		}{
			"the role":          {user("approver", "aal2", 0), withReason, client.CodeInsufficientRole},
			"the second factor": {user("admin", "aal1", 0), withReason, client.CodeStepUpRequired},
			"the age":           {user("admin", "aal2", 20*time.Minute), withReason, client.CodeStepUpRequired},
			"the reason":        {user("admin", "aal2", 0), approval(c), client.CodeValidationFailed},
		} {
			_, err := refused.user.Decide(t.Context(), f.session, refused.with)
			refusal := requireCode(t, refused.code, err)
			if refused.code == client.CodeStepUpRequired {
				require.Equal(t, "aal2", refusal.Assurance, name)
			}
			if name == "the reason" {
				require.Equal(t, "/reason", refusal.Errors[0].Pointer)
				continue
			}
			page, err := refused.user.Approvals(t.Context(), client.ListApprovalsParams{})
			require.NoError(t, err)
			require.Equal(t, refusal.Detail, page.Items[0].WhyNot, name)
		}
		approved, err := user("admin", "aal2", 0).Decide(t.Context(), f.session, withReason)
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusQueued, approved.Status)
		require.Equal(t, "aal2", approved.Approval.Votes[0].Aal)

		rejected, err := user("approver", "aal1", time.Minute).Decide(t.Context(), f.session, client.DecisionRequest{CommandID: f.propose(t, review).ID})
		require.NoError(t, err, "a rejection needs none of it")
		require.Equal(t, client.CommandStatusRejected, rejected.Status)
	}, requiring(policy.Requirement{Roles: []string{"admin"}, Assurance: "aal2", SignInAge: 15 * time.Minute, Reason: true}))
}

func TestBreakGlass_IsReviewedByAnotherUser(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		c := f.propose(t, review)
		_, err := f.bob.BreakGlass(t.Context(), f.session, c.ID, client.BreakGlassRequest{Reason: "fire"})
		requireCode(t, client.CodeInsufficientRole, err)
		_, err = f.alice.BreakGlass(t.Context(), f.session, c.ID, client.BreakGlassRequest{Reason: " "})
		requireCode(t, client.CodeValidationFailed, err)
		broken, err := f.alice.BreakGlass(t.Context(), f.session, c.ID, client.BreakGlassRequest{Reason: "fire", Digest: c.Digest})
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusQueued, broken.Status)
		require.Equal(t, "alice", broken.BreakGlass.By.ID)

		inbox := func(status client.ApprovalStatus) []client.Command {
			page, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{Status: status})
			require.NoError(t, err)
			return page.Items
		}
		require.Empty(t, inbox(""))
		require.Len(t, inbox(client.ApprovalStatusReview), 1)
		_, err = f.alice.ReviewBreakGlass(t.Context(), f.session, c.ID, "it was me")
		requireCode(t, client.CodeSelfApproval, err)
		reviewed, err := f.bob.ReviewBreakGlass(t.Context(), f.session, c.ID, "there was a fire")
		require.NoError(t, err)
		require.Equal(t, "bob", reviewed.BreakGlass.ReviewedBy.ID)
		require.Empty(t, inbox(client.ApprovalStatusReview))
	}, requiring(policy.Requirement{Approvals: 2, BreakGlass: true, GlassByProposer: true}))
}

// TestBreakGlass_DeviceThatRequiresApprovalsRefusesIt lets an admin approve alone. An agent runs the command, unless
// its owner requires an approval.
func TestBreakGlass_DeviceThatRequiresApprovalsRefusesIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		require map[string]agent.Requirement
		want    client.CommandStatus
	}{
		{nil, client.CommandStatusSucceeded},
		{map[string]agent.Requirement{"*": {Approvals: 1}}, client.CommandStatusFailed},
	} {
		g := gatewaytest.Start(t, withSigningKey, requiring(policy.Requirement{Approvals: 2, BreakGlass: true}))
		f := newFleet(t, g)
		keys, err := f.ReceiptKeys(t.Context())
		require.NoError(t, err)
		f.startAgent(t, agent.Config{Trust: agent.Trust{Keys: keys, Require: tt.require}}, func(a *agent.Agent) {
			a.Handle(review, fixedResult(agent.Result{}, nil))
		})
		c := f.propose(t, review)
		_, err = f.alice.BreakGlass(t.Context(), f.session, c.ID, client.BreakGlassRequest{Reason: "fire"})
		requireCode(t, client.CodeSelfApproval, err)
		_, err = g.User(f.tenantID, "dora", "admin").BreakGlass(t.Context(), f.session, c.ID, client.BreakGlassRequest{Reason: "fire"})
		require.NoError(t, err)
		require.Equal(t, tt.want, f.awaitFinished(t, c.ID).Status, tt.require)
	}
}
