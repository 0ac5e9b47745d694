package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// Bodies of requests and responses, with the fields that the measurement uses.
type (
	proposal struct {
		Type       string          `json:"type"`
		Parameters json.RawMessage `json:"parameters"`
	}
	command struct {
		ID         string `json:"id"`
		ClaimToken string `json:"claimToken,omitempty"`
	}
	claimed struct {
		Commands []command `json:"commands"`
	}
	result struct {
		ClaimToken string `json:"claimToken"`
		Status     string `json:"status"`
		Output     string `json:"output"`
	}
)

// fsyncs are the persistence settings of Redis.
var fsyncs = []struct {
	name string
	args []string
}{
	{"off", []string{"--appendonly", "no"}},
	{"everysec", []string{"--appendfsync", "everysec"}},
	{"always", []string{"--appendfsync", "always"}},
}

// lifecycleCost is the measured cost of one run of lifecycles.
type lifecycleCost struct {
	perSecond     float64
	p50, p99      time.Duration
	server, redis time.Duration // processor time per lifecycle, of the server and of Redis
}

func (l lifecycleCost) cpu() time.Duration { return l.server + l.redis }

// measureLifecycle measures propose, claim and submit result over HTTP, with a gateway and with
// the server of serveFloor. Each of the concurrent callers has a device of its own.
func measureLifecycle(t *testing.T, e extent) {
	iss := customertest.NewIssuer(t)
	table := newTable("log of Redis", "pipelined", "lifecycles/s", "p50", "p99", "CPU gateway", "CPU Redis", "floor: lifecycles/s", "CPU server", "CPU Redis", "**CPU, ratio**")
	for _, fsync := range fsyncs {
		for _, pipelined := range []bool{false, true} {
			redis := startRedis(t, fsync.args...)
			s := settings{RedisURL: redis.url, SupabaseURL: iss.URL(), AutoPipeline: pipelined}
			gateway, floor := start(t, "gateway", s), start(t, "floor", s)
			callers := newCallers(t, gateway, redis, iss, e.callers)
			// The second round runs in reverse order, so that a change in the machine's speed
			// affects both servers alike.
			ofGateway, ofFloor := run(t, e, gateway, redis, callers), run(t, e, floor, redis, callers)
			ofFloor, ofGateway = cheaper(ofFloor, run(t, e, floor, redis, callers)), cheaper(ofGateway, run(t, e, gateway, redis, callers))
			table.row(fsync.name, yesOrNo(pipelined), integer(ofGateway.perSecond), ms(ofGateway.p50), ms(ofGateway.p99), us(ofGateway.server), us(ofGateway.redis),
				integer(ofFloor.perSecond), us(ofFloor.server), us(ofFloor.redis), fmt.Sprintf("%.2f", float64(ofGateway.cpu())/float64(ofFloor.cpu())))
		}
	}
	publish(t, e, "lifecycle", table)
}

// cheaper returns the run with less processor time, because other processes have disturbed that
// run less.
func cheaper(a, b lifecycleCost) lifecycleCost {
	if b.cpu() < a.cpu() {
		return b
	}
	return a
}

// caller runs lifecycles with a device of its own.
type caller struct {
	http                    *http.Client
	tenant, device, session string
	userToken, loginToken   string
}

func newCallers(t testing.TB, at child, redis server, iss *customertest.Issuer, n int) (all []*caller) {
	t.Helper()
	gate, err := client.New(at.URL)
	require.NoError(t, err)
	g := &gatewaytest.Gateway{Gateway: gate, URL: at.URL, Issuer: iss}
	tenantID := gatewaytest.NewTenantID()
	admin := g.User(tenantID, "alice", "admin")
	for range n {
		d := g.NewDevice(t, admin)
		opened, err := admin.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "diagnostic"})
		require.NoError(t, err)
		all = append(all, &caller{
			http: &http.Client{Transport: &http.Transport{}}, tenant: gatewaytest.TenantOf(tenantID), device: d.ID, session: opened.ID,
			userToken: g.Token(tenantID, "alice", "admin"), loginToken: g.Login(t, d),
		})
	}
	return all
}

// run warms up, and then measures lifecycles of all callers, for the durations in e.
func run(t testing.TB, e extent, at child, redis server, callers []*caller) lifecycleCost {
	t.Helper()
	each(callers, func(c *caller) { c.runFor(t, at.URL, e.warm) })
	server, store := cpuTime(t, at.pid), redis.cpuTime(t)
	began := time.Now()
	times := make([][]time.Duration, len(callers))
	each(callers, func(c *caller) { times[slices.Index(callers, c)] = c.runFor(t, at.URL, e.run) })
	took := time.Since(began)
	all := slices.Sorted(slices.Values(slices.Concat(times...)))
	n := time.Duration(len(all))
	require.NotZero(t, n)
	return lifecycleCost{
		perSecond: float64(n) / took.Seconds(), p50: all[n/2], p99: all[n*99/100],
		server: (cpuTime(t, at.pid) - server) / n, redis: (redis.cpuTime(t) - store) / n,
	}
}

// each calls f for all callers concurrently.
func each(callers []*caller, f func(*caller)) {
	var all sync.WaitGroup
	for _, c := range callers {
		all.Go(func() { f(c) })
	}
	all.Wait()
}

// runFor runs lifecycles one after the other for the duration d, and returns the duration of
// each.
func (c *caller) runFor(t testing.TB, url string, d time.Duration) (times []time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
		start := time.Now()
		if err := c.lifecycle(url, "done"); err != nil {
			t.Error(err)
			return times
		}
		times = append(times, time.Since(start))
	}
	return times
}

// lifecycle proposes, claims and finishes a command whose result has the given output.
func (c *caller) lifecycle(url, output string) error {
	var proposed command
	var got claimed
	request := proposal{Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`)}
	if err := c.post(url+"/api/v1/customer/sessions/"+c.session+"/commands", c.userToken, request, &proposed); err != nil {
		return err
	}
	if err := c.post(url+"/api/v1/device/commands/claim", c.loginToken, struct{}{}, &got); err != nil {
		return err
	}
	if len(got.Commands) != 1 || got.Commands[0].ID != proposed.ID {
		return fmt.Errorf("claimed %v after proposing %s", got.Commands, proposed.ID)
	}
	done := result{ClaimToken: got.Commands[0].ClaimToken, Status: "succeeded", Output: output}
	return c.post(url+"/api/v1/device/commands/"+proposed.ID+"/result", c.loginToken, done, nil)
}

func (c *caller) post(url, token string, body, response any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "X-Tenant": {c.tenant}, "X-Device": {c.device},
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", url, resp.Status, text)
	}
	if err != nil || response == nil {
		return err
	}
	return json.Unmarshal(text, response)
}

// cpuTime returns the processor time that a process has used, as the kernel counts it.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := readStat(pid)
	require.NoError(t, err)
	const ticks = 100 // clock ticks per second, on every Linux; see proc(5)
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// cpuTime returns the processor time that Redis has used.
func (s server) cpuTime(t testing.TB) time.Duration {
	t.Helper()
	info := s.InfoMap(t.Context(), "cpu")
	require.NoError(t, info.Err())
	user, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_user"), 64)
	system, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_sys"), 64)
	return time.Duration((user + system) * float64(time.Second))
}
