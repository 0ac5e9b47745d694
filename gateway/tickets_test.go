package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// frontend is an allowed origin.
const frontend = "https://fleet.example.com"

func withFrontend(cfg *gateway.Config) {
	cfg.AllowedOrigins = []string{frontend, "https://other.example.com"}
}

// issueTicket issues a ticket to a user for an origin. An empty origin stands for a client
// that is not a browser.
func issueTicket(t testing.TB, g *gatewaytest.Gateway, token, origin string) string {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	response := g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/customer/ws-tickets", Token: token, Header: header})
	require.Equal(t, http.StatusCreated, response.Status, response.Body)
	var issued client.Ticket
	require.NoError(t, json.Unmarshal([]byte(response.Body), &issued))
	return issued.Ticket
}

// handshakeStatus tries to open a socket from a page of an origin and returns the status.
func handshakeStatus(t testing.TB, g *gatewaytest.Gateway, path, origin string, header http.Header) int {
	t.Helper()
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if origin != "" {
		header.Set("Origin", origin)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"fieldgate.v1"}}
	conn, response, err := dialer.Dial("ws"+strings.TrimPrefix(g.URL, "http")+path, header)
	require.NotNil(t, response, "%v", err)
	if conn != nil {
		require.NoError(t, conn.Close())
	}
	return response.StatusCode
}

func TestTicket_OpensOneSocketAtAnyInstance(t *testing.T) {
	t.Parallel()
	withRedis := gatewaytest.WithRedis(storetest.SharedURL(t))
	one := gatewaytest.Start(t, withRedis, withFrontend)
	another := gatewaytest.StartWithIssuer(t, one.Issuer, withRedis, withFrontend)
	token := one.Token(gatewaytest.NewTenantID(), "alice", "viewer")
	for _, origin := range []string{frontend, ""} {
		path := gatewaytest.CustomerPath + "?ticket=" + issueTicket(t, one, token, origin)

		require.Equal(t, http.StatusSwitchingProtocols, handshakeStatus(t, another, path, origin, nil))

		require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, another, path, origin, nil))
		require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, one, path, origin, nil))
		require.NotContains(t, one.Log.String()+another.Log.String(), "fgt_")
	}
}

func TestTicket_IsBoundToItsOrigin(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withFrontend)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "viewer")

	for origin, status := range map[string]int{
		"https://other.example.com": http.StatusUnauthorized,
		"":                          http.StatusUnauthorized,
		"https://evil.example.net":  http.StatusForbidden,
	} {
		path := gatewaytest.CustomerPath + "?ticket=" + issueTicket(t, g, token, frontend)

		require.Equal(t, status, handshakeStatus(t, g, path, origin, nil), origin)
	}
}

// TestTicket_OpensNothingButItsSocket uses a ticket in place of a token in other requests.
// A ticket is visible in a URL, so it must give no other access. A failed attempt must not
// consume the ticket.
func TestTicket_OpensNothingButItsSocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "admin")
	ticket := issueTicket(t, g, token, "")

	for _, path := range []string{"/api/v1/customer/devices", "/api/v1/customer/system/info", "/api/v1/customer/connections"} {
		response := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: path, Token: ticket})
		require.Equal(t, http.StatusUnauthorized, response.Status, path)
	}
	response := g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/customer/ws-tickets", Token: ticket})
	require.Equal(t, http.StatusUnauthorized, response.Status, "a ticket issued another ticket")
	asToken := http.Header{"Authorization": {"Bearer " + ticket}}
	require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, g, gatewaytest.DevicePath, "", asToken))
	require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, g, gatewaytest.DevicePath+"?ticket="+ticket, "", nil))

	require.Equal(t, http.StatusSwitchingProtocols, handshakeStatus(t, g, gatewaytest.CustomerPath, "", asToken), "a ticket is also accepted in the header")
}
