package gateway_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
)

func TestApprovals_ReportWhoMayDecideAndWhyNot(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		waiting := f.propose(t, review)
		f.propose(t, auto)
		for name, c := range map[string]struct {
			user *client.CustomerClient
			may  bool
		}{
			"an approver":                     {f.bob, true},
			"another admin":                   {g.User(f.tenantID, "dora", "admin"), true},
			"the proposer":                    {f.alice, false},
			"an operator":                     {g.User(f.tenantID, "olga", "operator"), false},
			"a viewer":                        {g.User(f.tenantID, "vera", "viewer"), false},
			"the proposer with approver role": {g.User(f.tenantID, "alice", "approver"), false},
		} {
			page, err := c.user.Approvals(t.Context(), client.ListApprovalsParams{})
			require.NoError(t, err)
			require.Len(t, page.Items, 1, name)
			require.Equal(t, waiting.ID, page.Items[0].ID)
			require.Equal(t, c.may, *page.Items[0].MayDecide, name)
			require.Equal(t, c.may, page.Items[0].WhyNot == "", name)
		}
		f.decide(t, waiting, true)
		page, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

func TestApprovals_ListAllDevicesOfOwnTenantOnly(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		neighbour := newFleetOf(t, g, gatewaytest.NeighbourOf(f.tenantID))
		neighbour.propose(t, review)
		want := []string{f.propose(t, review).ID}
		other := *f
		other.device = g.NewDevice(t, f.alice)
		other.session = f.openSession(t, other.device.ID)
		want = append(want, other.propose(t, review).ID, f.propose(t, review).ID)

		one := 1
		var got []string
		for c, err := range f.bob.AllApprovals(t.Context(), client.ListApprovalsParams{Limit: one}) {
			require.NoError(t, err)
			got = append(got, c.ID)
		}
		require.ElementsMatch(t, want, got)
		require.True(t, slices.IsSorted(got), "the oldest comes first")
	})
}

func TestDecide_ProposerMayRejectButNotApprove(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed := f.propose(t, review)
		_, err := f.alice.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		requireCode(t, client.CodeSelfApproval, err)
		require.Equal(t, client.CommandStatusPendingApproval, f.command(t, proposed.ID).Status)
		rejected, err := f.alice.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID})
		require.NoError(t, err)
		require.Equal(t, client.CommandStatusRejected, rejected.Status)
	})
}

// TestDecide_SecondFactorIsRequired checks that a password alone does not approve if the
// operator requires a second factor, and that it rejects.
func TestDecide_SecondFactorIsRequired(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed, other := f.propose(t, review), f.propose(t, review)
		_, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		refusal := requireCode(t, client.CodeStepUpRequired, err)
		require.Equal(t, "aal2", refusal.Assurance)
		require.Equal(t, http.StatusForbidden, refusal.Status)
		require.Equal(t, client.CommandStatusPendingApproval, f.command(t, proposed.ID).Status)
		page, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.False(t, *page.Items[0].MayDecide)
		require.Equal(t, refusal.Detail, page.Items[0].WhyNot)
		f.decide(t, other, false)

		f.bob = f.userWith(issuer.Claims{Subject: "bob", Role: "approver", Assurance: "aal2"})
		page, err = f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.True(t, *page.Items[0].MayDecide)
		require.Equal(t, client.CommandStatusQueued, f.decide(t, proposed, true).Status)
	}, func(cfg *gateway.Config) { cfg.ApprovalAAL = "aal2" })
}

// TestDecide_OAuthClientIsRefused checks that an application to which a user has consented
// does not approve for the user, unless the operator allows it.
func TestDecide_OAuthClientIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed := f.propose(t, review)
		f.bob = f.userWith(issuer.Claims{Subject: "bob", Role: "approver", ClientID: "stranger"})
		_, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		requireCode(t, client.CodeClientNotAllowed, err)
		page, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.False(t, *page.Items[0].MayDecide)
		_, err = f.bob.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: review})
		require.NoError(t, err, "the client may propose")

		stranger := f.bob
		f.bob = f.userWith(issuer.Claims{Subject: "bob", Role: "approver", ClientID: "console"})
		require.Equal(t, client.CommandStatusQueued, f.decide(t, proposed, true).Status)
		_, err = stranger.WithdrawVote(t.Context(), f.session, proposed.ID, "a doubt")
		requireCode(t, client.CodeClientNotAllowed, err)
		require.Equal(t, client.CommandStatusQueued, f.command(t, proposed.ID).Status)
		_, err = f.bob.WithdrawVote(t.Context(), f.session, proposed.ID, "a doubt")
		require.NoError(t, err)
		_, err = f.dora().WithdrawVote(t.Context(), f.session, proposed.ID, "a doubt")
		requireCode(t, client.CodeVoteNotFound, err)
	}, func(cfg *gateway.Config) { cfg.AllowedClients = []string{"console"} })
}

// userWith returns a client of a user of the tenant with the given claims.
func (f *fleet) userWith(claims issuer.Claims) *client.CustomerClient {
	claims.TenantID = f.tenantID
	return f.Customer(client.Bearer(f.Issuer.Token(claims)))
}

func TestDecide_SingleUserTenantApprovesOwnCommand(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alone := g.Customer(client.Bearer(g.Issuer.Token(issuer.Claims{})))
		device := g.NewDevice(t, alone)
		opened, err := alone.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device.ID, Type: "remediation"})
		require.NoError(t, err)
		proposed, err := alone.Propose(t.Context(), opened.ID, client.ProposeCommandRequest{Type: review})
		require.NoError(t, err)
		page, err := alone.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.True(t, *page.Items[0].MayDecide)
		_, err = alone.Decide(t.Context(), opened.ID, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		require.NoError(t, err)
	}, gatewaytest.WithPersonalTenants)
}

func TestDecide_SecondDecisionIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed := f.propose(t, review)
		first := f.decide(t, proposed, true)
		require.Equal(t, first.Approval, f.decide(t, proposed, true).Approval, "repeating the decision returns the recorded one")

		dora := g.User(f.tenantID, "dora", "approver")
		for name, decide := range map[string]func() (client.Command, error){
			"the same decision by another user": func() (client.Command, error) {
				return dora.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
			},
			"another decision by the same user": func() (client.Command, error) {
				return f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID})
			},
		} {
			_, err := decide()
			want := first.Approval
			want.Required, want.Votes = 0, nil // a refusal has only the decision
			require.Equal(t, want, requireCode(t, client.CodeAlreadyDecided, err).Approval, name)
		}
	})
}

func TestDecide_DigestMismatchIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		own, other := f.propose(t, review), f.propose(t, review, func(r *client.ProposeCommandRequest) { r.Parameters = nil })
		require.NotEqual(t, own.Digest, other.Digest)
		_, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: other.ID, Approved: true, Digest: own.Digest})
		requireCode(t, client.CodeDigestMismatch, err)
		require.Equal(t, client.CommandStatusPendingApproval, f.command(t, other.ID).Status)
	})
}

func TestPolicy_AutoReviewAndDeny(t *testing.T) {
	t.Parallel()
	policy, err := queue.ParsePolicy("shell.*=deny,diagnostic.*=auto,*=review")
	require.NoError(t, err)
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Policy = policy })
	f := newFleet(t, g)
	require.Equal(t, client.CommandStatusQueued, f.propose(t, "diagnostic.dns").Status)
	require.Equal(t, client.CommandStatusPendingApproval, f.propose(t, "anything.else").Status)
	_, err = f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: "shell.run"})
	requireCode(t, client.CodeCommandDenied, err)
}
