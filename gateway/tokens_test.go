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
	answers := map[string]bool{}
	for _, forgery := range forged {
		for _, call := range []gatewaytest.Request{
			{Method: http.MethodGet, Path: "/api/v1/customer/devices", Token: forgery.Token},
			{Method: http.MethodPost, Path: "/api/v1/device/commands/claim", Token: forgery.Token},
		} {
			answer := g.Do(t, call)
			require.Equal(t, http.StatusUnauthorized, answer.Status, forgery.Name)
			require.Equal(t, `Bearer realm="fieldgate", error="invalid_token"`, answer.Header.Get("WWW-Authenticate"), forgery.Name)
			if call.Method == http.MethodGet {
				answers[withoutRequestID(t, answer)] = true
			}
		}
	}
	require.Len(t, answers, 1, "the answer must not tell what was wrong")
	require.Zero(t, untrusted.Requests(), "no token decides whom we call")
	require.LessOrEqual(t, g.Issuer.Requests()-fetched, 1, "the keys are fetched again once at most")
}

// The same with 10,000 is a test of package customer.
func TestToken_UnknownKeysCauseOneFetchAtMost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	alice := g.User(gatewaytest.NewCustomerID(), "alice", "admin")
	_, err := alice.SystemInfo(t.Context())
	require.NoError(t, err)
	fetched := g.Issuer.Requests()
	codes := together(2000, func(i int) error {
		header := g.Issuer.Header()
		header["kid"] = fmt.Sprintf("unknown-%d", i)
		unknown := g.Customer(client.Bearer(g.Issuer.Sign(header, g.Issuer.Payload(issuer.Claims{}))))
		_, err := unknown.SystemInfo(t.Context())
		return err
	})
	require.Equal(t, map[client.ProblemCode]int{client.CodeUnauthorized: 2000}, codes)
	require.LessOrEqual(t, g.Issuer.Requests()-fetched, 1)
	_, err = alice.SystemInfo(t.Context())
	require.NoError(t, err, "those who are known go on")
}

// down answers as an issuer that is out of order.
func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func TestIssuer_DownKeepsKnownKeysValid(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	customer := gatewaytest.NewCustomerID()
	_, err := g.User(customer, "alice", "admin").SystemInfo(t.Context())
	require.NoError(t, err)
	g.Issuer.Respond(down)
	for i := range 3 {
		_, err := g.User(customer, fmt.Sprint("new-", i), "viewer").SystemInfo(t.Context())
		require.NoError(t, err)
	}
	ready, err := g.Readiness(t.Context())
	require.NoError(t, err)
	require.True(t, ready.Ready)
}

func TestIssuer_DownAtStartRecovers(t *testing.T) {
	t.Parallel()
	people := customertest.NewIssuer(t)
	people.Respond(down)
	g := gatewaytest.StartWithIssuer(t, people)
	alice := g.User(gatewaytest.NewCustomerID(), "alice", "admin")
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

	people.Restore()
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && ready.Ready
	}, "it does not recover")
	_, err = alice.SystemInfo(t.Context())
	require.NoError(t, err)
}

func TestToken_Expires(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	// The clocks may differ by 30 s, so this one ends in one or two seconds.
	soon := g.Customer(client.Bearer(g.Issuer.Token(issuer.Claims{Lifetime: time.Hour, IssuedAt: time.Now().Add(-time.Hour - 29*time.Second)})))
	_, err := soon.SystemInfo(t.Context())
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := soon.SystemInfo(t.Context())
		return client.CodeOf(err) == client.CodeUnauthorized
	}, "the token does not end")
}
