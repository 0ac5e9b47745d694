package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestToken_ForgedIsRefusedWithoutFetch(t *testing.T) {
	t.Parallel()
	g, untrusted := gatewaytest.Start(t), customertest.NewUntrustedServer(t)
	_, err := g.User("forged", "alice", "admin").SystemInfo(t.Context())
	require.NoError(t, err)
	fetched := g.Issuer.Requests()
	forged := customertest.ForgedTokens(g.Issuer.Issuer, untrusted.URL)
	require.Greater(t, len(forged), 150)
	responses := map[string]bool{}
	for _, forgery := range forged {
		for _, request := range []gatewaytest.Request{
			{Method: http.MethodGet, Path: "/api/v1/customer/devices", Token: forgery.Token},
			{Method: http.MethodPost, Path: "/api/v1/device/commands/claim", Token: forgery.Token},
		} {
			response := g.Do(t, request)
			if response.Problem.Code == client.CodeIssuerUnavailable { // its key may be new
				require.Equal(t, "unknown_key", g.Log.AccessLine(t, response.Problem.RequestID)["reason"], forgery.Name)
				continue
			}
			require.Equal(t, http.StatusUnauthorized, response.Status, forgery.Name)
			require.Equal(t, `Bearer realm="fieldgate", error="invalid_token"`, response.Header.Get("WWW-Authenticate"), forgery.Name)
			if request.Method == http.MethodGet {
				responses[withoutRequestID(t, response)] = true
			}
		}
	}
	require.Len(t, responses, 1, "the response reveals what is wrong with the token")
	require.Zero(t, untrusted.Requests(), "a token made the gateway call another server")
	require.LessOrEqual(t, g.Issuer.Requests()-fetched, 1, "the keys were fetched more than once")
}

// TestToken_UnknownKeysCauseOneFetchAtMost sends 2,000 tokens with unknown keys at the same
// time. Package customer has the same test with 10,000 keys.
func TestToken_UnknownKeysCauseOneFetchAtMost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
	_, err := alice.SystemInfo(t.Context())
	require.NoError(t, err)
	const interval = 30 * time.Second // between two fetches, by default; a slow machine takes longer for all tokens
	fetched, began := g.Issuer.Requests(), time.Now()
	codes := concurrently(2000, func(i int) error {
		header := g.Issuer.Header()
		header["kid"] = fmt.Sprintf("unknown-%d", i)
		payload := g.Issuer.Payload(issuer.Claims{})
		payload["iss"] = "https://stranger.example.com/auth/v1"
		unknown := g.Customer(client.Bearer(g.Issuer.Sign(header, payload)))
		_, err := unknown.SystemInfo(t.Context())
		return err
	})
	require.Equal(t, map[client.ProblemCode]int{client.CodeUnauthorized: 2000}, codes)
	require.LessOrEqual(t, g.Issuer.Requests()-fetched, 1+int(time.Since(began)/interval))
	_, err = alice.SystemInfo(t.Context())
	require.NoError(t, err, "known tokens are still accepted")
}

// down is a handler that responds like a broken issuer.
func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func TestIssuer_DownKeepsKnownKeysValid(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	tenantID := gatewaytest.NewTenantID()
	_, err := g.User(tenantID, "alice", "admin").SystemInfo(t.Context())
	require.NoError(t, err)
	g.Issuer.Respond(down)
	for i := range 3 {
		_, err := g.User(tenantID, fmt.Sprint("new-", i), "viewer").SystemInfo(t.Context())
		require.NoError(t, err)
	}
	ready, err := g.Readiness(t.Context())
	require.NoError(t, err)
	require.True(t, ready.Ready)
}

// TestIssuer_FetchesAreCounted checks that an operator sees a failing fetch of the keys.
func TestIssuer_FetchesAreCounted(t *testing.T) {
	t.Parallel()
	const ok, failed = `fieldgate_issuer_key_fetches_total{result="ok"}`, `fieldgate_issuer_key_fetches_total{result="failed"}`
	iss := customertest.NewIssuer(t)
	iss.Respond(down)
	g := gatewaytest.StartWithIssuer(t, iss)
	require.Contains(t, g.Metrics(t), ok)
	eventually(t, func() bool { return g.Metrics(t)[failed] > 0 && g.Metrics(t)[ok] == 0 }, "the failed fetch is not counted")
	iss.Restore()
	eventually(t, func() bool { return g.Metrics(t)[ok] > 0 }, "the fetch is not counted")
}

// TestIssuer_KeyThatMayBeNewIsUnavailable checks that a user is told to wait, not to sign in.
func TestIssuer_KeyThatMayBeNewIsUnavailable(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	_, err := g.User("any", "alice", "admin").SystemInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, g.Issuer.Rotate())
	response := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/api/v1/customer/me", Token: g.Token("any", "alice", "admin")})
	require.Equal(t, client.CodeIssuerUnavailable, response.Problem.Code)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
}

