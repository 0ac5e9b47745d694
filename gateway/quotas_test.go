package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// withQuotas configures the quotas of each tenant.
func withQuotas(a quota.Amounts) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.Quotas = a }
}

// requireQuota requires the refusal for a quota.
func requireQuota(t testing.TB, name string, err error) {
	t.Helper()
	var refused *client.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, client.CodeQuotaExceeded, refused.Code, err)
	require.Equal(t, name, refused.Quota)
	require.Equal(t, http.StatusTooManyRequests, refused.Status)
	require.Positive(t, refused.RetryAfter)
	require.Contains(t, refused.Detail, name)
}

// eachWithQuotas runs a test with each kind of store.
func eachWithQuotas(t *testing.T, a quota.Amounts, test func(t *testing.T, g *gatewaytest.Gateway)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, gatewaytest.Start(t, withQuotas(a)))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, gatewaytest.Start(t, withQuotas(a), gatewaytest.WithRedis(storetest.SharedURL(t))))
	})
}

// TestQuotas_EachIsNamedInItsProblem reaches each quota through the API.
func TestQuotas_EachIsNamedInItsProblem(t *testing.T) {
	t.Parallel()
	limits := quota.Amounts{Devices: 2, OpenSessions: 1, ReadyCommands: 2, PendingApprovals: 1, Sockets: 1, WaitingClaims: 1, StoredBytes: 1 << 20}
	eachWithQuotas(t, limits, func(t *testing.T, g *gatewaytest.Gateway) {
		f, ctx := newFleet(t, g), t.Context()
		second := g.NewDevice(t, f.alice)
		_, err := f.alice.Provision(ctx, client.ProvisionDeviceRequest{Name: "Pump 8"})
		requireQuota(t, "devices", err)
		_, err = f.alice.OpenSession(ctx, client.OpenSessionRequest{DeviceID: second.ID, Type: "diagnostic"})
		requireQuota(t, "openSessions", err)
		f.propose(t, review)
		_, err = f.alice.Propose(ctx, f.session, client.ProposeCommandRequest{Type: review})
		requireQuota(t, "pendingApprovals", err)
		f.propose(t, auto)
		f.propose(t, auto)
		_, err = f.alice.Propose(ctx, f.session, client.ProposeCommandRequest{Type: auto})
		requireQuota(t, "readyCommands", err)

		usage, err := f.bob.Usage(ctx)
		require.NoError(t, err)
		require.Equal(t, client.UsageLimits{
			Devices: 2, OpenSessions: 1, ReadyCommands: 2, PendingApprovals: 1, Sockets: 1, WaitingClaims: 1, StoredBytes: 1 << 20,
		}, usage.Limits)
		require.Greater(t, usage.Used.StoredBytes, int64(3*2048))
		usage.Used.StoredBytes = 0
		require.Equal(t, client.UsageAmounts{Devices: 2, OpenSessions: 1, ReadyCommands: 2, PendingApprovals: 1}, usage.Used)

		neighbour := newFleetOf(t, g, gatewaytest.NeighbourOf(f.tenantID))
		neighbour.propose(t, auto)
	})
}

// TestQuotas_Sockets counts the sockets of users and devices on both instances. A device may
// replace its socket at the limit.
func TestQuotas_Sockets(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t, withQuotas(quota.Amounts{Sockets: 2}))
	f := newFleet(t, here)
	user := f.customerSocket(t, here)
	first := f.deviceSocket(t, there)
	token := f.Token(f.tenantID, "alice", "viewer")
	refused := func() {
		t.Helper()
		_, response := here.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token})
		require.NotNil(t, response)
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
	}
	refused()
	replacing := f.deviceSocket(t, here)
	require.Equal(t, 4009, first.CloseCode())
	refused()
	usage, err := f.alice.Usage(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, usage.Used.Sockets)

	replacing.Close()
	user.Close()
	eventually(t, func() bool {
		usage, err := f.alice.Usage(t.Context())
		return err == nil && usage.Used.Sockets == 0
	}, "the sockets still count")
	f.customerSocket(t, there)
	f.customerSocket(t, here)
}

// TestQuotas_WaitingClaims refuses only a claim that would wait.
func TestQuotas_WaitingClaims(t *testing.T) {
	t.Parallel()
	eachWithQuotas(t, quota.Amounts{WaitingClaims: 1}, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		second := g.NewDevice(t, f.alice)
		waiting := f.deviceSocket(t, g).StartRequest("claim", object{"waitMs": 30_000})
		awaitUsage := func(want int64) {
			eventually(t, func() bool {
				usage, err := f.alice.Usage(t.Context())
				return err == nil && usage.Used.WaitingClaims == want
			}, "the number of waiting claims is wrong")
		}
		awaitUsage(1)
		_, err := second.Claim(t.Context(), client.ClaimRequest{WaitMs: 30_000})
		requireQuota(t, "waitingClaims", err)
		_, err = second.Claim(t.Context(), client.ClaimRequest{})
		require.NoError(t, err, "a claim that does not wait is served")
		f.propose(t, auto)
		require.Len(t, commands(t, waiting().Data), 1)
		awaitUsage(0)
	})
}

// TestConfig_NegativeQuotaIsRefused refuses to start with a negative limit.
func TestConfig_NegativeQuotaIsRefused(t *testing.T) {
	t.Parallel()
	_, err := gateway.New(t.Context(), gateway.Config{Embedded: true, JWTSecret: "0123456789abcdef0123456789abcdef", Quotas: quota.Amounts{Sockets: -1}})
	require.ErrorContains(t, err, "sockets")
}
