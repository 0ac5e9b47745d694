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

// balancerConfig is a balancer that behaves like an AWS Application Load Balancer: it
// closes what was idle for a minute, uses connections to its targets again, asks them
// whether they are ready, and tries nothing twice.
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

// installation is two instances behind a balancer.
type installation struct {
	*gatewaytest.Gateway // as the public sees it
	restart              func(t testing.TB, i int)
}

func behindABalancer(t *testing.T) *installation {
	t.Helper()
	if os.Getenv("FIELDGATE_TEST_BALANCER") == "" {
		t.Skip("run by make test-balancer")
	}
	people, redis := customertest.NewIssuer(t), gatewaytest.OnRedis(storetest.SharedURL(t))
	addrs := []string{storetest.FreeAddr(t), storetest.FreeAddr(t)}
	start := func(t testing.TB, i int) *gatewaytest.Gateway {
		return gatewaytest.StartFor(t, people, redis, func(cfg *gateway.Config) {
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
	return &installation{Gateway: &gatewaytest.Gateway{Gateway: g, URL: public, Issuer: people}, restart: restart}
}

// startBalancer starts one that sees both of its targets.
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
	eventually(t, func() bool { return statusOf("http://"+public+"/readyz") == http.StatusOK }, "the balancer serves nothing")
	return "http://" + public
}

// statusOf is the status of an answer, 0 for none.
func statusOf(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestSocketsAndConnectionsOutliveTheIdleTimeoutOfABalancer(t *testing.T) {
	t.Parallel()
	g := behindABalancer(t)
	f := newFleet(t, g.Gateway)
	states := make(chan client.SocketState, 100)
	socket := f.alice.Connect(t.Context(), client.CustomerSocketConfig{OnState: func(s client.SocketState) { states <- s }})
	defer socket.Close()
	_, err := socket.Subscribe(t.Context(), client.TenantRoom, "")
	require.NoError(t, err)
	require.True(t, (<-states).Connected)

	var all sync.WaitGroup
	for _, gap := range []time.Duration{20, 45, 55, 58, 59, 60, 61, 65} {
		all.Go(func() { askTwice(t, g.URL, gap*time.Second) })
	}
	all.Wait()
	require.Empty(t, states, "the socket was never gone")
	proposed := f.propose(t, auto)
	for event, err := range socket.Events(t.Context()) {
		require.NoError(t, err)
		require.Contains(t, string(event.Data), proposed.ID)
		break
	}
}

// askTwice makes two requests with a gap, the second over a connection which may be
// about to be closed somewhere on the way.
func askTwice(t testing.TB, url string, gap time.Duration) {
	caller := &http.Client{Transport: &http.Transport{IdleConnTimeout: 50 * time.Second}}
	for _, wait := range []time.Duration{0, gap} {
		time.Sleep(wait)
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

func TestARollingRestartFailsNoRequestAndLosesNoEvent(t *testing.T) {
	t.Parallel()
	g := behindABalancer(t)
	f := newFleet(t, g.Gateway)
	watchers := make([]*watcher, 20)
	for i := range watchers {
		watchers[i] = watch(t, f)
	}
	worker := f.device.Connect(t.Context(), client.DeviceSocketConfig{})
	defer worker.Close()
	ctx, enough := context.WithCancel(t.Context())
	var load sync.WaitGroup
	work := &workload{f: f, device: worker}
	load.Go(func() { work.run(ctx, t) })

	for i := range 2 {
		g.restart(t, i)
		eventually(t, func() bool { return work.isFurther(50) }, "the load stands still")
	}
	enough()
	load.Wait()
	t.Logf("%d requests, %d commands", work.requests, len(work.commands))
	require.Empty(t, work.failed, "requests failed")
	for i, w := range watchers {
		eventually(t, func() bool { return w.count() >= len(work.commands) }, fmt.Sprintf("watcher %d misses events", i))
		require.Equal(t, work.commands, w.told(), "watcher %d: every proposal once", i)
	}
}

// workload makes a hundred requests a second, of which every tenth proposes a
// command that the device claims over its socket.
type workload struct {
	f      *fleet
	device *client.DeviceSocket

	mu       sync.Mutex
	requests int
	mark     int
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
		all.Go(func() { w.one(t, i) })
	}
	all.Wait()
}

func (w *workload) one(t testing.TB, i int) {
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

// isFurther tells whether so many requests were made since it said so last.
func (w *workload) isFurther(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.requests < w.mark+n {
		return false
	}
	w.mark = w.requests
	return true
}

// watcher counts how often each proposal was told.
type watcher struct {
	mu   sync.Mutex
	seen map[string]int
}

// watch watches the room of the customer, over a socket that comes back by itself.
func watch(t testing.TB, f *fleet) *watcher {
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
			w.note(event)
		}
	}()
	return w
}

func (w *watcher) note(event client.RoomEvent) {
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

func (w *watcher) told() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}
