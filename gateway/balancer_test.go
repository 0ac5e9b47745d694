package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// balancerConfig configures HAProxy to behave like an AWS Application Load Balancer.
// HAProxy then closes connections that were idle for a minute, reuses connections to its
// targets, checks the readiness of the targets and never retries a request.
const balancerConfig = `
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout http-keep-alive 60s
  retries 0
frontend public
  bind %s
  default_backend instances
backend instances
  balance roundrobin
  http-reuse always
  option httpchk GET /readyz
  default-server check inter 100ms fall 2 rise 1 pool-purge-delay 60s
%s`

// installation is a pair of instances behind a balancer.
type installation struct {
	*gatewaytest.Gateway // reached through the balancer
	restart              func(t testing.TB, i int)
}

func startBehindBalancer(t *testing.T) *installation {
	t.Helper()
	if os.Getenv("FIELDGATE_TEST_BALANCER") == "" {
		t.Skip("run by make test-balancer")
	}
	iss, redis := customertest.NewIssuer(t), gatewaytest.WithRedis(storetest.SharedURL(t))
	addrs := []string{storetest.FreeAddr(t), storetest.FreeAddr(t)}
	start := func(t testing.TB, i int) *gatewaytest.Gateway {
		return gatewaytest.StartWithIssuer(t, iss, redis, func(cfg *gateway.Config) {
			cfg.Addr, cfg.DrainDelay, cfg.DrainWindow = addrs[i], drainDelay, time.Second
		})
	}
	instances := []*gatewaytest.Gateway{start(t, 0), start(t, 1)}
	public := startBalancer(t, addrs)
	g, err := client.New(public, client.WithTransport(&http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 90 * time.Second}))
	require.NoError(t, err)
	restart := func(t testing.TB, i int) {
		require.NoError(t, instances[i].Stop())
		instances[i] = start(t, i)
	}
	return &installation{Gateway: &gatewaytest.Gateway{Gateway: g, URL: public, Issuer: iss}, restart: restart}
}

// startBalancer starts a balancer and waits until it forwards to a ready target.
func startBalancer(t testing.TB, addrs []string) (url string) {
	t.Helper()
	var servers strings.Builder
	for i, addr := range addrs {
		fmt.Fprintf(&servers, "  server instance%d %s\n", i, addr)
	}
	public, file := storetest.FreeAddr(t), filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, balancerConfig, public, servers.String()), 0o600))
	cmd := exec.Command("haproxy", "-db", "-f", file)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, func() bool { return statusOf("http://"+public+"/readyz") == http.StatusOK }, "the balancer forwards to no target")
	return "http://" + public
}

