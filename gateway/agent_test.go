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

// wire is the network of an agent, which can be cut.
type wire struct {
	http.Transport

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newWire() *wire {
	w := new(wire)
	w.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil && w.down {
			return nil, errors.Join(errors.New("the wire is cut"), conn.Close())
		}
		w.conns = append(w.conns, conn)
		return conn, err
	}
	return w
}

// cut takes the network away, or gives it back.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, conn := range w.conns {
		if down && conn != nil {
			_ = conn.Close()
		}
	}
}

// worker is an agent that works for the device of a fleet.
type worker struct {
	*agent.Agent
	stop func() // as SIGTERM does; waits for the end
}

// stateFile is where the device of a fleet keeps its identity.
func (f *fleet) stateFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "device.json")
	identity := fmt.Sprintf(`{"deviceId":%q,"deviceSecret":%q}`, f.device.ID, f.device.Secret)
	require.NoError(t, os.WriteFile(path, []byte(identity), 0o600))
	return path
}

// hire starts an agent with what it is to do.
func (f *fleet) hire(t testing.TB, cfg agent.Config, handle func(*agent.Agent)) *worker {
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
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return &worker{Agent: a, stop: stop}
}

// ended waits until a command has ended.
func (f *fleet) ended(t testing.TB, id string) (seen client.Command) {
	t.Helper()
	require.Eventually(t, func() bool {
		seen = f.command(t, id)
		return !seen.FinishedAt.IsZero()
	}, 30*time.Second, 5*time.Millisecond, "the command does not end")
	return seen
}

// does makes a handler that gives the same answer each time.
func does(result agent.Result, err error) agent.Handler {
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
		words   string // in the error
	}{
		"plain":     {handler: does(agent.Result{Output: "done", Data: made{4711}}, nil), status: "succeeded", data: `{"pid":4711}`},
		"long":      {handler: does(agent.Result{Output: long}, nil), status: "succeeded", data: `null`},
		"failure":   {handler: does(agent.Result{Data: made{1}}, agent.Fail("no_route", "no way to %s", "it")), status: "failed", data: `{"code":"no_route","pid":1}`, words: "no way to it"},
		"error":     {handler: does(agent.Result{}, errors.New("it broke")), status: "failed", data: `{"code":"failed"}`, words: "it broke"},
		"no object": {handler: does(agent.Result{Data: 7}, nil), status: "failed", data: `{"code":"invalid_result"}`},
		"large":     {handler: does(agent.Result{Data: map[string]string{"x": long}}, nil), status: "failed", data: `{"code":"invalid_result"}`},
		"panic":     {handler: func(context.Context, agent.Command) (agent.Result, error) { panic("oh") }, status: "failed", data: `{"code":"panic"}`, words: "panicked: oh"},
		"parameters": {handler: func(_ context.Context, c agent.Command) (agent.Result, error) {
			_, err := agent.Parameters[struct{}](c)
			return agent.Result{}, err
		}, status: "failed", data: `{"code":"invalid_parameters"}`, words: `unknown field "host"`},
		"slow": {handler: func(ctx context.Context, _ agent.Command) (agent.Result, error) {
			<-ctx.Done()
			return agent.Result{Output: "so far"}, ctx.Err()
		}, options: []agent.HandlerOption{agent.Timeout(10 * time.Millisecond)}, status: "failed", data: `{"code":"timeout"}`},
		"unknown": {status: "failed", data: `{"code":"unknown_type"}`},
	}
	f.hire(t, agent.Config{}, func(a *agent.Agent) {
		for name, h := range handlers {
			if h.handler != nil {
				a.Handle("diagnostic."+strings.ReplaceAll(name, " ", "_"), h.handler, h.options...)
			}
		}
	})
	for name, want := range handlers {
		seen := f.ended(t, f.propose(t, "diagnostic."+strings.ReplaceAll(name, " ", "_")).ID)
		require.Equal(t, want.status, seen.Status, "%s: %s", name, seen.Result.Error)
		require.Contains(t, seen.Result.Error, want.words, name)
		if want.data != "null" {
			require.JSONEq(t, want.data, string(seen.Result.Data), name)
		}
		if name == "long" {
			require.Len(t, seen.Result.Output, client.MaxOutput)
			require.True(t, strings.HasSuffix(seen.Result.Output, fmt.Sprintf("\n[cut, %d characters in all]", len(long))))
		}
	}
}

// held is a handler that tells when it begins, and goes on until it is let go.
type held struct {
	began chan string // ids
	letGo chan struct{}
	why   chan error // why its context ended, if it did
}

func newHeld() *held {
	return &held{began: make(chan string, 100), letGo: make(chan struct{}), why: make(chan error, 100)}
}

func (h *held) handle(ctx context.Context, c agent.Command) (agent.Result, error) {
	h.began <- c.ID
	select {
	case <-h.letGo:
		return agent.Result{Output: "done"}, nil
	case <-ctx.Done():
		h.why <- context.Cause(ctx)
		return agent.Result{}, ctx.Err()
	}
}

func (h *held) as(commandType string, options ...agent.HandlerOption) func(*agent.Agent) {
	return func(a *agent.Agent) { a.Handle(commandType, h.handle, options...) }
}

// ways are the two in which a device talks to its gateway. Over HTTP it hears of a cancel
// when it extends.
var ways = map[string]agent.Config{
	"socket": {},
	"http":   {PollOnly: true, Lease: 3 * time.Second},
}

func TestAgent_CancelReachesHandler(t *testing.T) {
	t.Parallel()
	for name, cfg := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newHeld()
			f.hire(t, cfg, h.as(auto))
			command := f.propose(t, auto)
			require.Equal(t, command.ID, <-h.began)
			_, err := f.alice.Cancel(t.Context(), f.session, command.ID, "wrong pump")
			require.NoError(t, err)
			select {
			case why := <-h.why:
				require.ErrorIs(t, why, agent.ErrCancelRequested)
			case <-time.After(10 * time.Second): // less than until the next heartbeat, which would tell too
				require.Fail(t, "the handler does not hear of it")
			}
			require.Equal(t, client.CommandStatusCancelled, f.ended(t, command.ID).Status)
		})
	}
}

func TestAgent_ExtendsLeaseWhileHandlerRuns(t *testing.T) {
	t.Parallel()
	for name, cfg := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, gatewaytest.Start(t))
			h := newHeld()
			cfg.Lease = 3 * time.Second
			f.hire(t, cfg, h.as(review))
			command := f.propose(t, review)
			f.decide(t, command, true)
			<-h.began
			first := f.command(t, command.ID).VisibleUntil
			eventually(t, func() bool { return f.command(t, command.ID).VisibleUntil.After(first.Add(3 * time.Second)) }, "the lease is not extended")
			close(h.letGo)
			seen := f.ended(t, command.ID)
			require.Equal(t, client.CommandStatusSucceeded, seen.Status)
			require.False(t, seen.Late)
		})
	}
}
