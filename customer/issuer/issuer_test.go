package issuer_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/issuer"
)

func newIssuer(t *testing.T) *issuer.Issuer {
	t.Helper()
	iss, err := issuer.New("http://localhost:54321/")
	require.NoError(t, err)
	return iss
}

func get(t *testing.T, iss *issuer.Issuer, url string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	recorder := httptest.NewRecorder()
	iss.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, url, nil))
	require.Equal(t, http.StatusOK, recorder.Code)
	require.Equal(t, "application/json", recorder.Header().Get("Content-Type"))
	document := map[string]any{}
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &document))
	return recorder, document
}

func decode(t *testing.T, part string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	require.NoError(t, err)
	members := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &members))
	return members
}

func names(members map[string]any) []string { return slices.Sorted(maps.Keys(members)) }

func TestIssuer_URLsOfSupabaseProject(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	require.Equal(t, "http://localhost:54321", iss.URL())
	require.Equal(t, "http://localhost:54321/auth/v1", iss.Name())
	require.Equal(t, "http://localhost:54321/auth/v1/.well-known/jwks.json", iss.JWKSURL())
	require.Equal(t, "http://localhost:54321/auth/v1/health", iss.HealthURL())
}

func TestIssuer_KeysHaveFormOfSupabaseAuth(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	recorder, document := get(t, iss, iss.JWKSURL())
	require.Equal(t, "public, max-age=600", recorder.Header().Get("Cache-Control"))
	keys := document["keys"].([]any)
	require.Len(t, keys, 1)
	key := keys[0].(map[string]any)
	require.Equal(t, []string{"alg", "crv", "ext", "key_ops", "kid", "kty", "use", "x", "y"}, names(key))
	require.Equal(t, iss.Header()["kid"], key["kid"])
}

func TestIssuer_TokensHaveFormOfSupabaseAuth(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	issued := time.Now().Truncate(time.Second)
	token := iss.Token(issuer.Claims{Subject: "alice", TenantID: "acme", Role: "admin", Email: "alice@example.com", SessionID: "1", IssuedAt: issued, Lifetime: time.Minute})
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	require.Equal(t, []string{"alg", "kid", "typ"}, names(decode(t, parts[0])))

	claims := decode(t, parts[1])
	require.Equal(t, []string{
		"aal", "amr", "app_metadata", "aud", "email", "exp", "iat", "is_anonymous", "iss",
		"phone", "role", "session_id", "sub", "user_metadata",
	}, names(claims))
	require.Equal(t, "authenticated", claims["aud"])
	require.Equal(t, iss.Name(), claims["iss"])
	require.Equal(t, "alice", claims["sub"])
	require.EqualValues(t, issued.Unix(), claims["iat"])
	require.EqualValues(t, issued.Unix()+60, claims["exp"])
	metadata := claims["app_metadata"].(map[string]any)
	require.Equal(t, []string{"customer_id", "provider", "providers", "role"}, names(metadata))
	require.Equal(t, "acme", metadata["customer_id"])
}

func TestIssuer_ZeroClaimsAreNewUserForOneHour(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	first := decode(t, strings.Split(iss.Token(issuer.Claims{}), ".")[1])
	second := decode(t, strings.Split(iss.Token(issuer.Claims{}), ".")[1])
	const uuid = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	require.Regexp(t, uuid, first["sub"])
	require.Regexp(t, uuid, first["session_id"])
	require.NotEqual(t, first["sub"], second["sub"])
	require.InDelta(t, 3600, first["exp"].(float64)-first["iat"].(float64), 0)
	require.Equal(t, []string{"provider", "providers"}, names(first["app_metadata"].(map[string]any)))
}

func TestIssuer_RotateAndWithdraw(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	old := iss.Header()["kid"]
	require.NoError(t, iss.Rotate())
	require.NotEqual(t, old, iss.Header()["kid"])
	require.Len(t, iss.JWKs(), 2)
	require.Equal(t, old, iss.JWKs()[0]["kid"])

	iss.Withdraw()
	require.Len(t, iss.JWKs(), 1)
	require.Equal(t, iss.Header()["kid"], iss.JWKs()[0]["kid"])
}

func TestIssuer_Health(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	_, document := get(t, iss, iss.HealthURL())
	require.Equal(t, []string{"description", "name", "version"}, names(document))
	require.Equal(t, "GoTrue", document["name"])
}

func TestIssuer_ServesNothingElse(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodPost, iss.JWKSURL(), nil),
		httptest.NewRequest(http.MethodGet, iss.URL()+"/auth/v1/token", nil),
	} {
		recorder := httptest.NewRecorder()
		iss.Handler().ServeHTTP(recorder, request)
		require.GreaterOrEqual(t, recorder.Code, 400)
	}
}
