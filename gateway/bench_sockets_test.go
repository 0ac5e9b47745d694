package gateway_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// measuring, when set, says how much is measured: "full" by `make bench-sockets`,
// "small" by the tests, which run it in a process of its own: what other tests do
// in this one would be counted too.
const measuring = "FIELDGATE_MEASURE_SOCKETS"

// extent is how much is measured, and what must hold.
type extent struct {
	devices, people  int // with a socket each
	churn            int // sockets opened and closed
	idle             time.Duration
	broadcasts       int
	good, stalled    int // readers of a room
	history          int // events that the stalled ones want first
	watched          int // events that the good ones are watched for
	rate, proposals  int // a second and in all, to so many devices
	claimers         int
	kib              float64 // resident, of each idle socket
	handshake, fan   time.Duration
	median, slowest  time.Duration // from a proposal to the device: p50, p99
	goroutines       float64       // of each idle socket
	retained         int           // goroutines and descriptors in the end
	heapProfile      string
	settleAfterClose time.Duration
}

var (
	small = extent{
		devices: 40, people: 260, churn: 300, idle: time.Second, broadcasts: 3, good: 50, stalled: 10, history: 500, watched: 5,
		rate: 50, proposals: 100, claimers: 20,
		kib: 150, handshake: 10 * time.Second, fan: 10 * time.Second, median: 2 * time.Second, slowest: 10 * time.Second,
		goroutines: 1.1, retained: 30, settleAfterClose: 30 * time.Second,
	}
	full = extent{
		devices: 2_000, people: 8_000, churn: 20_000, idle: 30 * time.Second, broadcasts: 20, good: 1_000, stalled: 100, history: 3_000, watched: 25,
		rate: 500, proposals: 5_000, claimers: 200,
		kib: 9, handshake: 250 * time.Millisecond, fan: 300 * time.Millisecond, median: 5 * time.Millisecond, slowest: 25 * time.Millisecond,
		goroutines: 1, retained: 30, settleAfterClose: time.Minute, heapProfile: "sockets.heap",
	}
)

func TestSockets_CostLittleAndLeakNothing(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMeasureSockets$", "-test.v")
	cmd.Env = append(os.Environ(), measuring+"=small")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestMeasureSockets prints a line for each figure; those that have a bar fail the
// test when they miss it.
func TestMeasureSockets(t *testing.T) {
	var e extent
	switch os.Getenv(measuring) {
	case "full":
		e = full
	case "small":
		e = small
	default:
		t.Skip("run by make bench-sockets")
	}
	load := startLoad(t)
	t.Run("idle", func(t *testing.T) { measureIdle(t, e, load) })
	t.Run("stalled readers", func(t *testing.T) { measureStalled(t, e, load) })
	t.Run("from a proposal to the device", func(t *testing.T) { measureDelivery(t, e, load) })
}

// atWork are gateways on a Redis of their own, which log as in production.
func atWork(t testing.TB, n int) (some []*gatewaytest.Gateway) {
	t.Helper()
	people, redis := customertest.NewIssuer(t), gatewaytest.WithRedis(storetest.Start(t).URL())
	for range n {
		some = append(some, gatewaytest.StartWithIssuer(t, people, redis, func(cfg *gateway.Config) {
			cfg.AutoPipeline, cfg.Logger = true, slog.New(slog.NewJSONHandler(io.Discard, nil))
		}))
	}
	return some
}

// figure prints a figure.
func figure(t testing.TB, format string, args ...any) {
	t.Helper()
	fmt.Printf("    %-30s %s\n", strings.TrimPrefix(t.Name(), "TestMeasureSockets/"), fmt.Sprintf(format, args...))
}

// atMost holds a figure against its bar without ending the measurement.
func atMost[T int | float64 | time.Duration](t testing.TB, what string, got, bar T) {
	t.Helper()
	if got > bar {
		t.Errorf("%s: %v, the bar is %v", what, got, bar)
	}
}

// joinAll makes devices with a login and a session each.
func joinAll(t testing.TB, g *gatewaytest.Gateway, customer string, n int) (devices []Target, sessions []string) {
	t.Helper()
	plain, err := client.New(g.URL)
	require.NoError(t, err)
	bare := &gatewaytest.Gateway{Gateway: plain, URL: g.URL, Issuer: g.Issuer}
	devices, sessions = make([]Target, n), make([]string, n)
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			admin := bare.User(customer, "alice", "admin")
			f := fleet{Gateway: bare, customer: customer, alice: admin}
			for i := worker; i < n; i += 16 {
				d := bare.NewDevice(t, admin)
				devices[i] = Target{URL: g.URL, Token: bare.Login(t, d), Device: true}
				sessions[i] = f.open(t, d.ID)
			}
		})
	}
	all.Wait()
	return devices, sessions
}

