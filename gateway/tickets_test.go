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

const (
	customerSocket = "/api/v1/customer/ws"
	deviceSocket   = "/api/v1/device/ws"
	frontend       = "https://fleet.example.com"
)

func withFrontend(cfg *gateway.Config) {
	cfg.AllowedOrigins = []string{frontend, "https://other.example.com"}
}

// ticket issues one to a person for pages of an origin.
func ticket(t testing.TB, g *gatewaytest.Gateway, token, origin string) string {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	answer := g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/customer/ws-tickets", Token: token, Header: header})
	require.Equal(t, http.StatusCreated, answer.Status, answer.Body)
	var issued client.Ticket
	require.NoError(t, json.Unmarshal([]byte(answer.Body), &issued))
	return issued.Ticket
}

// opens tries to open a socket from a page of an origin and gives the status.
func opens(t testing.TB, g *gatewaytest.Gateway, path, origin string, header http.Header) int {
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
	onRedis := gatewaytest.WithRedis(storetest.SharedURL(t))
	one := gatewaytest.Start(t, onRedis, withFrontend)
	another := gatewaytest.StartWithIssuer(t, one.Issuer, onRedis, withFrontend)
	token := one.Token(gatewaytest.NewCustomerID(), "alice", "viewer")
	for _, origin := range []string{frontend, ""} {
		path := customerSocket + "?ticket=" + ticket(t, one, token, origin)

		require.Equal(t, http.StatusSwitchingProtocols, opens(t, another, path, origin, nil))

		require.Equal(t, http.StatusUnauthorized, opens(t, another, path, origin, nil))
		require.Equal(t, http.StatusUnauthorized, opens(t, one, path, origin, nil))
		require.NotContains(t, one.Log.String()+another.Log.String(), "fgt_")
	}
}

func TestTicket_IsBoundToItsOrigin(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withFrontend)
	token := g.Token(gatewaytest.NewCustomerID(), "alice", "viewer")

	for origin, status := range map[string]int{
		"https://other.example.com": http.StatusUnauthorized,
		"":                          http.StatusUnauthorized,
		"https://evil.example.net":  http.StatusForbidden,
	} {
		path := customerSocket + "?ticket=" + ticket(t, g, token, frontend)

		require.Equal(t, status, opens(t, g, path, origin, nil), origin)
	}
}

// A ticket is shown in an address. Whoever finds one there can do nothing else
// with it, and trying does not use it up.
func TestTicket_OpensNothingButItsSocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewCustomerID(), "alice", "admin")
	bought := ticket(t, g, token, "")

	for _, path := range []string{"/api/v1/customer/devices", "/api/v1/customer/system/info", "/api/v1/customer/connections"} {
		answer := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: path, Token: bought})
		require.Equal(t, http.StatusUnauthorized, answer.Status, path)
	}
	answer := g.Do(t, gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/customer/ws-tickets", Token: bought})
	require.Equal(t, http.StatusUnauthorized, answer.Status, "a ticket buys no ticket")
	asToken := http.Header{"Authorization": {"Bearer " + bought}}
	require.Equal(t, http.StatusUnauthorized, opens(t, g, deviceSocket, "", asToken))
	require.Equal(t, http.StatusUnauthorized, opens(t, g, deviceSocket+"?ticket="+bought, "", nil))

	require.Equal(t, http.StatusSwitchingProtocols, opens(t, g, customerSocket, "", asToken), "where a ticket is, does not matter")
}
