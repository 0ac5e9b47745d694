package agent

import (
	"cmp"
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

// A fakeGateway is an HTTP server whose responses a test chooses, including responses that a
// real gateway never sends.
type fakeGateway struct {
	url string

	mu         sync.Mutex
	commands   []string                     // JSON of the commands to return, one for each claim
	next       []string                     // JSON of the commands to return to results that claim, one for each
	claimKeys  []string                     // idempotency keys of the claims that arrived
	cancel     []string                     // IDs of the commands whose cancellation is requested
	extends    int                          // number of lease extensions
	heartbeats []fieldgate.HeartbeatRequest // heartbeats that were accepted
	results    map[string]fieldgate.ResultRequest
	roster     string                                            // JSON of the roster to return; empty if there is none
	reports    []fieldgate.ProgressRequest                       // reports of progress that were accepted
	reported   int                                               // number of the newest report
	refuse     func(path string, body []byte) string             // returns the code with which to refuse a request, or "" to accept the request
	refuseWith func(path string, body []byte) *fieldgate.Problem // like refuse, with a whole problem document
	proxy      func(path string, body []byte) int                // returns the status of a page that a proxy sends instead, or 0 to pass the request on
}

func newFakeGateway(t testing.TB, commands ...string) *fakeGateway {
	t.Helper()
	g := &fakeGateway{commands: commands, results: map[string]fieldgate.ResultRequest{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/device/")
	if g.proxy != nil {
		if status := g.proxy(path, body); status != 0 {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<h1>No</h1>")
			return
		}
	}
	if g.refuse != nil {
		if code := g.refuse(path, body); code != "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"code":%q}`, code)
			return
		}
	}
	if g.refuseWith != nil {
		if problem := g.refuseWith(path, body); problem != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(problem)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, g.reply(path, r.Header, body))
}

func (g *fakeGateway) reply(path string, header http.Header, body []byte) string {
	switch {
	case path == "auth":
		return `{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2035-11-29T20:15:04.120Z","deviceId":"dev_1"}`
	case path == "heartbeat":
		var heartbeat fieldgate.HeartbeatRequest
		_ = json.Unmarshal(body, &heartbeat)
		g.heartbeats = append(g.heartbeats, heartbeat)
		return `{"serverTime":"2025-11-22T20:15:05.000Z","nextHeartbeatMs":1000,"pendingCommands":0,"cancelRequested":[` + g.cancelRequests() + `]}`
	case path == "trust":
		return `{"keys":{"keys":[]},"roster":` + cmp.Or(g.roster, `{"versions":[]}`) + `}`
	case path == "commands/claim":
		g.claimKeys = append(g.claimKeys, header.Get("Idempotency-Key"))
		if len(g.commands) == 0 {
			return `{"commands":[]}`
		}
		next := g.commands[0]
		g.commands = g.commands[1:]
		return `{"commands":[` + next + `]}`
	case strings.HasSuffix(path, "/extend"):
		g.extends++
		return `{"leaseRemainingMs":60000}`
	case strings.HasSuffix(path, "/progress"):
		return g.recordReport(body)
	}
	id := strings.Split(path, "/")[1]
	var result fieldgate.ResultRequest
	_ = json.Unmarshal(body, &result)
	g.results[id] = result
	next := ""
	if result.Next && len(g.next) > 0 {
		next, g.next = g.next[0], g.next[1:]
	}
	return `{"commandId":"` + id + `","status":"succeeded","late":false,"duplicate":false,"commands":[` + next + `]}`
}

// recordReport keeps a report unless one with the same or a higher number was kept, and returns the
// reply.
func (g *fakeGateway) recordReport(body []byte) string {
	var report fieldgate.ProgressRequest
	_ = json.Unmarshal(body, &report)
	if report.Seq > g.reported {
		g.reports, g.reported = append(g.reports, report), report.Seq
	}
	return fmt.Sprintf(`{"commandId":"cmd_1","seq":%d,"leaseRemainingMs":60000,"cancelRequested":%t}`, g.reported, len(g.cancel) > 0)
}

// output returns the output of all reports.
func (g *fakeGateway) output() (output string) {
	g.locked(func(g *fakeGateway) {
		for _, report := range g.reports {
			output += report.Output
		}
	})
	return output
}

// cancelRequests returns the list of g.cancel as JSON, without brackets.
func (g *fakeGateway) cancelRequests() string {
	text, _ := json.Marshal(g.cancel)
	return strings.Trim(strings.TrimPrefix(string(text), "null"), "[]")
}

// awaitResult waits for the result of a command and returns it.
func (g *fakeGateway) awaitResult(t testing.TB, id string) (result fieldgate.ResultRequest) {
	t.Helper()
	require.Eventually(t, func() (found bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		result, found = g.results[id]
		return found
	}, 20*time.Second, time.Millisecond, "no result of %s arrived", id)
	return result
}

// locked calls f while no request is being handled.
func (g *fakeGateway) locked(f func(*fakeGateway)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// startAgent starts an agent that uses the gateway until stop is called or the test ends.
func (g *fakeGateway) startAgent(t testing.TB, cfg Config, handlers map[string]Handler, options ...HandlerOption) (stop func()) {
	t.Helper()
	if cfg.StateFile == "" {
		cfg.StateFile = newStatePath(t)
	}
	require.NoError(t, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}.write(cfg.StateFile))
	cfg.URL, cfg.PollOnly = g.url, true
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := New(cfg)
	require.NoError(t, err)
	for commandType, handler := range handlers {
		a.Handle(commandType, handler, options...)
	}
	return g.run(t, a)
}

// run runs an agent until stop is called or the test ends.
func (g *fakeGateway) run(t testing.TB, a *Agent) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// claimedJSON returns a claimed command as the gateway sends it.
func claimedJSON(id, commandType string) string {
	return fmt.Sprintf(`{"id":%q,"type":%q,"claimToken":"token","leaseRemainingMs":60000}`, id, commandType)
}
