package gateway_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// startWithFewDescriptors starts an instance in a process that may open 256 descriptors. It
// then serves 96 sockets, 48 of each tenant.
func startWithFewDescriptors(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n 256 && exec "$0"`, os.Args[0])
	g, _ := startInstanceCommand(t, customertest.NewIssuer(t), cmd)
	return g
}

// TestSockets_OfOneTenantLeaveDescriptorsToOthers opens sockets of one tenant until the
// instance refuses them. The health checks, the metrics and another tenant must be served.
func TestSockets_OfOneTenantLeaveDescriptorsToOthers(t *testing.T) {
	t.Parallel()
	g := startWithFewDescriptors(t)
	greedy, modest := newFleet(t, g), newFleet(t, g)
	require.InDelta(t, 96, g.Metrics(t)["fieldgate_sockets_max"], 0)
	token := greedy.Token(greedy.tenantID, "alice", "viewer")
	refused := 0
	for range 300 {
		_, response, err := g.TryDial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token, Stalled: true})
		require.NoError(t, err)
		if response != nil {
			refused++
			requireOverloaded(t, response)
		}
	}
	require.Greater(t, refused, 200)
	requireServes(t, g, modest)
	modest.customerSocket(t, g)
}

// TestConnections_IdleOnesLeaveDescriptorsToOthers keeps more connections idle than the
// instance has descriptors. Those that are idle for the longest time must make room.
func TestConnections_IdleOnesLeaveDescriptorsToOthers(t *testing.T) {
	t.Parallel()
	g := startWithFewDescriptors(t)
	f := newFleet(t, g)
	for range 400 {
		requestAndStayIdle(t, g)
	}
	require.LessOrEqual(t, g.Metrics(t)["fieldgate_connections"], g.Metrics(t)["fieldgate_connections_max"])
	requireServes(t, g, f)
	f.customerSocket(t, g)
}

// requireServes requires that the instance answers health checks, metrics and a tenant.
func requireServes(t *testing.T, g *gatewaytest.Gateway, f *fleet) {
	t.Helper()
	for _, url := range []string{g.URL + "/readyz", g.URL + "/healthz", g.MetricsURL + "/readyz", g.MetricsURL + "/healthz", g.MetricsURL + "/metrics"} {
		fresh := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := fresh.Get(url)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, url)
	}
	f.propose(t, auto)
}

// requireOverloaded requires that a handshake was refused before the upgrade.
func requireOverloaded(t *testing.T, response *http.Response) {
	t.Helper()
	var problem client.Problem
	require.NoError(t, json.NewDecoder(response.Body).Decode(&problem))
	require.Equal(t, client.CodeOverloaded, problem.Code)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.True(t, response.Close, "the connection stays open")
}

// requestAndStayIdle sends a request over a new connection, which it leaves open.
func requestAndStayIdle(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
	require.NoError(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, status, "200")
}
