package supabase_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
)

// newVerifier returns a running verifier with shorter intervals than those of the gateway, whose
// intervals are as long as the caches of a hosted project.
func (p *project) newVerifier() *customer.Verifier {
	t := p.t
	t.Helper()
	v, err := customer.NewVerifier(customer.Config{
		JWKSURL: p.issuer() + keySetPath, Issuers: []string{p.issuer()},
		RefreshInterval: 10 * time.Millisecond, PollInterval: 100 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return v
}

// TestRotation_SignsNobodyOut goes through the states of a key: standby, in use, previously used,
// revoked.
func TestRotation_SignsNobodyOut(t *testing.T) {
	t.Parallel()
	first, second := newKey(t, jwa.ES256), newKey(t, jwa.RS256)
	p := startProject(t, withKeys(first))
	v := p.newVerifier()
	before := p.member("alice@example.com", "acme", "viewer")
	requireAccepted(t, v, before)

	p.setKeys(first, second) // second is the standby key
	requireAccepted(t, v, before)

	p.setKeys(second, first) // second is in use
	after := p.refresh(before)
	requireAccepted(t, v, before)
	requireAccepted(t, v, after)

	p.setKeys(second) // first is revoked
	eventually(t, "tokens of the revoked key are refused", func() bool { return isRefused(v, before) })
	requireAccepted(t, v, after)
}

// TestRotation_RevokedLastKey goes back to the shared secret, so that the project publishes no key.
func TestRotation_RevokedLastKey(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	v := p.newVerifier()
	before := p.member("alice@example.com", "acme", "viewer")
	requireAccepted(t, v, before)
	p.setKeys(newKeyWithID(t, jwa.HS256, "secret"))
	eventually(t, "tokens of the revoked last key are refused", func() bool { return isRefused(v, before) })
	require.False(t, v.HasKeys())
}

// TestRotation_UnannouncedKey rotates to a key that was never on standby. Its tokens are refused as
// not verifiable yet, not as invalid, until the gateway may fetch the keys again.
func TestRotation_UnannouncedKey(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	before := p.member("alice@example.com", "acme", "viewer")
	g.me(before.AccessToken)
	p.setKeys(newKey(t, jwa.ES256))
	after := p.refresh(before)
	rotated := time.Now()
	g.requireRefused(after.AccessToken, "issuer_unavailable", "unknown_key")
	eventually(t, "tokens of the new key are accepted", func() bool {
		_, err := g.user(after.AccessToken).Me(t.Context())
		return err == nil
	})
	require.Less(t, time.Since(rotated), 35*time.Second)
}

func TestKeySet_FailureShowsAndEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, media, body string
		status            int
	}{
		{"not found", "application/json", `{"message":"no Route matched with those values"}`, http.StatusNotFound},
		{"page of a proxy", "text/html", "<html>Error 522</html>", http.StatusOK},
		{"failure", "application/json", `{}`, http.StatusInternalServerError},
		{"empty set", "application/json", `{"keys":[]}`, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t)
			token := p.member("alice@example.com", "acme", "viewer").AccessToken
			p.replaceKeySet(c.status, c.media, c.body)
			g := p.serve()
			eventually(t, "the readiness names the keys", func() bool {
				ready, err := g.Readiness(t.Context())
				return err == nil && !ready.Ready && ready.Checks.Supabase.Error == "no usable signing keys"
			})
			g.requireRefused(token, "issuer_unavailable", "")
			g.requireLogged("fetching the issuer's keys failed")
			p.restoreKeySet()
			eventually(t, "the gateway is ready", func() bool { return statusOf(g.url+"/readyz") == http.StatusOK })
			g.me(token)
		})
	}
}

// TestKeySet_NeedsAPIKey is about self-hosted projects whose gateway requires an API key for the key
// set too.
func TestKeySet_NeedsAPIKey(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	p.keySetNeedsKey.Store(true)
	token := p.member("alice@example.com", "acme", "viewer").AccessToken
	require.Equal(t, "c.acme", p.serve().me(token).Tenant)

	g := p.serve("FIELDGATE_SUPABASE_ANON_KEY=")
	g.requireRefused(token, "issuer_unavailable", "")
	findings, ok := p.doctor(token, "FIELDGATE_SUPABASE_ANON_KEY=")
	require.False(t, ok)
	require.Contains(t, findings, "status 401")
}

func requireAccepted(t testing.TB, v *customer.Verifier, s signIn) {
	t.Helper()
	principal, err := v.Verify(t.Context(), s.AccessToken)
	require.NoError(t, err)
	require.Equal(t, s.User.ID, principal.UserID)
}

// isRefused reports whether a token is refused for good.
func isRefused(v *customer.Verifier, s signIn) bool {
	_, err := v.Verify(context.Background(), s.AccessToken)
	var refused *fieldgate.Error
	return errors.As(err, &refused) && refused.Code == fieldgate.CodeUnauthorized
}
