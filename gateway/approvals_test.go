package gateway_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/queue"
)

func TestTheInboxTellsWhoMayDecideAndWhyNot(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		waiting := f.propose(t, review)
		f.propose(t, auto)
		for name, c := range map[string]struct {
			person *client.CustomerClient
			may    bool
		}{
			"an approver":               {f.bob, true},
			"another admin":             {g.Person(f.customer, "dora", "admin"), true},
			"whoever proposed it":       {f.alice, false},
			"an operator":               {g.Person(f.customer, "olga", "operator"), false},
			"a viewer":                  {g.Person(f.customer, "vera", "viewer"), false},
			"the proposer, as approver": {g.Person(f.customer, "alice", "approver"), false},
		} {
			page, err := c.person.Approvals(t.Context(), client.ListApprovalsParams{})
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

func TestTheInboxHoldsTheCommandsOfAllDevicesOfTheTenantAndNoOther(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		neighbour := newFleetOf(t, g, gatewaytest.Neighbour(f.customer))
		neighbour.propose(t, review)
		want := []string{f.propose(t, review).ID}
		other := *f
		other.device = g.Join(t, f.alice)
		other.session = f.open(t, other.device.ID)
		want = append(want, other.propose(t, review).ID, f.propose(t, review).ID)

		one := 1
		var got []string
		for c, err := range f.bob.AllApprovals(t.Context(), client.ListApprovalsParams{Limit: one}) {
			require.NoError(t, err)
			got = append(got, c.ID)
		}
		require.ElementsMatch(t, want, got)
		require.True(t, slices.IsSorted(got), "the oldest is at the top")
	})
}

func TestWhoeverProposedACommandMayRejectItAndNotApproveIt(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
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

func TestAPersonWhoIsATenantAloneApprovesTheirOwn(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		alone := g.Customer(client.Bearer(g.Issuer.Token(issuer.Claims{})))
		device := g.Join(t, alone)
		opened, err := alone.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device.ID, Type: "remediation"})
		require.NoError(t, err)
		proposed, err := alone.Propose(t.Context(), opened.ID, client.ProposeCommandRequest{Type: review})
		require.NoError(t, err)
		page, err := alone.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.True(t, *page.Items[0].MayDecide)
		_, err = alone.Decide(t.Context(), opened.ID, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		require.NoError(t, err)
	})
}

func TestADecisionStands(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		proposed := f.propose(t, review)
		first := f.decide(t, proposed, true)
		require.Equal(t, first.Approval, f.decide(t, proposed, true).Approval, "the same decision is answered with the recorded one")

		dora := g.Person(f.customer, "dora", "approver")
		for name, decide := range map[string]func() (client.Command, error){
			"somebody else, the same": func() (client.Command, error) {
				return dora.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
			},
			"the same, otherwise": func() (client.Command, error) {
				return f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID})
			},
		} {
			_, err := decide()
			require.Equal(t, first.Approval, requireCode(t, client.CodeAlreadyDecided, err).Approval, name)
		}
	})
}

func TestADecisionOverSomethingElseThanWasSeenIsRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		seen, other := f.propose(t, review), f.propose(t, review, func(r *client.ProposeCommandRequest) { r.Parameters = nil })
		require.NotEqual(t, seen.Digest, other.Digest)
		_, err := f.bob.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: other.ID, Approved: true, Digest: seen.Digest})
		requireCode(t, client.CodeDigestMismatch, err)
		require.Equal(t, client.CommandStatusPendingApproval, f.command(t, other.ID).Status)
	})
}

func TestThePolicyDecidesWhatRunsWhatWaitsAndWhatIsDenied(t *testing.T) {
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
