package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
)

func TestHandshake_OnlyAllowedOriginsOpenSockets(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	for origin, may := range map[string]bool{
		app:                                 true,
		"http://localhost:3000":             true,
		"null":                              false,
		"":                                  false,
		"*":                                 false,
		"https://app.example.com.evil.net":  false, // allowed origin with something appended
		"https://evil-app.example.com":      false, // allowed host name with something prepended
		"https://sub.app.example.com":       false,
		"https://example.com":               false,
		"https://app.example.com:8443":      false,
		"https://app.example.com:443":       false, // no browser writes a default port
		"http://app.example.com":            false, // other scheme
		"wss://app.example.com":             false,
		"https://app.example.com@evil.net":  false, // allowed origin as the userinfo of another host
		"https://evil.net@app.example.com":  false,
		"https://APP.example.com":           false, // no browser writes upper case
		"HTTPS://app.example.com":           false,
		"https://app.example.com.":          false, // same host, but another origin
		"https://app.example.com/":          false,
		"https://app.example.com#x":         false,
		"https://app.exаmple.com":           false, // a Cyrillic letter
		"https://xn--app.exmple.com-8ch":    false,
		"https://app。example.com":           false, // an ideographic full stop
		"https://app.example.com, " + app:   false,
		app + " http://localhost:3000":      false,
		"http://localhost":                  false,
		"https://app.example.com%00.evil.x": false,
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()
			for target, header := range map[string][]string{
				deviceSocket:                        {authLine, "Origin: " + origin},
				pageSocket:                          {protocolLine, "Origin: " + origin},
				pageSocket + "?ticket=" + goodToken: {"Origin: " + origin},
			} {
				target = "http://10.0.0.7" + target
				if may {
					require.Equal(t, origin, d.requireOpened(t, target, header...).Origin)
					continue
				}
				document := d.requireRefused(t, fieldgate.CodeOriginNotAllowed, target, header...)
				require.Equal(t, "Pages of this origin may not open sockets. The operator of the gateway can allow the origin.", document.Detail)
			}
		})
	}
}

func TestHandshake_SeveralOriginsAreRefused(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	for _, second := range []string{app, "https://evil.net", ""} {
		d.requireRefused(t, fieldgate.CodeOriginNotAllowed, deviceSocket, authLine, originLine, "Origin: "+second)
	}
}

// TestHandshake_PageOfSameHostIsAllowed covers pages that the gateway itself serves, such as the
// console. Their origin need not be in AllowedOrigins.
func TestHandshake_PageOfSameHostIsAllowed(t *testing.T) {
	t.Parallel()
	d := socketEdge{newTestEdge(t, noContent)}

	for _, c := range []struct {
		host, origin string
		may          bool
	}{
		{"gateway.example.com", "https://gateway.example.com", true}, // a load balancer terminates TLS
		{"gateway.example.com", "http://gateway.example.com", true},
		{"GATEWAY.example.com", "https://gateway.example.com", true},
		{"gateway.example.com:443", "https://gateway.example.com", true},
		{"gateway.example.com:80", "http://gateway.example.com", true},
		{"localhost:8080", "http://localhost:8080", true},
		{"[::1]:8080", "http://[::1]:8080", true},
		{"gateway.example.com", "https://gateway.example.com:8443", false},
		{"gateway.example.com:8443", "https://gateway.example.com", false},
		{"gateway.example.com:443", "http://gateway.example.com", false},
		{"gateway.example.com", "https://GATEWAY.example.com", false}, // no browser writes upper case
		{"gateway.example.com", "https://gateway.example.com:443", false},
		{"gateway.example.com", "https://gateway.example.com/", false},
		{"gateway.example.com", "ftp://gateway.example.com", false},
		{"gateway.example.com", "//gateway.example.com", false},
		{"gateway.example.com", "https://evil.net@gateway.example.com", false},
		{"gateway.example.com", "https://sub.gateway.example.com", false},
		{"gateway.example.com", "https://gateway.example.com.evil.net", false},
		{"gateway.example.com", app, false},
		{"gateway.example.com", "null", false},
		{"null", "null", false},
		{"gateway.example.com", "", false},
		{"", "", false},
		{"", "https://", false},
	} {
		response := d.handshake("http://"+c.host+pageSocket, protocolLine, "Origin: "+c.origin)
		if !c.may {
			requireProblem(t, response, fieldgate.CodeOriginNotAllowed)
			continue
		}
		require.Equal(t, http.StatusNoContent, response.StatusCode, c)
	}
}

func TestHandshake_ForwardedHostIsIgnored(t *testing.T) {
	t.Parallel()
	d := socketEdge{newTestEdge(t, noContent)}

	for _, line := range []string{
		"X-Forwarded-Host: app.example.com", "Forwarded: host=app.example.com", "X-Host: app.example.com",
		"X-Original-Host: app.example.com", "X-Forwarded-Server: app.example.com",
	} {
		d.requireRefused(t, fieldgate.CodeOriginNotAllowed, pageSocket, protocolLine, originLine, line)
	}
	d.requireRefused(t, fieldgate.CodeOriginNotAllowed, "http://app.example.com"+pageSocket, protocolLine, originLine, originLine)
}

// TestHandshake_ProgramsNeedNoOrigin covers clients other than browsers, which send no Origin.
// A browser adds no credential by itself, so a handshake with a credential and without an
// Origin cannot come from a page.
func TestHandshake_ProgramsNeedNoOrigin(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	for target, header := range map[string][]string{
		deviceSocket: {authLine}, pageSocket: {protocolLine}, pageSocket + "?ticket=" + goodToken: nil,
	} {
		require.Empty(t, d.requireOpened(t, target, header...).Origin)
	}
}

func TestHandshake_OriginIsCheckedBeforeCredential(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent, func(c *Config) {
		c.Authenticators["customerJWT"] = func(context.Context, string) (context.Context, error) {
			t.Error("the ticket would be used up")
			return nil, nil
		}
	})

	response := te.ask(t, http.MethodGet, pageSocket+"?ticket="+goodToken, "", "Origin: https://evil.net")

	requireProblem(t, response, fieldgate.CodeOriginNotAllowed)
}

func TestAuthenticate_KnowsOrigin(t *testing.T) {
	t.Parallel()

	for target, header := range map[string][]string{
		pageSocket + "?ticket=x": {originLine},
		"/things/abc":            {originLine, authLine, jsonLine, requiredLine}, // an operation without a socket, such as the one that issues tickets
	} {
		var origin string
		te := newTestEdge(t, noContent, func(c *Config) {
			c.AllowedOrigins = []string{app}
			for scheme := range c.Authenticators {
				c.Authenticators[scheme] = func(ctx context.Context, _ string) (context.Context, error) {
					origin = request.Origin(ctx)
					return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "")
				}
			}
		})
		method := http.MethodGet
		if !strings.HasPrefix(target, pageSocket) {
			method = http.MethodPut
		}

		requireProblem(t, te.ask(t, method, target, "", header...), fieldgate.CodeUnauthorized)
		require.Equal(t, app, origin)
	}
}
