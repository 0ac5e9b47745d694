package supabase_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"
)

// The paths of a project's API.
const (
	authPath   = "/auth/v1"
	keySetPath = "/.well-known/jwks.json"
)

// openPaths need no API key, because browsers open them as pages.
var openPaths = []string{"/verify", "/callback", "/authorize", "/sso", "/oauth/authorize", keySetPath, "/.well-known/openid-configuration"}

// proxy is the API gateway of a project. It treats API keys as that of a hosted project does:
//   - an API key is required, except for open paths
//   - a legacy key is a token, which is forwarded if the request has no other
//   - a publishable or secret key is not a token. It is replaced by a token that is made for it
//   - a secret key from a browser is refused
type proxy struct {
	*httptest.Server
	publishable, secret string
	anon, serviceRole   string                           // legacy keys
	keySet              atomic.Pointer[http.HandlerFunc] // replaces the response with the key set; nil for none
	keySetNeedsKey      atomic.Bool                      // as in older configurations of self-hosted projects
	signing             func() jwk.Key                   // the key that signs the tokens for publishable and secret keys
	t                   testing.TB
}

// newProxy starts the proxy of an Auth server, which listens at target.
func newProxy(t testing.TB, target string, signing func() jwk.Key) *proxy {
	t.Helper()
	legacy := newKeyWithID(t, "HS256", "legacy")
	p := &proxy{
		publishable: "sb_publishable_of_the_project", secret: "sb_secret_of_the_project",
		anon: apiKey(t, legacy, "anon", time.Hour), serviceRole: apiKey(t, legacy, "service_role", time.Hour),
		signing: signing, t: t,
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	p.Server = httptest.NewServer(http.StripPrefix(authPath, p.checkingKeys(forward)))
	t.Cleanup(p.Close)
	return p
}

// checkingKeys returns a handler that checks the API keys of requests before it forwards them.
func (p *proxy) checkingKeys(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions && p.needsKey(r.URL.Path) && !p.admit(w, r) { // a browser asks without a key
			return
		}
		if replaced := p.keySet.Load(); replaced != nil && r.URL.Path == keySetPath {
			(*replaced)(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	})
}

func (p *proxy) needsKey(path string) bool {
	if path == keySetPath && p.keySetNeedsKey.Load() {
		return true
	}
	return !slices.ContainsFunc(openPaths, func(open string) bool { return strings.HasPrefix(path, open) })
}

// admit checks the API key of a request, and sets its token. It responds if it refuses the key.
func (p *proxy) admit(w http.ResponseWriter, r *http.Request) bool {
	given := r.Header.Get("apikey")
	if given == "" {
		given = r.URL.Query().Get("apikey")
	}
	role := map[string]string{p.publishable: "anon", p.secret: "service_role", p.anon: "anon", p.serviceRole: "service_role"}[given]
	switch {
	case given == "":
		refuse(w, "No API key found in request")
		return false
	case role == "":
		refuse(w, "Invalid API key")
		return false
	case given == p.secret && strings.Contains(r.UserAgent(), "Mozilla"):
		refuse(w, "Forbidden use of secret API key in browser")
		return false
	}
	p.setToken(r, given, role)
	return true
}

// setToken sets the token of a request that has none. An API key that is not a token is none.
func (p *proxy) setToken(r *http.Request, given, role string) {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if bearer != "" && bearer != p.publishable && bearer != p.secret {
		return
	}
	if given == p.publishable || given == p.secret {
		given = apiKey(p.t, p.signing(), role, 5*time.Minute)
	}
	r.Header.Set("Authorization", "Bearer "+given)
}

// refuse responds with 401, as the gateway of a hosted project does.
func refuse(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// cacheKeySet responds with the current key set from now on, as the edge of a hosted project does for
// ten minutes.
func (p *proxy) cacheKeySet() {
	p.t.Helper()
	response, err := http.Get(p.URL + authPath + keySetPath)
	require.NoError(p.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	p.replaceKeySet(response.StatusCode, response.Header, string(body))
}

// replaceKeySet responds to requests for the key set with a status, a header and a body.
func (p *proxy) replaceKeySet(status int, header http.Header, body string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, err := w.Write([]byte(body))
		require.NoError(p.t, err)
	})
	p.keySet.Store(&handler)
}

// restoreKeySet responds with the key set of the Auth server again.
func (p *proxy) restoreKeySet() { p.keySet.Store(nil) }
