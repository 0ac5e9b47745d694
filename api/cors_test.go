package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

const app = "https://app.example.com"

// newSharedTestEdge returns an edge whose AllowedOrigins contain app.
func newSharedTestEdge(t testing.TB) *testEdge {
	t.Helper()
	return newTestEdge(t, echo, func(c *Config) { c.AllowedOrigins = []string{app, "http://localhost:3000"} })
}

func TestCORS_OnlyAllowedOriginsReadResponses(t *testing.T) {
	t.Parallel()

	for origin, may := range map[string]bool{
		app:                                true,
		"http://localhost:3000":            true,
		"null":                             false,
		"":                                 false,
		"*":                                false,
		"https://app.example.com.evil.net": false,
		"https://evil-app.example.com":     false,
		"https://sub.app.example.com":      false,
		"https://app.example.com:8443":     false,
		"https://app.example.com:443":      false,
		"http://app.example.com":           false,
		"https://app.example.com@evil.net": false,
		"https://APP.example.com":          false,
		"https://app.example.com/":         false,
		"https://app.example.com, " + app:  false,
		"http://localhost":                 false,
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()

			response := newSharedTestEdge(t).ask(t, http.MethodGet, "/things", "", "Origin: "+origin)

			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, may, response.Header.Get("Access-Control-Allow-Origin") == origin && origin != "")
			require.Equal(t, may, response.Header.Get("Access-Control-Expose-Headers") != "")
			require.Empty(t, response.Header.Get("Access-Control-Allow-Credentials"))
			require.Contains(t, response.Header.Values("Vary"), "Origin")
		})
	}
}

func TestCORS_TwoOriginsAreRefused(t *testing.T) {
	t.Parallel()

	response := newSharedTestEdge(t).ask(t, http.MethodGet, "/things", "", "Origin: "+app, "Origin: "+app)

	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
}

func TestCORS_AppliesToRefusals(t *testing.T) {
	t.Parallel()

	response := newSharedTestEdge(t).ask(t, http.MethodPut, "/things/abc", `{}`, "Origin: "+app)

	requireProblem(t, response, fieldgate.CodeUnauthorized)
	require.Equal(t, app, response.Header.Get("Access-Control-Allow-Origin"))
}

func TestCORS_PreflightListsMethodsOfPath(t *testing.T) {
	t.Parallel()

	response := newSharedTestEdge(t).ask(t, http.MethodOptions, "/things/abc", "", "Origin: "+app,
		"Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization,content-type")

	require.Equal(t, http.StatusNoContent, response.StatusCode)
	require.Equal(t, app, response.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "PUT, DELETE", response.Header.Get("Access-Control-Allow-Methods"))
	require.Equal(t, corsSent, response.Header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, "600", response.Header.Get("Access-Control-Max-Age"))
}

func TestCORS_PreflightForUnknownPathOrOriginIsRefused(t *testing.T) {
	t.Parallel()
	preflight := "Access-Control-Request-Method: PUT"

	unknown := newSharedTestEdge(t).ask(t, http.MethodOptions, "/nothing", "", "Origin: "+app, preflight)
	requireProblem(t, unknown, fieldgate.CodeNotFound)

	foreign := newSharedTestEdge(t).ask(t, http.MethodOptions, "/things", "", "Origin: https://evil.net", preflight)
	requireProblem(t, foreign, fieldgate.CodeMethodNotAllowed)

	unshared := newTestEdge(t, echo).ask(t, http.MethodOptions, "/things", "", "Origin: "+app, preflight)
	requireProblem(t, unshared, fieldgate.CodeMethodNotAllowed)
	require.NotContains(t, unshared.Header.Values("Vary"), "Origin")
}

func TestNew_RefusesInvalidAllowedOrigin(t *testing.T) {
	t.Parallel()

	for _, origin := range []string{
		"*", "null", "", "app.example.com", "https://", "https://*.example.com", "https://app.example.com/", "https://app.example.com?x",
		"https://app.example.com:443", "http://app.example.com:80", "https://bücher.example",
		"https://user@app.example.com", "https://App.example.com", "ftp://app.example.com", "https://app.example.com#x", "://",
	} {
		config := smallConfig(t, [2]string{})
		config.AllowedOrigins = []string{origin}

		_, err := newEdge(config)

		require.ErrorContains(t, err, "is not an origin", origin)
	}
}
