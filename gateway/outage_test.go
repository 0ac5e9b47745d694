package gateway_test

import (
	"errors"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// maxOutageResponse is the time limit for the response to a call while the store is
// unreachable. The gateway gives up after 2 s, and a busy machine may be late. The limit
// is far below the 20 s of the waiting claim.
const maxOutageResponse = 5 * time.Second

// outages are ways in which a store becomes unreachable and reachable again.
var outages = map[string]struct {
	begin, end func(t testing.TB, s *storetest.Server)
}{
	"killed": {
		begin: func(_ testing.TB, s *storetest.Server) { s.Kill() },
		end:   func(t testing.TB, s *storetest.Server) { s.Restart(t) },
	},
	"stopped": {
		begin: func(t testing.TB, s *storetest.Server) { s.Signal(t, syscall.SIGSTOP) },
		end:   func(t testing.TB, s *storetest.Server) { s.Signal(t, syscall.SIGCONT) },
	},
}

// startOnDurableRedis starts a gateway on a Redis of its own, which syncs every write to
// disk.
func startOnDurableRedis(t testing.TB) (*gatewaytest.Gateway, *storetest.Server) {
	t.Helper()
	server := storetest.Start(t, "--appendfsync", "always")
	return gatewaytest.Start(t, gatewaytest.WithRedis(server.URL())), server
}

func TestOutage_Is503ForEveryCallAndNever401(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, server := startOnDurableRedis(t)
			f := newFleet(t, g)
			queued := f.propose(t, auto)
			login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
			require.NoError(t, sendHeartbeat(t, login))
			awaitReadinessGrace(t)

			outage.begin(t, server)
			requireStillReady(t, g)
			requireUnavailable(t, f, login)
			requireAliveAndSoonNotReady(t, g)

			outage.end(t, server)
			eventually(t, func() bool { return sendHeartbeat(t, login) == nil }, "the login token does not work again")
			require.Equal(t, queued.ID, f.claim(t).ID)
			eventually(t, func() bool {
				ready, err := g.Readiness(t.Context())
				return err == nil && ready.Ready
			}, "the gateway is not ready again")
			requireDelivered(t, f, g, f.device, func() { f.propose(t, auto) })
		})
	}
}

// awaitReadinessGrace waits for the grace period of the readiness check. An outage that
// lasts longer makes the gateway unready. The period must begin with the outage, even if
// the gateway got no readiness check before.
func awaitReadinessGrace(t testing.TB) {
	t.Helper()
	end := time.Now().Add(3 * time.Second)
	eventually(t, func() bool { return time.Now().After(end) }, "the clock stands still")
}

// requireStillReady requires that a gateway stays ready at the start of an outage.
func requireStillReady(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	ready, err := g.Readiness(t.Context())
	require.NoError(t, err)
	require.True(t, ready.Ready)
	require.False(t, ready.Checks.Redis.Ok)
}

// requireUnavailable makes calls of devices and users at the same time: reads and writes,
// with valid and with wrong credentials. Each must fail with store_unavailable.
func requireUnavailable(t testing.TB, f *fleet, login *client.DeviceClient) {
	t.Helper()
	calls := []func() error{
		func() error { return sendHeartbeat(t, login) },
		func() error { _, err := login.Claim(t.Context(), client.ClaimRequest{}); return err },
		func() error { _, err := login.Claim(t.Context(), client.ClaimRequest{WaitMs: 20_000}); return err },
		func() error { return sendHeartbeat(t, f.Gateway.Device(f.device.ID, f.device.Secret)) },
		func() error { return sendHeartbeat(t, f.Gateway.Device(f.device.ID, "wrong")) },
		func() error {
			_, err := f.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: "0000-0000-0000"})
			return err
		},
		func() error { _, err := f.alice.Devices(t.Context(), client.ListDevicesParams{}); return err },
		func() error { _, err := f.alice.Device(t.Context(), f.device.ID); return err },
		func() error {
			_, err := f.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"})
			return err
		},
		func() error {
			_, err := f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto})
			return err
		},
		func() error { _, err := f.alice.Approvals(t.Context(), client.ListApprovalsParams{}); return err },
		func() error {
			_, err := f.alice.Events(t.Context(), f.session, client.ListSessionEventsParams{})
			return err
		},
	}
	codes := concurrently(len(calls), func(i int) error {
		start := time.Now()
		err := calls[i]()
		if refusal, ok := errors.AsType[*client.APIError](err); !ok || refusal.RetryAfter <= 0 {
			t.Errorf("call %d has no Retry-After: %v", i, err)
		}
		if took := time.Since(start); took > maxOutageResponse {
			t.Errorf("the response to call %d took %s", i, took)
		}
		return err
	})
	require.Equal(t, map[client.ProblemCode]int{client.CodeStoreUnavailable: len(calls)}, codes)
}

func requireAliveAndSoonNotReady(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && !ready.Ready
	}, "the gateway stays ready")
	response := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/readyz"})
	require.Equal(t, http.StatusServiceUnavailable, response.Status)
	health, err := g.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.HealthStatusOk, health.Status)
}

func TestOutage_KilledStoreLosesNoAcceptedCommand(t *testing.T) {
	t.Parallel()
	g, server := startOnDurableRedis(t)
	fleets := []*fleet{newFleet(t, g), newFleet(t, g), newFleet(t, g), newFleet(t, g)}
	acceptedIDs := make([][]string, len(fleets))
	var all sync.WaitGroup
	accepted := make(chan struct{}, 1000)
	for i, f := range fleets {
		all.Go(func() { acceptedIDs[i] = f.proposeUntilRefused(t, accepted) })
	}
	for range 200 {
		<-accepted
	}
	server.Kill()
	all.Wait()
	server.Restart(t)

	for i, f := range fleets {
		eventually(t, func() bool { return sendHeartbeat(t, f.device.DeviceClient) == nil }, "the gateway does not reconnect")
		var claims claimCounter
		for before := -1; before < claims.commands(); {
			before = claims.commands()
			require.NoError(t, claims.claim(t, f, 10))
		}
		for _, id := range acceptedIDs[i] {
			require.Equal(t, 1, claims.count(id), "an accepted command is lost")
		}
	}
}

// proposeUntilRefused proposes commands until one is refused. It returns the ids of the
// accepted ones.
func (f *fleet) proposeUntilRefused(t testing.TB, accepted chan<- struct{}) (ids []string) {
	for {
		made, err := f.alice.Propose(t.Context(), f.session, client.ProposeCommandRequest{Type: auto})
		if err != nil {
			return ids
		}
		ids = append(ids, made.ID)
		accepted <- struct{}{}
	}
}
