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

// burstOfTwo allows two calls at once and then one a minute.
var burstOfTwo = ratelimit.Limit{PerMinute: 1, Burst: 2}

func requireLimited(t testing.TB, err error) {
	t.Helper()
	refusal := requireCode(t, client.CodeRateLimited, err)
	require.Equal(t, http.StatusTooManyRequests, refusal.Status)
	require.Positive(t, refusal.RetryAfter)
}

func TestRateLimit_PerDevice(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DeviceRate = device.Rate(burstOfTwo) })
	f := newFleet(t, g)
	other := g.NewDevice(t, f.alice)
	for range burstOfTwo.Burst {
		require.NoError(t, sendHeartbeat(t, f.device.DeviceClient))
	}
	requireLimited(t, sendHeartbeat(t, f.device.DeviceClient))
	require.NoError(t, sendHeartbeat(t, other.DeviceClient))
}

func TestRateLimit_PerTenantAcrossInstances(t *testing.T) {
	t.Parallel()
	iss, redis := customertest.NewIssuer(t), gatewaytest.WithRedis(storetest.SharedURL(t))
	limits := func(cfg *gateway.Config) { cfg.Limits.PerTenant = burstOfTwo }
	here, there := gatewaytest.StartWithIssuer(t, iss, redis, limits), gatewaytest.StartWithIssuer(t, iss, redis, limits)
	tenantID := gatewaytest.NewTenantID()
	call := func(g *gatewaytest.Gateway, tenantID, user string) error {
		_, err := g.User(tenantID, user, "viewer").SystemInfo(t.Context())
		return err
	}
	require.NoError(t, call(here, tenantID, "alice"))
	require.NoError(t, call(there, tenantID, "bob"))
	requireLimited(t, call(here, tenantID, "carol"))
	requireLimited(t, call(there, tenantID, "alice"))
	require.NoError(t, call(here, gatewaytest.NeighbourOf(tenantID), "alice"))
}

func TestRateLimit_CountsCost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.PerTenant = ratelimit.Limit{PerMinute: 1, Burst: 6} })
	alice := g.User(gatewaytest.NewTenantID(), "alice", "viewer")
	_, err := alice.Devices(t.Context(), client.ListDevicesParams{})
	require.NoError(t, err)
	_, err = alice.SystemInfo(t.Context())
	require.NoError(t, err)
	_, err = alice.SystemInfo(t.Context())
	requireLimited(t, err)
}

// TestRateLimit_CountsFrames sends frames over a user's socket. Frames and HTTP requests
// share the limit of the tenant, which here allows the handshake and one subscription.
func TestRateLimit_CountsFrames(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.PerTenant = ratelimit.Limit{PerMinute: 1, Burst: 12} })
	tenantID := gatewaytest.NewTenantID()
	s := g.OpenCustomer(t, g.Token(tenantID, "alice", "viewer"))
	s.Subscribe("tenant", "")
	require.Equal(t, client.CodeRateLimited, s.RequestError("subscribe", object{"room": "tenant"}).Code)
	s.Request("unsubscribe", object{"room": "tenant"}, nil)
	s.Request("unsubscribe", object{"room": "tenant"}, nil)
	require.Equal(t, client.CodeRateLimited, s.RequestError("unsubscribe", object{"room": "tenant"}).Code)
	s.Request("ping", nil, nil)
	_, err := g.User(tenantID, "bob", "viewer").SystemInfo(t.Context())
	requireLimited(t, err)
}

// registerWithWrongCode tries to register with a wrong activation code. It returns the
// status.
func registerWithWrongCode(t testing.TB, g *gatewaytest.Gateway, forwardedFor string) int {
	t.Helper()
	return g.Do(t, gatewaytest.Request{
		Method: http.MethodPost, Path: "/api/v1/device/register", Body: `{"activationCode":"0000-0000-0000"}`,
		Header: http.Header{"X-Forwarded-For": {forwardedFor}},
	}).Status
}

func TestRateLimit_RegisterPerAddress(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) {
		cfg.Limits.RegisterPerAddress = burstOfTwo
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for range burstOfTwo.Burst {
		require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.7"))
	}
	require.Equal(t, http.StatusTooManyRequests, registerWithWrongCode(t, g, "198.51.100.7"))
	require.Equal(t, http.StatusTooManyRequests, registerWithWrongCode(t, g, "203.0.113.1, 198.51.100.7"), "the client forged an address")
	require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.8"))
}

func TestRateLimit_IgnoresForwardedForOfUntrustedPeer(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.RegisterPerAddress = burstOfTwo })
	require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.1"))
	require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.2"))
	require.Equal(t, http.StatusTooManyRequests, registerWithWrongCode(t, g, "198.51.100.3"))
}

func TestRateLimit_RegisterTotal(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) {
		cfg.Limits.RegisterTotal = burstOfTwo
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.1"))
	require.Equal(t, http.StatusUnauthorized, registerWithWrongCode(t, g, "198.51.100.2"))
	require.Equal(t, http.StatusTooManyRequests, registerWithWrongCode(t, g, "198.51.100.3"))
}

func TestRateLimit_LoginPerAddress(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.Limits.AuthPerAddress = burstOfTwo })
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
	codes := concurrently(400, func(i int) error {
		return retryUnavailable(func() error {
			if i%2 == 0 {
				_, err := f.alice.Device(t.Context(), f.device.ID)
				return err
			}
			return sendHeartbeat(t, f.device.DeviceClient)
		})
	})
	require.Equal(t, map[client.ProblemCode]int{"": 400}, codes)
}

// TestDeviceSocket_HandshakeCost opens a socket of a device, which costs as much as five
// requests.
func TestDeviceSocket_HandshakeCost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DeviceRate = device.Rate{PerMinute: 1, Burst: 6} })
	f := newFleet(t, g)
	token := f.Login(t, f.device)
	g.OpenDevice(t, token)
	require.NoError(t, sendHeartbeat(t, g.DeviceWithToken(client.Bearer(token))))
	requireCode(t, client.CodeRateLimited, sendHeartbeat(t, g.DeviceWithToken(client.Bearer(token))))
}
