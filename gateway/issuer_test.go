package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// stopIssuer lets an issuer respond with 503 to every request.
func stopIssuer(iss *customertest.Issuer) {
	iss.Respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

// TestIssuer_InstanceStartsDuringOutage starts a second instance while the issuer is down.
func TestIssuer_InstanceStartsDuringOutage(t *testing.T) {
	t.Parallel()
	server, iss := storetest.Start(t), customertest.NewIssuer(t)
	withCodeKey := func(cfg *gateway.Config) { cfg.CodeKey = "a key that is not in the store, 32 long" }
	first := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()), withCodeKey)
	newFleet(t, first)
	admin := server.Client(t)
	eventually(t, func() bool {
		return len(admin.Keys(t.Context(), "fg:{*}:issuer-keys:*").Val()) == 1
	}, "the keys of the issuer are not kept")

	stopIssuer(iss)
	second := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()), withCodeKey)
	eventually(t, func() bool { return statusOf(second.URL+"/readyz") == http.StatusOK }, "the second instance is not ready")
	newFleet(t, second)
	require.Contains(t, second.Log.String(), "using the issuer's keys that the store has kept")
	age := second.Metrics(t)["fieldgate_issuer_keys_age_seconds"]
	require.Greater(t, age, 0.0)
	require.Less(t, age, 600.0)

	withoutCodeKey := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()))
	requireNoIssuer(t, withoutCodeKey)
}

// TestIssuer_InstanceWithoutKeysIsAlive starts an instance that has no keys, and then the issuer.
func TestIssuer_InstanceWithoutKeysIsAlive(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	stopIssuer(iss)
	g := gatewaytest.StartWithIssuer(t, iss)
	requireNoIssuer(t, g)
	iss.Restore()
	eventually(t, func() bool { return statusOf(g.URL+"/readyz") == http.StatusOK }, "the gateway does not ask the issuer again")
	newFleet(t, g)
}

// requireNoIssuer requires that a gateway is alive and verifies no token.
func requireNoIssuer(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	require.Equal(t, http.StatusOK, statusOf(g.URL+"/healthz"))
	require.Equal(t, http.StatusServiceUnavailable, statusOf(g.URL+"/readyz"))
	_, err := g.User(gatewaytest.NewTenantID(), "alice", "admin").Devices(t.Context(), client.ListDevicesParams{})
	var refusal *client.APIError
	require.ErrorAs(t, err, &refusal)
	require.EqualValues(t, fieldgate.CodeIssuerUnavailable, refusal.Code)
}
