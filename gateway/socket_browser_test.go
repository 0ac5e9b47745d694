package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// Tests how the gateway serves pages in a browser, and clients that cannot set a header.
// The tests of tickets are in tickets_test.go.

func TestSocket_TokenAsSubprotocolIsNotEchoed(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	for path, token := range map[string]string{
		gatewaytest.DevicePath: f.Login(t, f.device), gatewaytest.CustomerPath: f.Token(f.tenantID, "alice", "viewer"),
	} {
		for _, protocols := range [][]string{{"fieldgate.v1", "bearer." + token}, {"bearer." + token, "fieldgate.v1"}} {
			s := g.Open(t, gatewaytest.DialOptions{Path: path, Protocols: protocols})
			require.Equal(t, []string{"fieldgate.v1"}, s.HandshakeHeader.Values("Sec-WebSocket-Protocol"))
			s.Barrier()
		}
		_, refused := g.Dial(t, gatewaytest.DialOptions{Path: path, Protocols: []string{"fieldgate.v1", "bearer." + token[:20]}})
		require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
		_, refused = g.Dial(t, gatewaytest.DialOptions{Path: path, Protocols: []string{"fieldgate.v2", "bearer." + token}})
		require.Equal(t, http.StatusBadRequest, refused.StatusCode)
		require.NotContains(t, g.Log.String(), token)
	}
}

func TestSocket_TokenInQueryIsRefusedWithHint(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token(gatewaytest.NewTenantID(), "alice", "admin")
	for _, name := range []string{"token", "access_token", "jwt", "ticket", "room"} {
		for _, path := range []string{gatewaytest.DevicePath, gatewaytest.CustomerPath} {
			response := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: path + "?" + name + "=" + token})
			require.Equal(t, client.CodeValidationFailed, response.Problem.Code, "%s?%s", path, name)
			require.Contains(t, response.Problem.Errors[0].Reason, "Authorization")
			require.Equal(t, path == gatewaytest.CustomerPath, strings.Contains(response.Problem.Errors[0].Reason, "ticket"), response.Problem.Errors[0].Reason)
		}
	}
	require.NotContains(t, g.Log.String(), token)
}

func TestSocket_OpensOnlyForAllowedOrigins(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withFrontend)
	f := newFleet(t, g)
	for origin, allowed := range map[string]bool{
		frontend:                             true,
		"https://other.example.com":          true,
		"":                                   true, // not a browser
		"null":                               false,
		"http://fleet.example.com":           false,
		"https://fleet.example.com:8443":     false,
		"https://fleet.example.com.evil.net": false,
		"https://evil.net/?" + frontend:      false,
		"https://afleet.example.com":         false,
		"https://fleet.example.com@evil.net": false,
		"https://example.com":                false,
		g.URL:                                true, // the console, served by the gateway itself
		strings.Replace(g.URL, "127.0.0.1", "localhost", 1): false,
	} {
		for path, token := range map[string]string{
			gatewaytest.DevicePath: f.Login(t, f.device), gatewaytest.CustomerPath: f.Token(f.tenantID, "alice", "viewer"),
		} {
			d := gatewaytest.DialOptions{Path: path, Token: token, Header: http.Header{}}
			if origin != "" {
				d.Header.Set("Origin", origin)
			}
			s, refused := g.Dial(t, d)
			require.Equal(t, allowed, s != nil, "%s %q", path, origin)
			if !allowed {
				require.Equal(t, http.StatusForbidden, refused.StatusCode, "%s %q", path, origin)
			}
		}
	}
}
