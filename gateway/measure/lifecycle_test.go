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
	"github.com/fieldgate/fieldgate/store"
)

// What is sent and what is looked at of the answers.
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

// fsyncs are the ways in which Redis can keep its log.
var fsyncs = []struct {
	name string
	args []string
}{
	{"off", []string{"--appendonly", "no"}},
	{"everysec", []string{"--appendfsync", "everysec"}},
	{"always", []string{"--appendfsync", "always"}},
}

// lifecycles is what one way of running lifecycles came to.
type lifecycles struct {
	perSecond     float64
	p50, p99      time.Duration
	server, redis time.Duration // of processor time, for each
}

func (l lifecycles) cpu() time.Duration { return l.server + l.redis }

// measureLifecycle runs proposal, claim and result over HTTP, by callers at the same
// time, each with a device of its own: against a gateway and against the floor.
func measureLifecycle(t *testing.T, e extent) {
	people := customertest.NewIssuer(t)
	table := newTable("log of Redis", "pipelined", "lifecycles/s", "p50", "p99", "CPU gateway", "CPU Redis", "floor: lifecycles/s", "CPU server", "CPU Redis", "**CPU, ratio**")
	for _, fsync := range fsyncs {
		for _, together := range []bool{false, true} {
			redis := startRedis(t, fsync.args...)
			s := settings{RedisURL: redis.url, SupabaseURL: people.URL(), AutoPipeline: together}
			gateway, floor := start(t, "gateway", s), start(t, "floor", s)
			callers := newCallers(t, gateway, redis, people, e.callers)
			// One after the other and once more the other way round: what drifts meets both.
			above, below := run(t, e, gateway, redis, callers), run(t, e, floor, redis, callers)
			below, above = better(below, run(t, e, floor, redis, callers)), better(above, run(t, e, gateway, redis, callers))
			table.row(fsync.name, yes(together), whole(above.perSecond), ms(above.p50), ms(above.p99), us(above.server), us(above.redis),
				whole(below.perSecond), us(below.server), us(below.redis), fmt.Sprintf("%.2f", float64(above.cpu())/float64(below.cpu())))
		}
	}
	publish(t, e, "lifecycle", table)
}

// better is the run that had less beside it.
func better(a, b lifecycles) lifecycles {
	if b.cpu() < a.cpu() {
		return b
	}
	return a
}

// caller runs lifecycles of a device of its own.
type caller struct {
	http                    *http.Client
	tenant, device, session string
	person, login, epoch    string
}

func newCallers(t testing.TB, at child, redis server, people *customertest.Issuer, n int) (all []*caller) {
	t.Helper()
	gate, err := client.New(at.URL)
	require.NoError(t, err)
	g := &gatewaytest.Gateway{Gateway: gate, URL: at.URL, Issuer: people}
	customer := gatewaytest.NewCustomerID()
	admin := g.User(customer, "alice", "admin")
	for range n {
		d := g.NewDevice(t, admin)
		opened, err := admin.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "diagnostic"})
		require.NoError(t, err)
		epoch, err := redis.HGet(t.Context(), store.DeviceKey(d.ID), "epoch").Result()
		require.NoError(t, err)
		all = append(all, &caller{
			epoch: epoch,
			http:  &http.Client{Transport: &http.Transport{}}, tenant: "c." + customer, device: d.ID, session: opened.ID,
			person: g.Token(customer, "alice", "admin"), login: g.Login(t, d),
		})
	}
	return all
}

// run has the callers run lifecycles for a while.
func run(t testing.TB, e extent, at child, redis server, callers []*caller) lifecycles {
	t.Helper()
	each(callers, func(c *caller) { c.runFor(t, at.URL, e.warm) })
	server, store := processorTime(t, at.pid), redis.processorTime(t)
	began := time.Now()
	times := make([][]time.Duration, len(callers))
	each(callers, func(c *caller) { times[slices.Index(callers, c)] = c.runFor(t, at.URL, e.run) })
	took := time.Since(began)
	all := slices.Sorted(slices.Values(slices.Concat(times...)))
	n := time.Duration(len(all))
	require.NotZero(t, n)
	return lifecycles{
		perSecond: float64(n) / took.Seconds(), p50: all[n/2], p99: all[n*99/100],
		server: (processorTime(t, at.pid) - server) / n, redis: (redis.processorTime(t) - store) / n,
	}
}

func each(callers []*caller, f func(*caller)) {
	var all sync.WaitGroup
	for _, c := range callers {
		all.Go(func() { f(c) })
	}
	all.Wait()
}

func (c *caller) runFor(t testing.TB, url string, d time.Duration) (times []time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
		start := time.Now()
		if err := c.lifecycle(url); err != nil {
			t.Error(err)
			return times
		}
		times = append(times, time.Since(start))
	}
	return times
}

func (c *caller) lifecycle(url string) error {
	var proposed command
	var got claimed
	asked := proposal{Type: "diagnostic.dns", Parameters: json.RawMessage(`{"host":"example.com"}`)}
	if err := c.post(url+"/api/v1/customer/sessions/"+c.session+"/commands", c.person, asked, &proposed); err != nil {
		return err
	}
	if err := c.post(url+"/api/v1/device/commands/claim", c.login, struct{}{}, &got); err != nil {
		return err
	}
	if len(got.Commands) != 1 || got.Commands[0].ID != proposed.ID {
		return fmt.Errorf("claimed %v after proposing %s", got.Commands, proposed.ID)
	}
	done := result{ClaimToken: got.Commands[0].ClaimToken, Status: "succeeded", Output: "done"}
	return c.post(url+"/api/v1/device/commands/"+proposed.ID+"/result", c.login, done, nil)
}

func (c *caller) post(url, token string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "X-Tenant": {c.tenant}, "X-Device": {c.device}, "X-Epoch": {c.epoch},
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
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// processorTime is what a process has used so far, as the kernel counts it.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := readStat(pid)
	require.NoError(t, err)
	const ticks = 100 // a second, on every Linux (proc(5))
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

func (s server) processorTime(t testing.TB) time.Duration {
	t.Helper()
	info := s.InfoMap(t.Context(), "cpu")
	require.NoError(t, info.Err())
	user, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_user"), 64)
	system, _ := strconv.ParseFloat(info.Item("CPU", "used_cpu_sys"), 64)
	return time.Duration((user + system) * float64(time.Second))
}
