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

// answeredWithin is how fast an outage of the store is an answer, with a little
// for the machine.
const answeredWithin = 2*time.Second + 500*time.Millisecond

// outages are ways in which a store is away, and comes back.
var outages = map[string]struct {
	begin, end func(t testing.TB, s *storetest.Server)
}{
	"dead": {
		begin: func(_ testing.TB, s *storetest.Server) { s.Kill() },
		end:   func(t testing.TB, s *storetest.Server) { s.Restart(t) },
	},
	"silent": {
		begin: func(t testing.TB, s *storetest.Server) { s.Signal(t, syscall.SIGSTOP) },
		end:   func(t testing.TB, s *storetest.Server) { s.Signal(t, syscall.SIGCONT) },
	},
}

// onDurable starts a gateway on a Redis of its own that loses nothing.
func onDurable(t testing.TB) (*gatewaytest.Gateway, *storetest.Server) {
	t.Helper()
	server := storetest.Start(t, "--appendfsync", "always")
	return gatewaytest.Start(t, gatewaytest.WithRedis(server.URL())), server
}

func TestOutage_Is503ForEveryCallAndNever401(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, server := onDurable(t)
			f := newFleet(t, g)
			queued := f.propose(t, auto)
			login := g.DeviceWithToken(client.Bearer(g.Login(t, f.device)))
			require.NoError(t, beat(t, login))
			awaitGrace(t)

			outage.begin(t, server)
			requireStillReady(t, g)
			requireUnavailable(t, f, login)
			requireAliveButSoonNotReady(t, g)

			outage.end(t, server)
			eventually(t, func() bool { return beat(t, login) == nil }, "the device's token does not work again")
			require.Equal(t, queued.ID, f.claim(t).ID)
			eventually(t, func() bool {
				ready, err := g.Readiness(t.Context())
				return err == nil && ready.Ready
			}, "it is not ready again")
			requireDelivered(t, f, g, f.device, func() { f.propose(t, auto) })
		})
	}
}

// awaitGrace lets as much time pass as an outage may last before it counts. That
// nobody asks for readiness meanwhile must not shorten what comes.
func awaitGrace(t testing.TB) {
	t.Helper()
	over := time.Now().Add(3 * time.Second)
	eventually(t, func() bool { return time.Now().After(over) }, "time stands still")
}

// requireStillReady holds that an instance does not go at the first hiccup.
func requireStillReady(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	ready, err := g.Readiness(t.Context())
	require.NoError(t, err)
	require.True(t, ready.Ready)
	require.False(t, ready.Checks.Redis.Ok)
}

// requireUnavailable has everybody try everything at once: devices and people,
// reading and writing, known and not.
func requireUnavailable(t testing.TB, f *fleet, login *client.DeviceClient) {
	t.Helper()
	calls := []func() error{
		func() error { return beat(t, login) },
		func() error { _, err := login.Claim(t.Context(), client.ClaimRequest{}); return err },
		func() error { _, err := login.Claim(t.Context(), client.ClaimRequest{WaitMs: 20_000}); return err },
		func() error { return beat(t, f.Gateway.Device(f.device.ID, f.device.Secret)) },
		func() error { return beat(t, f.Gateway.Device(f.device.ID, "wrong")) },
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
	codes := together(len(calls), func(i int) error {
		start := time.Now()
		err := calls[i]()
		if refusal, ok := errors.AsType[*client.APIError](err); !ok || refusal.RetryAfter <= 0 {
			t.Errorf("call %d is not told when to come again: %v", i, err)
		}
		if took := time.Since(start); took > answeredWithin {
			t.Errorf("call %d was answered after %s", i, took)
		}
		return err
	})
	require.Equal(t, map[client.ProblemCode]int{client.CodeStoreUnavailable: len(calls)}, codes)
}

func requireAliveButSoonNotReady(t testing.TB, g *gatewaytest.Gateway) {
	t.Helper()
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && !ready.Ready
	}, "it stays ready")
	answer := g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: "/readyz"})
	require.Equal(t, http.StatusServiceUnavailable, answer.Status)
	health, err := g.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.HealthStatusOk, health.Status)
}

func TestOutage_KilledStoreLosesNoAcceptedCommand(t *testing.T) {
	t.Parallel()
	g, server := onDurable(t)
	fleets := []*fleet{newFleet(t, g), newFleet(t, g), newFleet(t, g), newFleet(t, g)}
	accepted := make([][]string, len(fleets))
	var all sync.WaitGroup
	enough := make(chan struct{}, 1000)
	for i, f := range fleets {
		all.Go(func() { accepted[i] = f.proposeUntilRefused(t, enough) })
	}
	for range 200 {
		<-enough
	}
	server.Kill()
	all.Wait()
	server.Restart(t)

	for i, f := range fleets {
		eventually(t, func() bool { return beat(t, f.device.DeviceClient) == nil }, "the gateway does not come back")
		var handed tally
		for before := -1; before < handed.total(); {
			before = handed.total()
			require.NoError(t, handed.claim(t, f, 10))
		}
		for _, id := range accepted[i] {
			require.Equal(t, 1, handed.of(id), "a command that was accepted is lost")
		}
	}
}

// proposeUntilRefused gives the ids of what was accepted.
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
