package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/passkeytest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestRecordKey_IsReplaced replaces the record key as operations.md describes it. The policy, the passkeys and the
// roster of the tenant stay in use, and so does the policy of a tenant without devices.
func TestRecordKey_IsReplaced(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	start := func(key string, required bool) *gatewaytest.Gateway {
		return gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), withPasskeys, func(c *gateway.Config) {
			c.RecordKey, c.RecordKeyRequired = key, required
		})
	}
	const firstKey, secondKey = "the first key of at least 32 characters", "the second key of at least 32 characters"
	f := newFleet(t, start(firstKey, true))
	bob := newPasskey(t, f.bob)
	_, err := setRoster(t, f, rosterOf(t, f, 1, 1, map[string][]*passkeytest.Passkey{"bob": {bob}}).Document(), bob)
	require.NoError(t, err)
	_, err = f.alice.SetPolicy(t.Context(), client.SetPolicyRequest{Version: "0", Rules: []client.PolicyRule{{Name: "all", Effect: "review"}}})
	require.NoError(t, err)
	withoutDevices := gatewaytest.NewTenantID()
	_, err = f.User(withoutDevices, "dora", "admin").SetPolicy(t.Context(), client.SetPolicyRequest{Version: "0", Rules: []client.PolicyRule{{Name: "none", Effect: "deny"}}})
	require.NoError(t, err)

	between := start(secondKey, false)
	require.Eventually(t, func() bool {
		log := between.Log.String()
		return strings.Contains(log, `"policies":2,"passkeys":1,"rosterVersions":1`) && strings.Contains(log, `"policies":2,"passkeys":0,"rosterVersions":0`)
	}, time.Minute, 10*time.Millisecond)

	after := start(secondKey, true)
	user := after.User(f.tenantID, "bob", "approver")
	passkeys, err := user.Passkeys(t.Context(), client.ListPasskeysParams{})
	require.NoError(t, err)
	require.Len(t, passkeys.Items, 1)
	roster, err := user.Roster(t.Context())
	require.NoError(t, err)
	require.Len(t, roster.Versions, 1)
	policy, err := after.User(f.tenantID, "alice", "admin").Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1", policy.Version)
	policy, err = after.User(withoutDevices, "dora", "admin").Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, "none", policy.Rules[0].Name)
}
