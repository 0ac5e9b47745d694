package gateway_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// twice lets something happen twice at once and then hardly ever.
var twice = ratelimit.Limit{PerMinute: 1, Burst: 2}

func requireLimited(t testing.TB, err error) {
	t.Helper()
	refusal := requireCode(t, client.CodeRateLimited, err)
	require.Equal(t, http.StatusTooManyRequests, refusal.Status)
	require.Positive(t, refusal.RetryAfter)
}

func TestRateLimit_PerDevice(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DeviceRate = device.Rate(twice) })
	f := newFleet(t, g)
	other := g.NewDevice(t, f.alice)
	for range twice.Burst {
		require.NoError(t, beat(t, f.device.DeviceClient))
	}
	requireLimited(t, beat(t, f.device.DeviceClient))
	require.NoError(t, beat(t, other.DeviceClient))
}

func TestRateLimit_PerTenantAcrossInstances(t *testing.T) {
	t.Parallel()
	people, redis := customertest.NewIssuer(t), gatewaytest.WithRedis(storetest.SharedURL(t))
	limits := func(cfg *gateway.Config) { cfg.Limits.PerTenant = twice }
	here, there := gatewaytest.StartWithIssuer(t, people, redis, limits), gatewaytest.StartWithIssuer(t, people, redis, limits)
	customer := gatewaytest.NewCustomerID()
	ask := func(g *gatewaytest.Gateway, customer, user string) error {
		_, err := g.User(customer, user, "viewer").SystemInfo(t.Context())
		return err
	}
	require.NoError(t, ask(here, customer, "alice"))
	require.NoError(t, ask(there, customer, "bob"))
	requireLimited(t, ask(here, customer, "carol"))
	requireLimited(t, ask(there, customer, "alice"))
	require.NoError(t, ask(here, gatewaytest.NeighbourOf(customer), "alice"))
}

// guess registers with a code of nobody's and tells the status.
func guess(t testing.TB, g *gatewaytest.Gateway, forwardedFor string) int {
	t.Helper()
	return g.Do(t, gatewaytest.Request{
		Method: http.MethodPost, Path: "/api/v1/device/register", Body: `{"activationCode":"0000-0000-0000"}`,
		Header: http.Header{"X-Forwarded-For": {forwardedFor}},
	}).Status
}

func TestRateLimit_RegisterPerAddress(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) {
		cfg.Limits.RegisterPerAddress = twice
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for range twice.Burst {
		require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.7"))
	}
	require.Equal(t, http.StatusTooManyRequests, guess(t, g, "198.51.100.7"))
	require.Equal(t, http.StatusTooManyRequests, guess(t, g, "203.0.113.1, 198.51.100.7"), "what the client wrote does not count")
	require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.8"))
}

func TestRateLimit_IgnoresForwardedForOfUntrustedPeer(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.RegisterPerAddress = twice })
	require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.1"))
	require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.2"))
	require.Equal(t, http.StatusTooManyRequests, guess(t, g, "198.51.100.3"))
}

func TestRateLimit_RegisterTotal(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) {
		cfg.Limits.RegisterTotal = twice
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.1"))
	require.Equal(t, http.StatusUnauthorized, guess(t, g, "198.51.100.2"))
	require.Equal(t, http.StatusTooManyRequests, guess(t, g, "198.51.100.3"))
}

func TestRateLimit_LoginPerAddress(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.AuthPerAddress = twice })
	f := newFleet(t, g)
	login := func() error {
		_, err := g.Authenticate(t.Context(), client.AuthenticateDeviceRequest{DeviceID: f.device.ID, DeviceSecret: f.device.Secret})
		return err
	}
	require.NoError(t, login())
	require.NoError(t, login())
	requireLimited(t, login())
}

func TestRateLimit_NoneByDefault(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	codes := together(400, func(i int) error {
		return insist(func() error {
			if i%2 == 0 {
				_, err := f.alice.Approvals(t.Context(), client.ListApprovalsParams{})
				return err
			}
			return beat(t, f.device.DeviceClient)
		})
	})
	require.Equal(t, map[client.ProblemCode]int{"": 400}, codes)
}
