package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestClaim_DeviceNeverGetsChangedCommand changes the parameters of approved commands in Redis. A
// device that claims over HTTP, or over its socket, gets the next command instead.
func TestClaim_DeviceNeverGetsChangedCommand(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()), func(c *gateway.Config) {
		c.RecordKey, c.RecordKeyRequired = "a key that is nowhere in the store", true
	})
	g.Log.AllowErrors("refused a command whose record was changed in the store", "repaired a violated invariant")
	f := newFleet(t, g)
	login := f.Login(t, f.device)
	for name, call := range map[string]deviceCall{"HTTP": callOverHTTP(t, g, login), "socket": callOverSocket(f.deviceSocket(t, g))} {
		changed, next := f.propose(t, review), f.propose(t, auto)
		f.decide(t, changed, true)
		body := `{"type":"` + changed.Type + `","parameters":{"changed":true}}`
		device := store.Device{Tenant: onlyTenant(t, server.Client(t)), ID: f.device.ID}
		require.NoError(t, server.Client(t).HSet(t.Context(), device.CommandsKey(), changed.ID+":body", body).Err())

		claimed := commands(t, call("claim", object{"limit": 1, "waitMs": 1000, "idempotencyKey": "key-of-" + name}))
		require.Len(t, claimed, 1, name)
		require.Equal(t, next.ID, claimed[0].ID, name)
		require.Empty(t, commands(t, call("claim", object{"limit": 1})), name)
		require.Contains(t, g.Log.String(), changed.ID, name)
	}
	require.InDelta(t, 2, g.Metrics(t)[`fieldgate_invariant_violations_total{invariant="approvedIsWhatRuns"}`], 0)
	require.Contains(t, g.Log.String(), "refused a command whose record was changed in the store")
}
