package gateway_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestStart_WaitsForStore starts a gateway before its store. The gateway must be alive and not
// ready, and must serve once the store is there.
func TestStart_WaitsForStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Kill()
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	g.Log.AllowErrors("reaching the store failed")

	require.Equal(t, http.StatusOK, statusOf(g.URL+"/healthz"))
	require.Equal(t, http.StatusServiceUnavailable, statusOf(g.URL+"/readyz"))
	resp, err := g.HTTP.Get(g.URL + "/api/v1/customer/devices")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Contains(t, string(body), fieldgate.CodeStoreUnavailable)
	require.Equal(t, "2", resp.Header.Get("Retry-After"))

	server.Restart(t)
	require.Eventually(t, func() bool { return statusOf(g.URL+"/readyz") == http.StatusOK }, 20*time.Second, 20*time.Millisecond)
	newFleet(t, g)
}

// TestReadiness_EndsWhileStoreRefusesWrites makes the store a replica, which still replies to
// reads.
func TestReadiness_EndsWhileStoreRefusesWrites(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	eventually(t, func() bool { return statusOf(g.URL+"/readyz") == http.StatusOK }, "the gateway is not ready")
	admin := server.Client(t)
	require.NoError(t, admin.Do(t.Context(), "replicaof", "127.0.0.1", "1").Err())
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && !ready.Ready && ready.Checks.Redis.Error == "the store refuses writes: READONLY"
	}, "the gateway is ready without a store that accepts writes")
	require.NoError(t, admin.Do(t.Context(), "replicaof", "no", "one").Err())
	eventually(t, func() bool { return statusOf(g.URL+"/readyz") == http.StatusOK }, "the gateway is not ready again")
}

// TestStart_EndsWithoutStore stops a gateway that has never reached its store.
func TestStart_EndsWithoutStore(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, gatewaytest.WithRedis("redis://"+storetest.FreeAddr(t)))
	g.Log.AllowErrors("reaching the store failed")
	require.Equal(t, http.StatusOK, statusOf(g.URL+"/healthz"))
	require.NoError(t, g.Stop())
}
