package customer_test

import (
	"crypto"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

// clock is a clock that the test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// configFor returns a configuration that trusts the issuer, allows personal tenants and
// discards the log.
func configFor(iss *customertest.Issuer) customer.Config {
	return customer.Config{
		JWKSURL: iss.JWKSURL(),
		Issuers: []string{iss.Name()},
		Logger:  slog.New(slog.DiscardHandler),

		PersonalTenants: true,
	}
}

func newVerifier(t testing.TB, cfg customer.Config) *customer.Verifier {
	t.Helper()
	v, err := customer.NewVerifier(cfg)
	require.NoError(t, err)
	return v
}

// setup returns an issuer, a clock, and a verifier that uses both.
func setup(t testing.TB) (*customertest.Issuer, *clock, *customer.Verifier) {
	t.Helper()
	iss, clk := customertest.NewIssuer(t), newClock()
	cfg := configFor(iss)
	cfg.Now = clk.Now
	return iss, clk, newVerifier(t, cfg)
}

// freshToken returns a token that has not been verified before.
func freshToken(iss *customertest.Issuer, clk *clock) string {
	return iss.Token(issuer.Claims{IssuedAt: clk.Now()})
}

func requireAccepted(t testing.TB, v *customer.Verifier, token string) customer.Principal {
	t.Helper()
	principal, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	return principal
}

func requireCode(t testing.TB, v *customer.Verifier, token string, code fieldgate.Code) *fieldgate.Error {
	t.Helper()
	principal, err := v.Verify(t.Context(), token)
	var refusal *fieldgate.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code, "cause: %v", refusal.Cause)
	require.Zero(t, principal)
	return refusal
}

func requireRefused(t testing.TB, v *customer.Verifier, token string) *fieldgate.Error {
	t.Helper()
	return requireCode(t, v, token, fieldgate.CodeUnauthorized)
}

// requireForgedRefused requires that a forged token is refused. If its key is unknown, it may
// have been published since the last fetch, so the code may be issuer_unavailable.
func requireForgedRefused(t testing.TB, v *customer.Verifier, token string) *fieldgate.Error {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	var refusal *fieldgate.Error
	require.ErrorAs(t, err, &refusal)
	if refusal.Code != fieldgate.CodeIssuerUnavailable || refusal.Reason != fieldgate.ReasonUnknownKey {
		require.Equal(t, fieldgate.CodeUnauthorized, refusal.Code, "cause: %v", refusal.Cause)
	}
	return refusal
}

func requireUnavailable(t testing.TB, v *customer.Verifier, token string) *fieldgate.Error {
	t.Helper()
	return requireCode(t, v, token, fieldgate.CodeIssuerUnavailable)
}

// signer is a key of any type that signs tokens with jwx. Tests use it for tokens that
// the test issuer cannot sign.
type signer struct {
	alg     jwa.SignatureAlgorithm
	kid     string
	private crypto.Signer
}

// jwk returns the public key as a JWK, with changes applied. A change to nil removes the
// member.
func (s signer) jwk(t testing.TB, changes map[string]any) map[string]any {
	t.Helper()
	return jwkOf(t, s.private.Public(), s.alg, s.kid, changes)
}

func jwkOf(t testing.TB, raw any, alg jwa.SignatureAlgorithm, kid string, changes map[string]any) map[string]any {
	t.Helper()
	key, err := jwk.FromRaw(raw)
	require.NoError(t, err)
	text, err := json.Marshal(key)
	require.NoError(t, err)
	members := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &members))
	members["alg"], members["use"], members["kid"] = alg.String(), "sig", kid
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	return members
}

// token returns a token with the claims. If kid is empty, the header has no kid.
func (s signer) token(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	headers := jws.NewHeaders()
	require.NoError(t, headers.Set(jws.TypeKey, "JWT"))
	if s.kid != "" {
		require.NoError(t, headers.Set(jws.KeyIDKey, s.kid))
	}
	signed, err := jws.Sign(payload, jws.WithKey(s.alg, s.private, jws.WithProtectedHeaders(headers)))
	require.NoError(t, err)
	return string(signed)
}

// publish returns a handler that responds with a key set of the given keys.
func publish(t testing.TB, keys ...map[string]any) http.HandlerFunc {
	t.Helper()
	body, err := json.Marshal(map[string]any{"keys": append([]map[string]any{}, keys...)})
	require.NoError(t, err)
	return respondWith(http.StatusOK, string(body))
}

func respondWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// serveDirectly returns the response of a handler without a network connection.
func serveDirectly(handler http.Handler, r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Result()
}