// statusOf returns the status of a GET request, or 0 when there is no response.
func statusOf(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestBalancer_SocketsAndConnectionsOutliveIdleTimeout(t *testing.T) {
	t.Parallel()
	g := startBehindBalancer(t)
	f := newFleet(t, g.Gateway)
	states := make(chan client.SocketState, 100)
	socket := f.alice.Connect(t.Context(), client.CustomerSocketConfig{OnState: func(s client.SocketState) { states <- s }})
	defer socket.Close()
	_, err := socket.Subscribe(t.Context(), client.TenantRoom, "")
	require.NoError(t, err)
	require.True(t, (<-states).Connected)

	var all sync.WaitGroup
	for _, gap := range []time.Duration{20, 45, 55, 58, 59, 60, 61, 65} {
		all.Go(func() { requestTwice(t, g.URL, gap*time.Second) })
	}
	all.Wait()
	require.Empty(t, states, "the socket was disconnected")
	proposed := f.propose(t, auto)
	for event, err := range socket.Events(t.Context()) {
		require.NoError(t, err)
		require.Contains(t, string(event.Data), proposed.ID)
		break
	}
}

// requestTwice sends two requests with a gap between them. The second one may use a
// connection that the balancer or the gateway is about to close.
func requestTwice(t testing.TB, url string, gap time.Duration) {
	caller := &http.Client{Transport: &http.Transport{IdleConnTimeout: 50 * time.Second}}
	for _, delay := range []time.Duration{0, gap} {
		time.Sleep(delay)
		response, err := caller.Get(url + "/healthz")
		if err != nil {
			t.Errorf("after %s: %v", gap, err)
			return
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("after %s: %s", gap, response.Status)
		}
	}
}

func TestBalancer_RollingRestartFailsNoRequestAndLosesNoEvent(t *testing.T) {
	t.Parallel()
	g := startBehindBalancer(t)
	f := newFleet(t, g.Gateway)
	watchers := make([]*watcher, 20)
	for i := range watchers {
		watchers[i] = watchProposals(t, f)
	}
	deviceSocket := f.device.Connect(t.Context(), client.DeviceSocketConfig{})
	defer deviceSocket.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	work := &workload{f: f, device: deviceSocket}
	load.Go(func() { work.run(ctx, t) })

	for i := range 2 {
		g.restart(t, i)
		eventually(t, func() bool { return work.madeRequests(50) }, "the workload makes no requests")
	}
	cancel()
	load.Wait()
	t.Logf("%d requests, %d commands", work.requests, len(work.commands))
	require.Empty(t, work.failed, "requests failed")
	for i, w := range watchers {
		eventually(t, func() bool { return w.count() >= len(work.commands) }, fmt.Sprintf("watcher %d misses events", i))
		require.Equal(t, work.commands, w.counts(), "watcher %d must see every proposal once", i)
	}
}

// workload sends a hundred requests a second. Every tenth request proposes a command,
// which the device claims over its socket.
type workload struct {
	f      *fleet
	device *client.DeviceSocket

	mu       sync.Mutex
	requests int
	counted  int // number of requests when madeRequests last returned true
	failed   []string
	commands map[string]int
}

func (w *workload) run(ctx context.Context, t testing.TB) {
	w.commands = map[string]int{}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	var all sync.WaitGroup
	for i := 0; ctx.Err() == nil; i++ {
		<-ticker.C
		all.Go(func() { w.request(t, i) })
	}
	all.Wait()
}

func (w *workload) request(t testing.TB, i int) {
	var proposed client.Command
	var err error
	if i%10 == 0 {
		proposed, err = w.f.alice.Propose(t.Context(), w.f.session, client.ProposeCommandRequest{Type: auto})
		go func() { _, _ = w.device.Claim(t.Context(), client.ClaimRequest{Limit: 10}) }()
	} else {
		_, err = w.f.alice.Device(t.Context(), w.f.device.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	if err != nil {
		w.failed = append(w.failed, err.Error())
	} else if proposed.ID != "" {
		w.commands[proposed.ID] = 1
	}
}

// madeRequests reports whether n requests were made since it last returned true.
func (w *workload) madeRequests(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.requests < w.counted+n {
		return false
	}
	w.counted = w.requests
	return true
}

// watcher counts the events of each proposal.
type watcher struct {
	mu   sync.Mutex
	seen map[string]int
}

// watchProposals subscribes to the tenant's room, over a socket that reconnects by itself.
func watchProposals(t testing.TB, f *fleet) *watcher {
	t.Helper()
	w := &watcher{seen: map[string]int{}}
	socket := f.alice.Connect(t.Context(), client.CustomerSocketConfig{})
	t.Cleanup(socket.Close)
	_, err := socket.Subscribe(t.Context(), client.TenantRoom, "")
	require.NoError(t, err)
	go func() {
		for event, err := range socket.Events(t.Context()) {
			if err == nil && event.Gap != "" {
				t.Errorf("events were lost: %s", event.Gap)
			}
			w.record(event)
		}
	}()
	return w
}

func (w *watcher) record(event client.RoomEvent) {
	if event.Type != "command.proposed" {
		return
	}
	var data struct {
		CommandID string `json:"commandId"`
	}
	_ = json.Unmarshal(event.Data, &data)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[data.CommandID]++
}

func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

func (w *watcher) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}
