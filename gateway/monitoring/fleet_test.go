package monitoring_test

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// requireSetting skips a test unless it is asked for: it needs Prometheus and takes minutes.
func requireSetting(t *testing.T) {
	t.Helper()
	if os.Getenv("FIELDGATE_TEST_MONITORING") == "" {
		t.Skip("make test-monitoring runs this test")
	}
}

// startGateway starts a gateway with the limits and quotas of an installation.
func startGateway(t testing.TB, url string) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, gatewaytest.WithRedis(url), func(cfg *gateway.Config) {
		cfg.Limits, cfg.Quotas = ratelimit.Defaults(), quota.Defaults()
		cfg.Limits.PerTenant = ratelimit.Limit{PerMinute: 3000, Burst: 200} // a busy machine can exceed it
	})
}

// fleet is a tenant under a small load: its users propose and read, and its devices run commands.
type fleet struct {
	*gatewaytest.Gateway
	t        testing.TB
	tenantID string
	user     *client.CustomerClient
	ctx      context.Context // ends with the load
	running  sync.WaitGroup
	claims   atomic.Bool // devices claim
}

// startFleet starts the load, which ends with the test.
func startFleet(t testing.TB, g *gatewaytest.Gateway) *fleet {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	f := &fleet{Gateway: g, t: t, tenantID: gatewaytest.NewTenantID(), ctx: ctx}
	f.claims.Store(true)
	f.user = g.User(f.tenantID, "alice", "admin")
	device := g.NewDevice(t, f.user)
	opened, err := f.user.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: device.ID, Type: "remediation"})
	require.NoError(t, err)
	socket := g.OpenDevice(t, g.Login(t, g.NewDevice(t, f.user)))
	socket.StartReading()
	f.running.Go(func() { f.propose(ctx, opened.ID, device.ID) })
	f.running.Go(func() { f.run(ctx, device) })
	f.running.Go(func() { f.ping(ctx, socket) })
	t.Cleanup(func() {
		stop()
		f.running.Wait()
		socket.Close()
	})
	return f
}

// every calls f in an interval until the context ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	for ticker := time.NewTicker(interval); ctx.Err() == nil; {
		f()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// propose proposes commands, of which some need an approval, and reads the device. While no device
// claims, its commands become too many after a time: these refusals belong to the load.
func (f *fleet) propose(ctx context.Context, session, device string) {
	n := 0
	every(ctx, 200*time.Millisecond, func() {
		kind := "diagnostic.dns"
		if n++; n%50 == 1 {
			kind = "remediation.restart"
		}
		_, _ = f.user.Propose(ctx, session, client.ProposeCommandRequest{Type: kind, Parameters: json.RawMessage(`{"host":"example.com"}`)})
		_, _ = f.user.Device(ctx, device)
	})
}

// run claims commands of a device and submits their results.
func (f *fleet) run(ctx context.Context, device gatewaytest.Device) {
	every(ctx, 20*time.Millisecond, func() {
		if !f.claims.Load() {
			return
		}
		claimed, err := device.Claim(ctx, client.ClaimRequest{Limit: 10, WaitMs: 200})
		if err != nil {
			return
		}
		for _, c := range claimed {
			_, _ = device.SubmitResult(ctx, c.ID, client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded})
		}
	})
}

func (f *fleet) ping(ctx context.Context, socket *gatewaytest.Socket) {
	every(ctx, time.Second, func() {
		if ctx.Err() == nil {
			_ = socket.TrySend(`{"type":"heartbeat","data":{"status":"ok"}}`)
		}
	})
}