// TestIssuer_OffAcceptsTokensWithoutIssuer covers a self-hosted project whose tokens have no
// claim iss, and whose users sign in to the console.
func TestIssuer_OffAcceptsTokensWithoutIssuer(t *testing.T) {
	t.Parallel()
	for setting, accepted := range map[string]bool{"": false, "off": true} {
		g := gatewaytest.Start(t, func(cfg *gateway.Config) {
			cfg.SupabaseAnonKey = "sb_publishable_abc"
			if setting != "" {
				cfg.Issuers = []string{setting}
			}
		})
		payload := g.Issuer.Payload(issuer.Claims{TenantID: gatewaytest.NewTenantID()})
		delete(payload, "iss")
		_, err := g.Customer(client.Bearer(g.Issuer.Sign(g.Issuer.Header(), payload))).Me(t.Context())
		require.Equal(t, accepted, err == nil, setting)
		require.Contains(t, g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/console/config.json"}).Body, g.Issuer.URL())
	}
}

func TestIssuer_DownAtStartRecovers(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	iss.Respond(down)
	g := gatewaytest.StartWithIssuer(t, iss)
	alice := g.User(gatewaytest.NewTenantID(), "alice", "admin")
	_, err := alice.SystemInfo(t.Context())
	refusal := requireCode(t, client.CodeIssuerUnavailable, err)
	require.Equal(t, http.StatusServiceUnavailable, refusal.Status)
	require.Positive(t, refusal.RetryAfter)
	ready, err := g.Readiness(t.Context())
	require.NoError(t, err)
	require.False(t, ready.Ready || ready.Checks.Supabase.Ok)
	require.True(t, ready.Checks.Redis.Ok)
	health, err := g.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.HealthStatusOk, health.Status)

	iss.Restore()
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && ready.Ready
	}, "the gateway does not recover")
	_, err = alice.SystemInfo(t.Context())
	require.NoError(t, err)
}

// TestToken_WithoutTenantIsRefused checks that signing up with the issuer gives no access,
// over HTTP, with a socket and for a ticket.
func TestToken_WithoutTenantIsRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Issuer.Token(issuer.Claims{Subject: "mallory", Role: "admin"})
	for _, request := range []gatewaytest.Request{
		{Method: http.MethodGet, Path: "/api/v1/customer/devices", Token: token},
		{Method: http.MethodPost, Path: "/api/v1/customer/devices", Token: token, Body: `{"name":"Pump 7"}`},
		{Method: http.MethodPost, Path: "/api/v1/customer/ws-tickets", Token: token},
	} {
		response := g.Do(t, request)
		require.Equal(t, http.StatusForbidden, response.Status, response.Body)
		require.Equal(t, client.CodeNoTenant, response.Problem.Code)
		require.Equal(t, "no_tenant", g.Log.AccessLine(t, response.Problem.RequestID)["code"])
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	require.Equal(t, http.StatusForbidden, handshakeStatus(t, g, gatewaytest.CustomerPath, "", header))

	s := g.OpenCustomer(t, g.Token(gatewaytest.NewTenantID(), "mallory", "viewer"))
	require.Equal(t, client.CodeNoTenant, s.RequestError("refresh", object{"token": token}).Code)
}

// TestMe_IsWhatGatewayReadsFromToken checks that a page can show the user without reading the
// token itself.
func TestMe_IsWhatGatewayReadsFromToken(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.RoleClaim = "app_metadata.fleet_role" })
	tenantID := gatewaytest.NewTenantID()
	issued := time.Now().Truncate(time.Second)
	claims := issuer.Claims{
		Subject: "alice", TenantID: tenantID, Role: "admin", Email: "alice@example.com", Name: "Alice",
		Assurance: "aal2", IssuedAt: issued,
	}
	me, err := g.Customer(client.Bearer(g.Issuer.Token(claims))).Me(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.Me{
		UserID: "alice", Email: "alice@example.com", Name: "Alice", Kind: client.UserKindPerson,
		Tenant: gatewaytest.TenantOf(tenantID), Role: client.RoleViewer, Aal: "aal2", ExpiresAt: issued.Add(time.Hour).UTC(),
	}, me, "the role is that of the configured claim")

	me, err = g.Customer(client.Bearer(g.Issuer.Token(issuer.Claims{Subject: "bob", TenantID: tenantID, ClientID: "app"}))).Me(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.UserKindProgram, me.Kind)
	require.Empty(t, me.Email+me.Name)
}

func TestToken_Expires(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, gatewaytest.WithPersonalTenants)
	// The gateway allows a clock difference of 30 s. This token is accepted for another 5 s.
	soon := g.Customer(client.Bearer(g.Issuer.Token(issuer.Claims{Lifetime: time.Hour, IssuedAt: time.Now().Add(-time.Hour - 25*time.Second)})))
	_, err := soon.SystemInfo(t.Context())
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := soon.SystemInfo(t.Context())
		return client.CodeOf(err) == client.CodeUnauthorized
	}, "the token does not expire")
}