// signInAll makes people, each with a token of their own.
func signInAll(g *gatewaytest.Gateway, customer string, n int) (people []Target) {
	for i := range n {
		people = append(people, Target{URL: g.URL, Token: g.Token(customer, "person-"+strconv.Itoa(i), "viewer")})
	}
	return people
}

func measureIdle(t *testing.T, e extent, load *rpc.Client) {
	g := atWork(t, 1)[0]
	customer := gatewaytest.NewCustomerID()
	devices, sessions := joinAll(t, g, customer, e.devices)
	targets := append(devices, signInAll(g, customer, e.people)...)
	for i := range targets {
		targets[i].Subscribe = i >= e.devices
	}
	warmUp(t, load, targets)
	ask[struct{}](t, load, "Keep", targets)
	before := look(g)
	opened := ask[Handshakes](t, load, "Open", Opening{Kept: true, Parallel: 64})
	require.Zero(t, opened.Failed, opened.First)
	figure(t, "%d handshakes: %.0f/s, p50 %v, p99 %v", len(targets), float64(len(targets))/opened.Took.Seconds(),
		percentile(opened.Times, 0.5), percentile(opened.Times, 0.99))
	atMost(t, "handshake, p99", percentile(opened.Times, 0.99), e.handshake)
	measureCost(t, e, g, before, len(targets))
	measureCPU(t, e, len(targets))
	measureFanOut(t, e, g, load, Proposals{URLs: []string{g.URL}, Token: g.Token(customer, "alice", "admin"), Sessions: sessions[:1]})
	ask[struct{}](t, load, "Close", struct{}{})
	requireBack(t, e, g, before, "all were closed")
	churned := ask[Handshakes](t, load, "Open", Opening{Kept: true, Number: e.churn, Parallel: 64, Again: true})
	require.Zero(t, churned.Failed, churned.First)
	requireBack(t, e, g, before, fmt.Sprintf("%d came and went", e.churn))
}

// warmUp opens and closes a few sockets, so that pools and code are not counted.
func warmUp(t testing.TB, load *rpc.Client, targets []Target) {
	t.Helper()
	some := slices.Concat(targets[:min(20, len(targets))], targets[max(0, len(targets)-20):])
	opened := ask[Handshakes](t, load, "Open", Opening{Targets: some, Parallel: 16, Again: true})
	require.Zero(t, opened.Failed, opened.First)
}

// state is what this process, which is the gateway, takes.
type state struct {
	kib         float64 // resident
	heap, stack float64 // KiB, in use
	goroutines  int
	descriptors int
}

// look gives back what can be given back before it looks.
func look(g *gatewaytest.Gateway) state {
	g.HTTP.CloseIdleConnections()
	debug.FreeOSMemory()
	return glance()
}

func glance() state {
	open, _ := os.ReadDir("/proc/self/fd")
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return state{
		kib: kib, heap: float64(memory.HeapAlloc) / 1024, stack: float64(memory.StackInuse) / 1024,
		goroutines: runtime.NumGoroutine(), descriptors: len(open),
	}
}

