package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// lossyProxy forwards requests, but drops the first responses to requests for a path. Tests
// drop at least two responses, because net/http repeats a request with an idempotency key
// once by itself.
type lossyProxy struct {
	path     string
	drop     int32 // number of responses to drop
	requests atomic.Int32
}

func (p *lossyProxy) start(t testing.TB, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == p.path && p.requests.Add(1) <= p.drop {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAgent_RegistersOnceWhenResponseIsLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	made, err := f.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 8"})
	require.NoError(t, err)
	lossy := &lossyProxy{path: "/api/v1/device/register", drop: 2}
	cfg := agent.Config{
		URL: lossy.start(t, f.URL), ActivationCode: made.ActivationCode,
		StateFile: filepath.Join(t.TempDir(), "device.json"), Version: "2.8.1",
	}
	for range 2 { // the second run has the activation code too, and must not use it
		w := f.startAgent(t, cfg, func(*agent.Agent) {})
		eventually(t, func() bool {
			seen, err := f.alice.Device(t.Context(), made.Device.ID)
			return err == nil && !seen.LastHeartbeat.ReceivedAt.IsZero() && seen.FirmwareVersion == "2.8.1"
		}, "the device sends no heartbeat")
		w.stop()
	}
	require.EqualValues(t, 3, lossy.requests.Load(), "two dropped responses and the repeated request")
	info, err := os.Stat(cfg.StateFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAgent_RecoversClaimWhenResponseIsLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	command := f.propose(t, review)
	f.decide(t, command, true)
	lossy := &lossyProxy{path: "/api/v1/device/commands/claim", drop: 2}
	h := newBlockingHandler()
	close(h.release)
	f.startAgent(t, agent.Config{URL: lossy.start(t, f.URL), PollOnly: true}, h.register(review))
	seen := f.awaitFinished(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Equal(t, 1, seen.Attempt)
	require.Len(t, h.started, 1)
}

func TestAgent_PollsWhenProxyBreaksSockets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	target, err := url.Parse(f.URL)
	require.NoError(t, err)
	upstream := httputil.NewSingleHostReverseProxy(target)
	var sockets atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			sockets.Add(1)
			http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
			return
		}
		upstream.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	h := newBlockingHandler()
	close(h.release)
	f.startAgent(t, agent.Config{URL: proxy.URL}, h.register(auto))
	for range 3 {
		require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, f.propose(t, auto).ID).Status)
	}
	require.NotZero(t, sockets.Load(), "the agent did not try to open a socket")
}

func TestAgent_KeepsResultUntilGatewayIsReachable(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	state, network, h := f.stateFile(t), newCuttableTransport(), newBlockingHandler()
	w := f.startAgent(t, agent.Config{StateFile: state, Transport: &network.Transport}, h.register(auto))
	command := f.propose(t, auto)
	<-h.started
	network.setDown(true)
	close(h.release)
	w.stop() // the unsent result stays in the state file
	require.Equal(t, client.CommandStatusClaimed, f.command(t, command.ID).Status)

	f.startAgent(t, agent.Config{StateFile: state}, h.register(auto))
	seen := f.awaitFinished(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Equal(t, "done", seen.Result.Output)
	require.Empty(t, h.started, "the command ran again")
}

func TestAgent_DoesNotRunRedeliveredCommandTwice(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	network, h := newCuttableTransport(), newBlockingHandler()
	cfg := agent.Config{Transport: &network.Transport, Lease: 3 * time.Second, Concurrency: 2}
	f.startAgent(t, cfg, h.register(auto))
	command := f.propose(t, auto)
	<-h.started
	network.setDown(true)
	eventually(t, func() bool { return f.command(t, command.ID).Status == client.CommandStatusQueued }, "the lease does not expire")
	network.setDown(false)
	eventually(t, func() bool { return f.command(t, command.ID).Attempt >= 2 }, "the command is not claimed again")
	close(h.release)
	seen := f.awaitFinished(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Empty(t, h.started, "the command ran again")
}

func TestAgent_ShutdownWaitsForHandlersThenCancels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace   time.Duration
		options []agent.HandlerOption
		status  client.CommandStatus
	}{
		"handler finishes":                {grace: time.Minute, status: client.CommandStatusSucceeded},
		"handler is cancelled":            {grace: time.Millisecond, status: client.CommandStatusFailed},
		"repeatable handler is cancelled": {grace: time.Millisecond, options: []agent.HandlerOption{agent.Repeatable()}, status: client.CommandStatusQueued},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newBlockingHandler()
			w := f.startAgent(t, agent.Config{Grace: c.grace}, h.register(auto, c.options...))
			command := f.propose(t, auto)
			<-h.started
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				w.stop()
			}()
			if c.grace == time.Minute {
				close(h.release)
			}
			<-stopped
			seen := f.command(t, command.ID)
			require.Equal(t, c.status, seen.Status)
			if c.status == client.CommandStatusFailed {
				require.JSONEq(t, `{"code":"interrupted"}`, string(seen.Result.Data))
				require.ErrorIs(t, <-h.causes, agent.ErrShutdown)
			}
		})
	}
}

