package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// setPolicy replaces the policy of the tenant as alice, who has read it.
func (f *fleet) setPolicy(t testing.TB, rules ...client.PolicyRule) client.Policy {
	t.Helper()
	now, err := f.alice.Policy(t.Context())
	require.NoError(t, err)
	changed, err := f.alice.SetPolicy(t.Context(), client.SetPolicyRequest{Version: now.Version, Rules: rules})
	require.NoError(t, err)
	return changed
}

func TestPolicy_DecidesOnProposalsAtAllInstances(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	queued := f.propose(t, auto)
	now, err := f.alice.Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, "0", now.Version)
	require.Equal(t, "diagnostic.*=auto,*=review", now.Floor.Rules)

	witness := there.OpenCustomer(t, here.Token(f.tenantID, "dora", "admin"))
	witness.Subscribe("tenant", "")
	changed := f.setPolicy(t, client.PolicyRule{Name: "all", Effect: "review"})
	require.Equal(t, "1", changed.Version)
	require.Equal(t, "alice", changed.ChangedBy)
	require.Nil(t, changed.Pending)
	require.Equal(t, "policy.changed", witness.Event().Type)

	elsewhere := there.User(f.tenantID, "alice", "admin")
	found, err := elsewhere.EvaluatePolicy(t.Context(), client.EvaluatePolicyRequest{DeviceID: f.device.ID, Type: auto})
	require.NoError(t, err)
	require.Equal(t, client.PolicyEvaluation{
		Effect: "review", Rule: "all", Version: "1", Approvals: 1, Why: `Rule "all" matches.`,
	}, found)
	require.Equal(t, client.CommandStatusPendingApproval, f.propose(t, auto).Status)

	_, err = f.alice.SetPolicy(t.Context(), client.SetPolicyRequest{Version: "0", Rules: []client.PolicyRule{}})
	requireCode(t, client.CodePolicyConflict, err)
	f.requireNothingToClaim(t)
	require.Equal(t, client.CommandStatusPendingApproval, f.command(t, queued.ID).Status)
}

func TestPolicy_LooserRulesWaitForAnotherAdmin(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		f.setPolicy(t, client.PolicyRule{Name: "all", Effect: "deny"})
		changed := f.setPolicy(t, client.PolicyRule{Name: "all", Effect: "auto"})
		require.Equal(t, "1", changed.Version)
		require.Equal(t, []string{"all"}, changed.Pending.Loosens)
		approval := client.DecidePolicyRequest{Version: changed.Pending.Version, Approved: true}
		_, err := f.alice.DecidePolicyChange(t.Context(), approval)
		requireCode(t, client.CodeSelfApproval, err)
		_, err = f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto})
		requireCode(t, client.CodeCommandDenied, err)
		approved, err := g.User(f.tenantID, "dora", "admin").DecidePolicyChange(t.Context(), approval)
		require.NoError(t, err)
		require.Equal(t, "2", approved.Version)
		require.Equal(t, "dora", approved.ApprovedBy)
		require.Equal(t, client.CommandStatusQueued, f.propose(t, auto).Status)
		versions, err := f.alice.PolicyVersions(t.Context(), client.ListPolicyVersionsParams{})
		require.NoError(t, err)
		require.Len(t, versions.Items, 2)
	})
}

func TestPolicy_FaultyRulesAreNamed(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	_, err := f.alice.SetPolicy(t.Context(), client.SetPolicyRequest{Rules: []client.PolicyRule{
		{Name: "all", Effect: "deny"}, {Name: "rest", Effect: "auto"},
	}})
	requireCode(t, client.CodeValidationFailed, err)
	require.ErrorContains(t, err, "/rules/1")
}