func measureCost(t testing.TB, e extent, g *gatewaytest.Gateway, before state, n int) {
	t.Helper()
	asIs := glance()
	eventually(t, func() bool { return float64(runtime.NumGoroutine()-before.goroutines) <= e.goroutines*float64(n)+20 }, "too many goroutines")
	after := look(g)
	each := func(s state) float64 { return (s.kib - before.kib) / float64(n) }
	figure(t, "each: %.1f KiB after a collection (%.1f of heap, %.1f of stack), %.1f before, %.3f goroutines",
		each(after), (after.heap-before.heap)/float64(n), (after.stack-before.stack)/float64(n), each(asIs),
		float64(after.goroutines-before.goroutines)/float64(n))
	atMost(t, "KiB of each socket", each(after), e.kib)
	if e.heapProfile != "" {
		keepProfile(t, "heap", e.heapProfile)
		keepProfile(t, "goroutine", "sockets.goroutine")
	}
}

// keepProfile writes a profile into the directory for temporary files.
func keepProfile(t testing.TB, name, file string) {
	t.Helper()
	out, err := os.Create(filepath.Join(os.TempDir(), file))
	require.NoError(t, err)
	defer out.Close()
	require.NoError(t, pprof.Lookup(name).WriteTo(out, 0))
}

func measureCPU(t testing.TB, e extent, n int) {
	t.Helper()
	before := processorTime(t)
	time.Sleep(e.idle)
	used := processorTime(t) - before
	figure(t, "each: %.2f us/s of processor time while idle, over %v", float64(used.Microseconds())/e.idle.Seconds()/float64(n), e.idle)
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// measureFanOut has everybody in the room told of one thing at a time.
func measureFanOut(t testing.TB, e extent, g *gatewaytest.Gateway, load *rpc.Client, p Proposals) {
	t.Helper()
	p.Rate, p.Number = 1, 1
	var took []time.Duration
	before := processorTime(t)
	for range e.broadcasts {
		proposeAll(t, load, p)
		one := ask[[]time.Duration](t, load, "Arrived", Await{Arrivals: e.people, AtMost: 20 * time.Second})
		require.True(t, len(one) == e.people, "%d of %d were told", len(one), e.people)
		took = append(took, one...)
	}
	cpu := (processorTime(t) - before) / time.Duration(e.broadcasts*e.people)
	figure(t, "one event to %d: p50 %v, p99 %v, %v of processor time each", e.people, percentile(took, 0.5), percentile(took, 0.99), cpu)
	atMost(t, "one event to all, p99", percentile(took, 0.99), e.fan)
}

func requireBack(t testing.TB, e extent, g *gatewaytest.Gateway, before state, when string) {
	t.Helper()
	var after state
	require.Eventually(t, func() bool {
		g.HTTP.CloseIdleConnections()
		after = glance()
		return after.goroutines-before.goroutines <= e.retained && after.descriptors-before.descriptors <= e.retained
	}, e.settleAfterClose, 50*time.Millisecond, "what sockets took is not given back")
	after = look(g)
	figure(t, "when %s: %+d goroutines, %+d descriptors, %+.0f KiB", when,
		after.goroutines-before.goroutines, after.descriptors-before.descriptors, after.kib-before.kib)
}

func measureStalled(t *testing.T, e extent, load *rpc.Client) {
	g := atWork(t, 1)[0]
	customer := gatewaytest.NewCustomerID()
	_, sessions := joinAll(t, g, customer, 50)
	good := signInAll(g, customer, e.good)
	for i := range good {
		good[i].Subscribe = true
	}
	p := Proposals{URLs: []string{g.URL}, Token: g.Token(customer, "alice", "admin"), Sessions: sessions, Rate: 200, Number: e.history}
	proposeAll(t, load, p) // for the stalled to choke on
	opened := ask[Handshakes](t, load, "Open", Opening{Targets: good, Parallel: 32})
	require.Zero(t, opened.Failed, opened.First)
	p.Rate, p.Number = 5, e.watched
	alone := measureRoom(t, e, load, p)

	stalled := signInAll(g, customer, e.stalled)
	for i := range stalled {
		stalled[i].Subscribe, stalled[i].Stalled, stalled[i].Since = true, true, "0-0"
	}
	before := look(g)
	opened = ask[Handshakes](t, load, "Open", Opening{Targets: stalled, Parallel: 32})
	require.Zero(t, opened.Failed, opened.First)
	beside := measureRoom(t, e, load, p)
	after := look(g)
	figure(t, "p99 of %d good readers: %v alone, %v beside %d stalled ones from when these come, which take %.0f KiB each",
		e.good, alone, beside, e.stalled, (after.kib-before.kib)/float64(e.stalled))
	atMost(t, "KiB of each stalled reader", (after.kib-before.kib)/float64(e.stalled), 1500)
	ask[struct{}](t, load, "Close", struct{}{})
}

// measureRoom tells how late the good readers of a room are told.
func measureRoom(t testing.TB, e extent, load *rpc.Client, p Proposals) time.Duration {
	t.Helper()
	ask[[]time.Duration](t, load, "Arrived", Await{})
	proposeAll(t, load, p)
	took := ask[[]time.Duration](t, load, "Arrived", Await{Arrivals: e.good * p.Number, AtMost: 30 * time.Second})
	require.True(t, len(took) == e.good*p.Number, "%d of %d events arrived", len(took), e.good*p.Number)
	return percentile(took, 0.99)
}

func measureDelivery(t *testing.T, e extent, load *rpc.Client) {
	both := atWork(t, 2)
	urls := []string{both[0].URL, both[1].URL}
	customer := gatewaytest.NewCustomerID()
	devices, sessions := joinAll(t, both[0], customer, e.claimers)
	for i := range devices {
		devices[i].URL, devices[i].Claims = urls[i/2%2], true
	}
	p := Proposals{URLs: urls, Token: both[0].Token(customer, "alice", "admin"), Sessions: sessions, Rate: e.rate, Number: e.proposals}

	opened := ask[Handshakes](t, load, "Open", Opening{Targets: devices, Parallel: 16})
	require.Zero(t, opened.Failed, opened.First)
	deliver(t, e, load, p, "over a socket")
	ask[struct{}](t, load, "Close", struct{}{})

	ask[struct{}](t, load, "Poll", devices)
	deliver(t, e, load, p, "by a claim that waits")
	ask[struct{}](t, load, "Close", struct{}{})
}

// proposeAll tells how many proposals were refused, of which there should be none.
func proposeAll(t testing.TB, load *rpc.Client, p Proposals) (refused int) {
	t.Helper()
	failed := ask[[]string](t, load, "Propose", p)
	if len(failed) > 0 {
		t.Errorf("%d of %d proposals were refused, one with %s", len(failed), p.Number, failed[0])
	}
	return len(failed)
}

func deliver(t testing.TB, e extent, load *rpc.Client, p Proposals, how string) {
	t.Helper()
	ask[[]time.Duration](t, load, "Arrived", Await{})
	accepted := p.Number - proposeAll(t, load, p)
	took := ask[[]time.Duration](t, load, "Arrived", Await{Arrivals: accepted, AtMost: 30 * time.Second})
	require.True(t, len(took) >= accepted, "%d of %d commands reached their devices", len(took), accepted)
	p50, p99 := percentile(took, 0.5), percentile(took, 0.99)
	figure(t, "%s, %d/s: p50 %v, p99 %v", how, p.Rate, p50, p99)
	atMost(t, how+", p50", p50, e.median)
	atMost(t, how+", p99", p99, e.slowest)
}
