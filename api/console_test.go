package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func withConsole(console Console, allowed ...string) func(*Config) {
	return func(c *Config) { c.Console, c.AllowedOrigins = console, allowed }
}

var signIn = Console{
	SupabaseURL: "https://abc.supabase.co", SupabaseAnonKey: "public-key",
}

func TestConsole_ServesAllParts(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	page := te.fetch(t, "/console")
	html := read(t, page)

	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.NotContains(t, html, "://")
	require.NotRegexp(t, `<script>|<script [^>]*>[^<]|<style|style=| on[a-z]+=`, html, "inline code or style")
	parts := loads.FindAllStringSubmatch(html, -1)
	require.Len(t, parts, 3)
	for _, found := range parts {
		part := te.fetch(t, found[1])
		require.Equal(t, http.StatusOK, part.StatusCode, found[1])
		requireSelfContained(t, found[1], read(t, part))
		again := te.fetch(t, found[1], "If-None-Match: "+part.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode, found[1])
	}
}

func TestConsole_PolicyAllowsGatewayAndProjectOnly(t *testing.T) {
	t.Parallel()

	for wanted, console := range map[string]Console{
		"connect-src 'self';":                         {},
		"connect-src 'self' https://abc.supabase.co;": signIn,
	} {
		response := newTestEdge(t, noContent, withConsole(console)).fetch(t, "/console")
		policy := response.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, wanted)
		require.True(t, strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src"), policy)
		require.Contains(t, policy, "require-trusted-types-for 'script'; trusted-types 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "same-origin", response.Header.Get("Cross-Origin-Opener-Policy"))
		require.Equal(t, "no-referrer", response.Header.Get("Referrer-Policy"))
	}
}

// fetchConsoleConfig requests the configuration of the console with the given host and origin.
func fetchConsoleConfig(t testing.TB, te *testEdge, host, origin string) (config map[string]any) {
	t.Helper()
	response := te.fetch(t, "http://"+host+"/console/config.json?origin="+url.QueryEscape(origin))
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	require.NoError(t, json.Unmarshal([]byte(read(t, response)), &config))
	return config
}

func TestConsole_ConfigHasSignIn(t *testing.T) {
	t.Parallel()

	require.Equal(t, map[string]any{
		"supabase":   map[string]any{"url": "https://abc.supabase.co", "anonKey": "public-key"},
		"tokenLinks": false, "live": false,
	}, fetchConsoleConfig(t, newTestEdge(t, noContent, withConsole(signIn)), "gateway.example.com", ""))

	without := fetchConsoleConfig(t, newTestEdge(t, noContent, withConsole(Console{SupabaseURL: "https://abc.supabase.co", TokenLinks: true})), "localhost", "")
	require.NotContains(t, without, "supabase", "the project needs its key")
	require.Equal(t, true, without["tokenLinks"])
}

// TestConsole_ConfigReportsWhetherSocketsAreAllowed checks that the configuration follows the
// same rule for origins as the handshakes of sockets.
func TestConsole_ConfigReportsWhetherSocketsAreAllowed(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent, withConsole(signIn, "https://listed.example.com"))

	for _, c := range []struct {
		host, origin string
		live         bool
	}{
		{"gateway.example.com", "https://gateway.example.com", true},
		{"localhost:8080", "http://localhost:8080", true},
		{"10.0.0.7:8080", "https://listed.example.com", true},
		{"10.0.0.7:8080", "https://gateway.example.com", false}, // a proxy has changed the host
		{"gateway.example.com", "", false},
	} {
		require.Equal(t, c.live, fetchConsoleConfig(t, te, c.host, c.origin)["live"], c)
	}
}

// reachesOut matches code that loads something from another host.
var reachesOut = regexp.MustCompile(`@import|url\(["']?https?:|(?:\.src=|\.href=|fetch\(|import\(|importScripts\(|\.open\("GET",)["']https?:`)

func requireSelfContained(t *testing.T, path, content string) {
	t.Helper()
	require.NotEmpty(t, content, path)
	require.Empty(t, reachesOut.FindAllString(content, -1), path)
}
