package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/clients/go/agent"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// cuttableTransport is an agent's transport whose connections a test can cut.
type cuttableTransport struct {
	http.Transport

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newCuttableTransport() *cuttableTransport {
	w := new(cuttableTransport)
	w.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil && w.down {
			return nil, errors.Join(errors.New("the network is down"), conn.Close())
		}
		w.conns = append(w.conns, conn)
		return conn, err
	}
	return w
}

// setDown takes the network down and closes its connections, or brings it up again.
func (w *cuttableTransport) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, conn := range w.conns {
		if down && conn != nil {
			_ = conn.Close()
		}
	}
}

// runningAgent is an agent that runs for the device of a fleet.
type runningAgent struct {
	*agent.Agent
	stop func() // shuts the agent down as SIGTERM does, and waits until Run has returned
}

// stateFile writes a state file with the identity of the fleet's device and returns its
// path.
func (f *fleet) stateFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "device.json")
	identity := fmt.Sprintf(`{"deviceId":%q,"deviceSecret":%q}`, f.device.ID, f.device.Secret)
	require.NoError(t, os.WriteFile(path, []byte(identity), 0o600))
	return path
}

// startAgent starts an agent for the fleet's device. The function handle registers the
// agent's handlers.
func (f *fleet) startAgent(t testing.TB, cfg agent.Config, handle func(*agent.Agent)) *runningAgent {
	t.Helper()
	if cfg.StateFile == "" {
		cfg.StateFile = f.stateFile(t)
	}
	if cfg.URL == "" {
		cfg.URL = f.URL
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	a, err := agent.New(cfg)
	require.NoError(t, err)
	handle(a)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return &runningAgent{Agent: a, stop: stop}
}

// awaitFinished waits until a command is finished, and returns it.
func (f *fleet) awaitFinished(t testing.TB, id string) (seen client.Command) {
	t.Helper()
	require.Eventually(t, func() bool {
		seen = f.command(t, id)
		return !seen.FinishedAt.IsZero()
	}, 30*time.Second, 5*time.Millisecond, "the command is not finished")
	return seen
}

// fixedResult returns a handler that always returns the same result and error.
func fixedResult(result agent.Result, err error) agent.Handler {
	return func(context.Context, agent.Command) (agent.Result, error) { return result, err }
}

func TestAgent_SubmitsHandlerResult(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	long := strings.Repeat("x", client.MaxOutput+1)
	type made struct {
		PID int `json:"pid"`
	}
	handlers := map[string]struct {
		handler agent.Handler
		options []agent.HandlerOption
		status  client.CommandStatus
		data    string
		message string // text that the error contains
	}{
		"plain":     {handler: fixedResult(agent.Result{Output: "done", Data: made{4711}}, nil), status: "succeeded", data: `{"pid":4711}`},
		"long":      {handler: fixedResult(agent.Result{Output: long}, nil), status: "succeeded", data: `null`},
		"failure":   {handler: fixedResult(agent.Result{Data: made{1}}, agent.Fail("no_route", "no way to %s", "it")), status: "failed", data: `{"code":"no_route","pid":1}`, message: "no way to it"},
		"error":     {handler: fixedResult(agent.Result{}, errors.New("it broke")), status: "failed", data: `{"code":"failed"}`, message: "it broke"},
		"no object": {handler: fixedResult(agent.Result{Data: 7}, nil), status: "failed", data: `{"code":"invalid_result"}`},
		"large":     {handler: fixedResult(agent.Result{Data: map[string]string{"x": long}}, nil), status: "failed", data: `{"code":"invalid_result"}`},
		"panic":     {handler: func(context.Context, agent.Command) (agent.Result, error) { panic("oh") }, status: "failed", data: `{"code":"panic"}`, message: "panicked: oh"},
		"parameters": {handler: func(_ context.Context, c agent.Command) (agent.Result, error) {
			_, err := agent.Parameters[struct{}](c)
			return agent.Result{}, err
		}, status: "failed", data: `{"code":"invalid_parameters"}`, message: `there is no parameter "host"`},
		"slow": {handler: func(ctx context.Context, _ agent.Command) (agent.Result, error) {
			<-ctx.Done()
			return agent.Result{Output: "so far"}, ctx.Err()
		}, options: []agent.HandlerOption{agent.Timeout(10 * time.Millisecond)}, status: "failed", data: `{"code":"timeout"}`},
		"unknown": {status: "failed", data: `{"code":"unknown_type"}`},
	}
	f.startAgent(t, agent.Config{}, func(a *agent.Agent) {
		for name, h := range handlers {
			if h.handler != nil {
				a.Handle("diagnostic."+strings.ReplaceAll(name, " ", "_"), h.handler, h.options...)
			}
		}
	})
	for name, want := range handlers {
		seen := f.awaitFinished(t, f.propose(t, "diagnostic."+strings.ReplaceAll(name, " ", "_")).ID)
		require.Equal(t, want.status, seen.Status, "%s: %s", name, seen.Result.Error)
		require.Contains(t, seen.Result.Error, want.message, name)
		if want.data != "null" {
			require.JSONEq(t, want.data, string(seen.Result.Data), name)
		}
		if name == "long" {
			require.Len(t, seen.Result.Output, client.MaxOutput)
			require.True(t, strings.HasSuffix(seen.Result.Output, fmt.Sprintf("\n[cut, %d characters in all]", len(long))))
		}
	}
}

// blockingHandler is a handler that blocks until release is closed or its context is
// cancelled.
type blockingHandler struct {
	started chan string // ids of the commands whose handler has started
	release chan struct{}
	causes  chan error // causes of the cancelled contexts
}

func newBlockingHandler() *blockingHandler {
	return &blockingHandler{started: make(chan string, 100), release: make(chan struct{}), causes: make(chan error, 100)}
}

func (h *blockingHandler) handle(ctx context.Context, c agent.Command) (agent.Result, error) {
	h.started <- c.ID
	select {
	case <-h.release:
		return agent.Result{Output: "done"}, nil
	case <-ctx.Done():
		h.causes <- context.Cause(ctx)
		return agent.Result{}, ctx.Err()
	}
}

func (h *blockingHandler) register(commandType string, options ...agent.HandlerOption) func(*agent.Agent) {
	return func(a *agent.Agent) { a.Handle(commandType, h.handle, options...) }
}

// transports are the two ways in which an agent can reach its gateway. Over HTTP, the agent
// notices a cancellation when it extends the lease, after a third of the lease's duration.
var transports = map[string]agent.Config{
	"socket": {},
	"http":   {PollOnly: true, Lease: 6 * time.Second},
}

func TestAgent_CancelReachesHandler(t *testing.T) {
	t.Parallel()
	for name, cfg := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newBlockingHandler()
			f.startAgent(t, cfg, h.register(auto))
			command := f.propose(t, auto)
			require.Equal(t, command.ID, <-h.started)
			_, err := f.alice.Cancel(t.Context(), f.session, command.ID, "wrong pump")
			require.NoError(t, err)
			select {
			case why := <-h.causes:
				require.ErrorIs(t, why, agent.ErrCancelRequested)
			case <-time.After(10 * time.Second): // less than the heartbeat interval, because a heartbeat would report the cancellation too
				require.Fail(t, "the handler is not cancelled")
			}
			require.Equal(t, client.CommandStatusCancelled, f.awaitFinished(t, command.ID).Status)
		})
	}
}

func TestAgent_ExtendsLeaseWhileHandlerRuns(t *testing.T) {
	t.Parallel()
	for name, cfg := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newBlockingHandler()
			cfg.Lease = 6 * time.Second
			f.startAgent(t, cfg, h.register(review))
			command := f.propose(t, review)
			f.decide(t, command, true)
			<-h.started
			first := f.command(t, command.ID).VisibleUntil
			eventually(t, func() bool { return f.command(t, command.ID).VisibleUntil.After(first.Add(cfg.Lease / 2)) }, "the lease is not extended")
			close(h.release)
			seen := f.awaitFinished(t, command.ID)
			require.Equal(t, client.CommandStatusSucceeded, seen.Status)
			require.False(t, seen.Late)
		})
	}
}
