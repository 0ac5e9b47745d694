package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// Addresses of a stranger, who has a site, and one of another site.
const (
	strangerAddr = "2001:db8:1:2::1"
	sameNetwork  = "2001:db8:1:2:ffff::9"
	sameSite     = "2001:db8:1:3::1"
	otherAddr    = "2001:db8:9::1"
)

// guarded allows five refused credentials of a network, and trusts the X-Forwarded-For of the
// tests.
func guarded(cfg *gateway.Config) {
	cfg.Limits.UnauthorizedPerAddress = ratelimit.Limit{PerMinute: 1, Burst: 5}
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// statusFrom sends a request from an address and returns the status.
func statusFrom(t testing.TB, g *gatewaytest.Gateway, addr string, r gatewaytest.Request) int {
	t.Helper()
	r.Header = http.Header{"X-Forwarded-For": {addr}}
	response := g.Do(t, r)
	if response.Status == http.StatusTooManyRequests {
		require.Equal(t, client.CodeRateLimited, response.Problem.Code)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
	}
	return response.Status
}

func heartbeatWith(token string) gatewaytest.Request {
	return gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/heartbeat", Token: token, Body: `{"status":"ok"}`}
}

func devicesWith(token string) gatewaytest.Request {
	return gatewaytest.Request{Method: http.MethodGet, Path: "/api/v1/customer/devices", Token: token}
}

// roundTrips returns the number of round trips to the store with a name.
func roundTrips(t testing.TB, g *gatewaytest.Gateway, name string) float64 {
	t.Helper()
	return g.Metrics(t)[`fieldgate_redis_duration_seconds_count{name="`+name+`"}`]
}

// exhaust uses up the limit of the stranger's network with forged logins.
func exhaust(t testing.TB, f *fleet) {
	t.Helper()
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(forgedLogin(f.device.ID))))
	}
	require.Equal(t, http.StatusTooManyRequests, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(forgedLogin(f.device.ID))))
}

func TestGuard_ForgedLoginsRunNoScriptBeyondLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, guarded))
	before := roundTrips(t, f.Gateway, "check")
	statuses := map[int]int{}
	for i := range 50 {
		addr := fmt.Sprintf("2001:db8:1:2::%x", i+1)
		statuses[statusFrom(t, f.Gateway, addr, heartbeatWith(forgedLogin(f.device.ID)))]++
	}
	require.Equal(t, map[int]int{http.StatusUnauthorized: 5, http.StatusTooManyRequests: 45}, statuses)
	require.EqualValues(t, 5, roundTrips(t, f.Gateway, "check")-before)
	require.Equal(t, http.StatusUnauthorized, statusFrom(t, f.Gateway, sameSite, heartbeatWith(forgedLogin(f.device.ID))), "another network")
}

// TestGuard_ConcurrentForgedLoginsRunNoScriptBeyondLimit sends forged logins at the same time,
// before any of them is known to be forged.
func TestGuard_ConcurrentForgedLoginsRunNoScriptBeyondLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, guarded))
	before := roundTrips(t, f.Gateway, "check")
	codes := concurrently(200, func(int) error {
		return sendHeartbeat(t, f.DeviceWithToken(client.Bearer(forgedLogin(f.device.ID))))
	})
	require.Equal(t, map[client.ProblemCode]int{client.CodeUnauthorized: 5, client.CodeRateLimited: 195}, codes)
	require.EqualValues(t, 5, roundTrips(t, f.Gateway, "check")-before)
}

// TestGuard_HonestCallersOfTheNetworkAreServed requires that devices and users behind the same
// address as a stranger are served, also at their first request to this instance.
func TestGuard_HonestCallersOfTheNetworkAreServed(t *testing.T) {
	t.Parallel()
	redis := gatewaytest.WithRedis(storetest.SharedURL(t))
	f := newFleet(t, gatewaytest.Start(t, guarded, redis))
	there := gatewaytest.StartWithIssuer(t, f.Issuer, guarded, redis)
	ticket := issueTicket(t, there, f.Token(f.tenantID, "alice", "viewer"), "")
	token := there.Login(t, f.device)
	exhaust(t, f)

	for range 20 {
		require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, sameNetwork, heartbeatWith(token)))
		require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, sameNetwork, devicesWith(f.Token(f.tenantID, "alice", "viewer"))))
	}
	require.Equal(t, http.StatusSwitchingProtocols, handshakeFrom(t, f.Gateway, ticket))
	login := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/auth", Body: `{"deviceId":"` + f.device.ID + `","deviceSecret":"` + f.device.Secret + `"}`}
	require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, sameNetwork, login))
	require.Equal(t, http.StatusTooManyRequests, statusFrom(t, f.Gateway, sameNetwork, heartbeatWith(forgedLogin(f.device.ID))))
}

// handshakeFrom opens a user's socket with a ticket from the network of the stranger.
func handshakeFrom(t testing.TB, g *gatewaytest.Gateway, ticket string) int {
	t.Helper()
	return handshakeStatus(t, g, gatewaytest.CustomerPath+"?ticket="+ticket, "", http.Header{"X-Forwarded-For": {sameNetwork}})
}

