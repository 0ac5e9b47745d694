package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// withSigningKey lets the gateway sign receipts with a key that belongs to this test.
func withSigningKey(cfg *gateway.Config) { cfg.SigningKey = signingKey }

const signingKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH
-----END PRIVATE KEY-----
`

// TestReceipt_SaysWhoApprovedWhat reads the receipt of a command before and after its approval, as a user
// and as the device that claims it.
func TestReceipt_SaysWhoApprovedWhat(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		keys, err := g.ReceiptKeys(t.Context())
		require.NoError(t, err)
		proposed := f.propose(t, review)
		_, err = f.bob.Receipt(t.Context(), f.session, proposed.ID)
		requireCode(t, "receipt_not_found", err)
		f.decide(t, proposed, true)

		compact, err := f.alice.Receipt(t.Context(), f.session, proposed.ID)
		require.NoError(t, err)
		read, err := keys.ParseReceipt(compact)
		require.NoError(t, err)
		require.Equal(t, proposed.Digest, read.Statement.Digest)
		require.Equal(t, proposed.Statement, read.Encoded)
		require.Len(t, read.Votes, 1)
		require.Equal(t, "bob", read.Votes[0].UserID)
		require.Equal(t, 1, read.Approvers())
		require.True(t, proposed.DeliverBy.Equal(read.ExpiresAt))

		claimed := f.claim(t)
		again, err := keys.ParseReceipt(claimed.Receipt)
		require.NoError(t, err)
		require.Equal(t, read.Statement, again.Statement)
		require.Equal(t, read.Votes, again.Votes)
	}, withSigningKey)
}

// TestReceipt_OfAnotherTenantIsMissing asks as a user of another tenant, and for commands without a
// receipt.
func TestReceipt_OfAnotherTenantIsMissing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSigningKey)
	f := newFleet(t, g)
	neighbour := newFleetOf(t, g, gatewaytest.NeighbourOf(f.tenantID))
	c := f.propose(t, auto)
	_, err := f.bob.Receipt(t.Context(), f.session, c.ID)
	require.NoError(t, err, "a command that needs no approval")
	_, err = neighbour.bob.Receipt(t.Context(), f.session, c.ID)
	requireCode(t, "session_not_found", err)
	rejected := f.propose(t, review)
	f.decide(t, rejected, false)
	_, err = f.bob.Receipt(t.Context(), f.session, rejected.ID)
	requireCode(t, "receipt_not_found", err)
}

// TestReceipt_IsNotSignedWithoutAKey starts a gateway whose key is not set.
func TestReceipt_IsNotSignedWithoutAKey(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	c := f.propose(t, auto)
	require.Empty(t, f.claim(t).Receipt)
	_, err := f.bob.Receipt(t.Context(), f.session, c.ID)
	requireCode(t, "receipt_not_found", err)
	_, err = f.ReceiptKeys(t.Context())
	require.ErrorContains(t, err, "no key")
}

// TestReceipt_DeviceRunsWhatItsOwnerWantsApproved runs an agent whose owner requires an approval that the
// policy of the gateway does not require.
func TestReceipt_DeviceRunsWhatItsOwnerWantsApproved(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, withSigningKey))
	keys, err := f.ReceiptKeys(t.Context())
	require.NoError(t, err)
	trust := agent.Trust{Keys: keys, Require: map[string]agent.Requirement{"*": {Approvals: 1}}}
	f.startAgent(t, agent.Config{Trust: trust}, func(a *agent.Agent) {
		a.Handle(auto, fixedResult(agent.Result{}, nil))
		a.Handle(review, fixedResult(agent.Result{}, nil))
	})
	refused := f.awaitFinished(t, f.propose(t, auto).ID)
	require.Equal(t, client.CommandStatusFailed, refused.Status)
	require.JSONEq(t, `{"code":"receipt_invalid"}`, string(refused.Result.Data))

	approved := f.propose(t, review)
	f.decide(t, approved, true)
	require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, approved.ID).Status)
}