// TestAgent_RerunsInterruptedCommandOnlyIfRepeatable stops an agent whose handler ignores its
// cancelled context. To the next agent, this looks as if the first agent was killed.
func TestAgent_RerunsInterruptedCommandOnlyIfRepeatable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options []agent.HandlerOption
		status  client.CommandStatus
		runs    int
	}{
		"not repeatable": {status: client.CommandStatusFailed, runs: 1},
		"repeatable":     {options: []agent.HandlerOption{agent.Repeatable()}, status: client.CommandStatusSucceeded, runs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			state, began, release := f.stateFile(t), make(chan struct{}, 10), make(chan struct{})
			t.Cleanup(func() { close(release) })
			first := f.startAgent(t, agent.Config{StateFile: state, Grace: time.Millisecond}, func(a *agent.Agent) {
				a.Handle(auto, func(context.Context, agent.Command) (agent.Result, error) {
					began <- struct{}{}
					<-release
					return agent.Result{Output: "too late"}, nil
				}, c.options...)
			})
			command := f.propose(t, auto)
			<-began
			first.stop()
			f.startAgent(t, agent.Config{StateFile: state}, func(a *agent.Agent) {
				a.Handle(auto, func(context.Context, agent.Command) (agent.Result, error) {
					began <- struct{}{}
					return agent.Result{}, nil
				}, c.options...)
			})
			seen := f.awaitFinished(t, command.ID)
			require.Equal(t, c.status, seen.Status)
			require.Equal(t, 1, seen.Attempt)
			require.Len(t, began, c.runs-1)
			if c.runs == 1 {
				require.JSONEq(t, `{"code":"interrupted"}`, string(seen.Result.Data))
			}
		})
	}
}

func TestAgent_WorksAgainAfterSuspendAndResume(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	h := newBlockingHandler()
	close(h.release)
	f.startAgent(t, agent.Config{}, h.register(auto))
	require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, f.propose(t, auto).ID).Status)
	_, err := f.alice.Suspend(t.Context(), f.device.ID, "maintenance")
	require.NoError(t, err)
	_, err = f.alice.Resume(t.Context(), f.device.ID, "maintenance")
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, f.propose(t, auto).ID).Status)
}

func TestAgent_SurvivesStoreOutage(t *testing.T) {
	t.Parallel()
	g, server := startOnDurableRedis(t)
	f := newFleet(t, g)
	h := newBlockingHandler()
	f.startAgent(t, agent.Config{}, h.register(auto))
	command := f.propose(t, auto)
	<-h.started
	server.Kill()
	close(h.release)
	server.Restart(t)
	require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, command.ID).Status)
	require.Empty(t, h.started, "the command ran again")
	require.Equal(t, client.CommandStatusSucceeded, f.awaitFinished(t, f.propose(t, auto).ID).Status)
}