func TestGuard_ForgedTokensAndTicketsShareTheLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, guarded))
	stranger := customertest.NewIssuer(t)
	before := roundTrips(t, f.Gateway, "redeem_ticket")
	for range 4 {
		require.Equal(t, http.StatusUnauthorized, statusFrom(t, f.Gateway, strangerAddr, devicesWith(stranger.Token(issuer.Claims{}))))
	}
	require.Equal(t, http.StatusUnauthorized, handshakeFrom(t, f.Gateway, "fgt_"+strings.Repeat("A", 43)))
	for range 10 {
		require.Equal(t, http.StatusTooManyRequests, handshakeFrom(t, f.Gateway, "fgt_"+strings.Repeat("A", 43)))
		require.Equal(t, http.StatusTooManyRequests, statusFrom(t, f.Gateway, strangerAddr, devicesWith(stranger.Token(issuer.Claims{}))))
	}
	require.EqualValues(t, 1, roundTrips(t, f.Gateway, "redeem_ticket")-before)
	require.NotEmpty(t, f.Log.Lines("request", ""))
	require.Contains(t, f.Log.String(), `"reason":"too_many_failures"`)
}

// TestGuard_EndedCredentialIsAskedForOnce repeats a login token and a ticket that were issued
// and have ended. The answer stays 401, so that a device logs in again.
func TestGuard_EndedCredentialIsAskedForOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, guarded))
	token := f.Login(t, f.device)
	_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "")
	require.NoError(t, err)
	ticket := issueTicket(t, f.Gateway, f.Token(f.tenantID, "alice", "viewer"), "")
	require.Equal(t, http.StatusSwitchingProtocols, handshakeFrom(t, f.Gateway, ticket))
	checks, redeems := roundTrips(t, f.Gateway, "check"), roundTrips(t, f.Gateway, "redeem_ticket")
	for range 20 {
		require.Equal(t, http.StatusUnauthorized, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(token)))
		require.Equal(t, http.StatusUnauthorized, handshakeFrom(t, f.Gateway, ticket))
	}
	require.EqualValues(t, 1, roundTrips(t, f.Gateway, "check")-checks)
	require.EqualValues(t, 1, roundTrips(t, f.Gateway, "redeem_ticket")-redeems)
	require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(f.Login(t, f.device))))
}

// TestGuard_LoginOfEarlierVersionIsServed uses a token without the check of package credential,
// as version 1.0 issued it.
func TestGuard_LoginOfEarlierVersionIsServed(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	f := newFleet(t, gatewaytest.Start(t, guarded, gatewaytest.WithRedis(server.URL())))
	token, earlier := f.Login(t, f.device), forgedLogin(f.device.ID)
	loginKey := func(token string) string {
		sum := sha256.Sum256([]byte(token))
		return store.LoginKey(f.device.ID, hex.EncodeToString(sum[:]))
	}
	require.NoError(t, server.Client(t).Copy(t.Context(), loginKey(token), loginKey(earlier), 0, false).Err())
	for range 20 {
		require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(earlier)))
	}
	exhaust(t, f)
	require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(earlier)), "the instance has verified it before")
	other := heartbeatWith(earlier)
	other.Method, other.Path = http.MethodGet, "/api/v1/device/commands/"+store.NewID(store.KindCommand, gatewaytest.PartitionOf(f.tenantID))
	require.Equal(t, http.StatusTooManyRequests, statusFrom(t, f.Gateway, strangerAddr, other), "it cannot be told from a forged one")
	require.Equal(t, http.StatusOK, statusFrom(t, f.Gateway, otherAddr, heartbeatWith(earlier)))
}

func TestGuard_IsOffWithoutLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	before := roundTrips(t, f.Gateway, "check")
	for range 50 {
		require.Equal(t, http.StatusUnauthorized, statusFrom(t, f.Gateway, strangerAddr, heartbeatWith(forgedLogin(f.device.ID))))
	}
	require.EqualValues(t, 50, roundTrips(t, f.Gateway, "check")-before)
}

// TestGuard_StrangerTakesHalfOfRegistrations sends wrong codes from many networks of one site.
// A device of another site registers at once.
func TestGuard_StrangerTakesHalfOfRegistrations(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, guarded, func(cfg *gateway.Config) {
		cfg.Limits.RegisterTotal = ratelimit.Limit{PerMinute: 1, Burst: 20}
	})
	statuses := map[int]int{}
	for i := range 100 {
		statuses[registerWithWrongCode(t, g, fmt.Sprintf("2001:db8:1:%x::1", i))]++
	}
	require.Equal(t, map[int]int{http.StatusUnauthorized: 11, http.StatusTooManyRequests: 89}, statuses)
	provisioned, err := g.User(gatewaytest.NewTenantID(), "alice", "admin").Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"})
	require.NoError(t, err)
	register := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/register", Body: `{"activationCode":"` + provisioned.ActivationCode + `"}`}
	require.Equal(t, http.StatusCreated, statusFrom(t, g, otherAddr, register))
}
