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

// losing passes requests on, but loses the first answers to a path. More than one, because
// net/http itself repeats a request once that has an idempotency key.
type losing struct {
	path    string
	answers int32 // to lose
	asked   atomic.Int32
}

func (l *losing) proxy(t testing.TB, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == l.path && l.asked.Add(1) <= l.answers {
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
	loser := &losing{path: "/api/v1/device/register", answers: 2}
	cfg := agent.Config{
		URL: loser.proxy(t, f.URL), ActivationCode: made.ActivationCode,
		StateFile: filepath.Join(t.TempDir(), "device.json"), Version: "2.8.1",
	}
	for range 2 { // the second life has the code too, and does not use it
		w := f.hire(t, cfg, func(*agent.Agent) {})
		eventually(t, func() bool {
			seen, err := f.alice.Device(t.Context(), made.Device.ID)
			return err == nil && !seen.LastHeartbeat.ReceivedAt.IsZero() && seen.FirmwareVersion == "2.8.1"
		}, "the device does not show itself")
		w.stop()
	}
	require.EqualValues(t, 3, loser.asked.Load(), "the lost ones and their repetition")
	info, err := os.Stat(cfg.StateFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAgent_RecoversClaimWhenResponseIsLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	command := f.propose(t, review)
	f.decide(t, command, true)
	loser := &losing{path: "/api/v1/device/commands/claim", answers: 2}
	h := newHeld()
	close(h.letGo)
	f.hire(t, agent.Config{URL: loser.proxy(t, f.URL), PollOnly: true}, h.as(review))
	seen := f.ended(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Equal(t, 1, seen.Attempt)
	require.Len(t, h.began, 1)
}

func TestAgent_PollsWhenProxyBreaksSockets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	target, err := url.Parse(f.URL)
	require.NoError(t, err)
	through := httputil.NewSingleHostReverseProxy(target)
	var sockets atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			sockets.Add(1)
			http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	h := newHeld()
	close(h.letGo)
	f.hire(t, agent.Config{URL: proxy.URL}, h.as(auto))
	for range 3 {
		require.Equal(t, client.CommandStatusSucceeded, f.ended(t, f.propose(t, auto).ID).Status)
	}
	require.NotZero(t, sockets.Load(), "it has not even tried")
}

func TestAgent_KeepsResultUntilGatewayIsReachable(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	state, line, h := f.stateFile(t), newWire(), newHeld()
	w := f.hire(t, agent.Config{StateFile: state, Transport: &line.Transport}, h.as(auto))
	command := f.propose(t, auto)
	<-h.began
	line.cut(true)
	close(h.letGo)
	w.stop() // the outcome outlives the agent
	require.Equal(t, client.CommandStatusClaimed, f.command(t, command.ID).Status)

	f.hire(t, agent.Config{StateFile: state}, h.as(auto))
	seen := f.ended(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Equal(t, "done", seen.Result.Output)
	require.Empty(t, h.began, "it ran again")
}

func TestAgent_DoesNotRunRedeliveredCommandTwice(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	line, h := newWire(), newHeld()
	cfg := agent.Config{Transport: &line.Transport, Lease: 3 * time.Second, Concurrency: 2}
	f.hire(t, cfg, h.as(auto))
	command := f.propose(t, auto)
	<-h.began
	line.cut(true)
	eventually(t, func() bool { return f.command(t, command.ID).Status == client.CommandStatusQueued }, "the lease does not end")
	line.cut(false)
	eventually(t, func() bool { return f.command(t, command.ID).Attempt == 2 }, "it does not come again")
	close(h.letGo)
	seen := f.ended(t, command.ID)
	require.Equal(t, client.CommandStatusSucceeded, seen.Status)
	require.Empty(t, h.began, "it ran again")
}

func TestAgent_ShutdownWaitsForHandlersThenCancels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace   time.Duration
		options []agent.HandlerOption
		status  client.CommandStatus
	}{
		"finishes":                  {grace: time.Minute, status: client.CommandStatusSucceeded},
		"is stopped":                {grace: time.Millisecond, status: client.CommandStatusFailed},
		"is stopped and repeatable": {grace: time.Millisecond, options: []agent.HandlerOption{agent.Repeatable()}, status: client.CommandStatusQueued},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newHeld()
			w := f.hire(t, agent.Config{Grace: c.grace}, h.as(auto, c.options...))
			command := f.propose(t, auto)
			<-h.began
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				w.stop()
			}()
			if c.grace == time.Minute {
				close(h.letGo)
			}
			<-stopped
			seen := f.command(t, command.ID)
			require.Equal(t, c.status, seen.Status)
			if c.status == client.CommandStatusFailed {
				require.JSONEq(t, `{"code":"interrupted"}`, string(seen.Result.Data))
				require.ErrorIs(t, <-h.why, agent.ErrShutdown)
			}
		})
	}
}

// A handler that does not stop is as good as a death of the agent in the middle of it.
func TestAgent_RerunsInterruptedCommandOnlyIfRepeatable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options []agent.HandlerOption
		status  client.CommandStatus
		runs    int
	}{
		"once":       {status: client.CommandStatusFailed, runs: 1},
		"repeatable": {options: []agent.HandlerOption{agent.Repeatable()}, status: client.CommandStatusSucceeded, runs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			state, began, release := f.stateFile(t), make(chan struct{}, 10), make(chan struct{})
			t.Cleanup(func() { close(release) })
			first := f.hire(t, agent.Config{StateFile: state, Grace: time.Millisecond}, func(a *agent.Agent) {
				a.Handle(auto, func(context.Context, agent.Command) (agent.Result, error) {
					began <- struct{}{}
					<-release
					return agent.Result{Output: "too late"}, nil
				}, c.options...)
			})
			command := f.propose(t, auto)
			<-began
			first.stop()
			f.hire(t, agent.Config{StateFile: state}, func(a *agent.Agent) {
				a.Handle(auto, func(context.Context, agent.Command) (agent.Result, error) {
					began <- struct{}{}
					return agent.Result{}, nil
				}, c.options...)
			})
			seen := f.ended(t, command.ID)
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
	h := newHeld()
	close(h.letGo)
	f.hire(t, agent.Config{}, h.as(auto))
	require.Equal(t, client.CommandStatusSucceeded, f.ended(t, f.propose(t, auto).ID).Status)
	_, err := f.alice.Suspend(t.Context(), f.device.ID, "maintenance")
	require.NoError(t, err)
	_, err = f.alice.Resume(t.Context(), f.device.ID, "maintenance")
	require.NoError(t, err)
	require.Equal(t, client.CommandStatusSucceeded, f.ended(t, f.propose(t, auto).ID).Status)
}

func TestAgent_SurvivesStoreOutage(t *testing.T) {
	t.Parallel()
	g, server := onDurable(t)
	f := newFleet(t, g)
	h := newHeld()
	f.hire(t, agent.Config{}, h.as(auto))
	command := f.propose(t, auto)
	<-h.began
	server.Kill()
	close(h.letGo)
	server.Restart(t)
	require.Equal(t, client.CommandStatusSucceeded, f.ended(t, command.ID).Status)
	require.Empty(t, h.began, "it ran again")
	require.Equal(t, client.CommandStatusSucceeded, f.ended(t, f.propose(t, auto).ID).Status)
}
