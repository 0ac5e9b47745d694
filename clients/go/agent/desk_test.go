package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A desk is a gateway that answers as it is told, also what the real one never would.
type desk struct {
	url string

	mu      sync.Mutex
	work    []string                     // commands as JSON, to be handed out one by one
	claims  []string                     // the keys they came with
	extends int                          // how often a lease was extended
	beats   []fieldgate.HeartbeatRequest // that were taken
	results map[string]fieldgate.ResultRequest
	refuse  func(path string, body []byte) string // the code to refuse with, if any
}

func newDesk(t testing.TB, work ...string) *desk {
	t.Helper()
	d := &desk{work: work, results: map[string]fieldgate.ResultRequest{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/device/")
	if d.refuse != nil {
		if code := d.refuse(path, body); code != "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"code":%q}`, code)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, d.answer(path, r.Header, body))
}

func (d *desk) answer(path string, header http.Header, body []byte) string {
	switch {
	case path == "auth":
		return `{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2035-11-29T20:15:04.120Z","deviceId":"dev_1"}`
	case path == "heartbeat":
		var beat fieldgate.HeartbeatRequest
		_ = json.Unmarshal(body, &beat)
		d.beats = append(d.beats, beat)
		return `{"serverTime":"2025-11-22T20:15:05.000Z","nextHeartbeatMs":1000,"pendingCommands":0,"cancelRequested":[]}`
	case path == "commands/claim":
		d.claims = append(d.claims, header.Get("Idempotency-Key"))
		if len(d.work) == 0 {
			return `{"commands":[]}`
		}
		next := d.work[0]
		d.work = d.work[1:]
		return `{"commands":[` + next + `]}`
	case strings.HasSuffix(path, "/extend"):
		d.extends++
		return `{"leaseRemainingMs":60000}`
	}
	id := strings.Split(path, "/")[1]
	var result fieldgate.ResultRequest
	_ = json.Unmarshal(body, &result)
	d.results[id] = result
	return `{"commandId":"` + id + `","status":"succeeded","late":false,"duplicate":false}`
}

// heard gives the result of a command, as soon as there is one.
func (d *desk) heard(t testing.TB, id string) (result fieldgate.ResultRequest) {
	t.Helper()
	require.Eventually(t, func() (found bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		result, found = d.results[id]
		return found
	}, 20*time.Second, time.Millisecond, "nothing comes of %s", id)
	return result
}

// look reads what the desk has seen.
func (d *desk) look(read func(*desk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	read(d)
}

// hire has an agent work for a desk to the end of the test.
func (d *desk) hire(t testing.TB, cfg Config, handlers map[string]Handler, options ...HandlerOption) (stop func()) {
	t.Helper()
	if cfg.StateFile == "" {
		cfg.StateFile = newState(t)
	}
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(cfg.StateFile))
	cfg.URL, cfg.PollOnly = d.url, true
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := New(cfg)
	require.NoError(t, err)
	for name, handler := range handlers {
		a.Handle(name, handler, options...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// order is a command as a gateway hands it out.
func order(id, commandType string) string {
	return fmt.Sprintf(`{"id":%q,"type":%q,"claimToken":"token","leaseRemainingMs":60000}`, id, commandType)
}
