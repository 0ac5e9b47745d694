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

// measuring is the environment variable that selects the size of the measurement: "full" in
// `make bench-sockets`, "small" in the tests. The tests run the measurement in a separate
// process, so that other tests do not influence it.
const measuring = "FIELDGATE_MEASURE_SOCKETS"

// benchSize holds the size of the measurement, and the limits that the measured values must not
// exceed.
type benchSize struct {
	devices, users   int // number of devices and of users; each opens a socket
	churn            int // number of sockets that are opened and closed
	idle             time.Duration
	broadcasts       int
	good, stalled    int           // numbers of readers of a room: good ones read at once, stalled ones do not read
	history          int           // number of past events that the stalled readers catch up on
	watched          int           // number of events whose delivery to the good readers is measured
	rate, proposals  int           // proposals per second, and total number of proposals
	claimers         int           // number of devices that receive the proposals
	kib              float64       // limit: resident memory of an idle socket in KiB; 0 means none
	inUse            float64       // limit: heap and stack in use of an idle socket in KiB
	handshake, fan   time.Duration // limits: 99th percentile of the time for a handshake, and for a delivery to all readers of a room
	median, slowest  time.Duration // limits: 50th and 99th percentile of the time from a proposal to its arrival at the device
	goroutines       float64       // limit: number of goroutines per idle socket
	retained         int           // limit: number of goroutines and of descriptors that remain at the end
	heapProfile      string        // name of the profile file; empty means none
	settleAfterClose time.Duration
}

var (
	small = benchSize{
		devices: 40, users: 260, churn: 300, idle: time.Second, broadcasts: 3, good: 50, stalled: 10, history: 500, watched: 5,
		rate: 50, proposals: 100, claimers: 20,
		inUse: 40, handshake: 10 * time.Second, fan: 10 * time.Second, median: 2 * time.Second, slowest: 10 * time.Second,
		goroutines: 1.1, retained: 30, settleAfterClose: 30 * time.Second,
	}
	full = benchSize{
		devices: 2_000, users: 8_000, churn: 20_000, idle: 30 * time.Second, broadcasts: 20, good: 1_000, stalled: 100, history: 3_000, watched: 25,
		rate: 500, proposals: 5_000, claimers: 200,
		kib: 9, inUse: 9, handshake: 250 * time.Millisecond, fan: 300 * time.Millisecond, median: 5 * time.Millisecond, slowest: 25 * time.Millisecond,
		goroutines: 1, retained: 30, settleAfterClose: time.Minute, heapProfile: "sockets.heap",
	}
)

func TestSockets_CostLittleAndLeakNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMeasureSockets$", "-test.v")
	cmd.Env = append(os.Environ(), measuring+"=small")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestMeasureSockets prints a line for each measured value. If a value exceeds its limit, the
// test fails.
func TestMeasureSockets(t *testing.T) {
	var e benchSize
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
	t.Run("from proposal to device", func(t *testing.T) { measureDelivery(t, e, load) })
}

// startInstances starts n instances on their own Redis. They log and reconcile as in production. A
// tenant may have as many sockets as the machine allows, which leaves a quarter to others.
func startInstances(t testing.TB, n int) (instances []*gatewaytest.Gateway) {
	t.Helper()
	iss, redis := customertest.NewIssuer(t), gatewaytest.WithRedis(storetest.Start(t).URL())
	for range n {
		instances = append(instances, gatewaytest.StartWithIssuer(t, iss, redis, func(cfg *gateway.Config) {
			cfg.AutoPipeline, cfg.Logger = true, slog.New(slog.NewJSONHandler(io.Discard, nil))
			cfg.MaxTenantSockets, cfg.ReconcileInterval, cfg.ReconcileDevices = 1<<20, gateway.DefaultReconcileInterval, 0
		}))
	}
	return instances
}

// printFigure prints a measured value under the name of the test.
func printFigure(t testing.TB, format string, args ...any) {
	t.Helper()
	fmt.Printf("    %-30s %s\n", strings.TrimPrefix(t.Name(), "TestMeasureSockets/"), fmt.Sprintf(format, args...))
}

// checkAtMost marks the test as failed if the measured value is larger than limit. The test
// continues in both cases.
func checkAtMost[T int | float64 | time.Duration](t testing.TB, what string, got, limit T) {
	t.Helper()
	if got > limit {
		t.Errorf("%s: %v, the limit is %v", what, got, limit)
	}
}

// registerDevices creates n devices, each with a login and a session.
func registerDevices(t testing.TB, g *gatewaytest.Gateway, tenantID string, n int) (devices []Target, sessions []string) {
	t.Helper()
	plain, err := client.New(g.URL)
	require.NoError(t, err)
	bare := &gatewaytest.Gateway{Gateway: plain, URL: g.URL, Issuer: g.Issuer}
	devices, sessions = make([]Target, n), make([]string, n)
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			admin := bare.User(tenantID, "alice", "admin")
			f := fleet{Gateway: bare, tenantID: tenantID, alice: admin}
			for i := worker; i < n; i += 16 {
				d := bare.NewDevice(t, admin)
				devices[i] = Target{URL: g.URL, Token: bare.Login(t, d), Device: true}
				sessions[i] = f.openSession(t, d.ID)
			}
		})
	}
	all.Wait()
	return devices, sessions
}

// userTargets returns a socket to open for each of n users.
func userTargets(g *gatewaytest.Gateway, tenantID string, n int) (users []Target) {
	for i := range n {
		users = append(users, Target{URL: g.URL, Token: g.Token(tenantID, "user-"+strconv.Itoa(i), "viewer")})
	}
	return users
}

func measureIdle(t *testing.T, e benchSize, load *rpc.Client) {
	g := startInstances(t, 1)[0]
	tenantID := gatewaytest.NewTenantID()
	_, sessions := registerDevices(t, g, tenantID, 1)
	devices, _ := registerDevices(t, g, gatewaytest.NewTenantID(), e.devices)
	targets := append(devices, userTargets(g, tenantID, e.users)...)
	for i := range targets {
		targets[i].Subscribe = i >= e.devices
	}
	warmUp(t, load, targets)
	callLoad[struct{}](t, load, "Keep", targets)
	before := usageAfterGC(g)
	opened := callLoad[Handshakes](t, load, "Open", OpenRequest{Kept: true, Parallel: 64})
	require.Zero(t, opened.Failed, opened.First)
	printFigure(t, "%d handshakes: %.0f/s, p50 %v, p99 %v", len(targets), float64(len(targets))/opened.Took.Seconds(),
		percentile(opened.Times, 0.5), percentile(opened.Times, 0.99))
	checkAtMost(t, "handshake, p99", percentile(opened.Times, 0.99), e.handshake)
	measureMemory(t, e, g, before, len(targets))
	measureCPU(t, e, len(targets))
	measureFanOut(t, e, g, load, Proposals{URLs: []string{g.URL}, Token: g.Token(tenantID, "alice", "admin"), Sessions: sessions})
	callLoad[struct{}](t, load, "Close", struct{}{})
	requireReleased(t, e, g, before, "all sockets are closed")
	churned := callLoad[Handshakes](t, load, "Open", OpenRequest{Kept: true, Number: e.churn, Parallel: 64, CloseEach: true})
	require.Zero(t, churned.Failed, churned.First)
	requireReleased(t, e, g, before, fmt.Sprintf("%d sockets were opened and closed", e.churn))
}

// warmUp opens and closes a few sockets, so that the measurement does not count memory that is
// allocated at the first use.
func warmUp(t testing.TB, load *rpc.Client, targets []Target) {
	t.Helper()
	batch := slices.Concat(targets[:min(20, len(targets))], targets[max(0, len(targets)-20):])
	opened := callLoad[Handshakes](t, load, "Open", OpenRequest{Targets: batch, Parallel: 16, CloseEach: true})
	require.Zero(t, opened.Failed, opened.First)
}

// usage holds the resources of this process, which runs the gateway.
type usage struct {
	kib         float64 // resident memory, in KiB
	heap, stack float64 // memory in use, in KiB
	goroutines  int
	descriptors int
}

// usageAfterGC returns the usage after idle connections were closed and unused memory
// was returned to the system.
func usageAfterGC(g *gatewaytest.Gateway) usage {
	g.HTTP.CloseIdleConnections()
	debug.FreeOSMemory()
	return currentUsage()
}

func currentUsage() usage {
	open, _ := os.ReadDir("/proc/self/fd")
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return usage{
		kib: kib, heap: float64(memory.HeapAlloc) / 1024, stack: float64(memory.StackInuse) / 1024,
		goroutines: runtime.NumGoroutine(), descriptors: len(open),
	}
}

func measureMemory(t testing.TB, e benchSize, g *gatewaytest.Gateway, before usage, n int) {
	t.Helper()
	beforeGC := currentUsage()
	eventually(t, func() bool { return float64(runtime.NumGoroutine()-before.goroutines) <= e.goroutines*float64(n)+20 }, "too many goroutines")
	after := usageAfterGC(g)
	each := func(u usage) float64 { return (u.kib - before.kib) / float64(n) }
	printFigure(t, "each: %.1f KiB after a collection (%.1f of heap, %.1f of stack), %.1f before, %.3f goroutines",
		each(after), (after.heap-before.heap)/float64(n), (after.stack-before.stack)/float64(n), each(beforeGC),
		float64(after.goroutines-before.goroutines)/float64(n))
	checkAtMost(t, "KiB in use of each socket", (after.heap+after.stack-before.heap-before.stack)/float64(n), e.inUse)
	if e.kib > 0 { // the race detector keeps shadow memory, so that the resident memory of a test says little
		checkAtMost(t, "KiB of each socket", each(after), e.kib)
	}
	if e.heapProfile != "" {
		writeProfile(t, "heap", e.heapProfile)
		writeProfile(t, "goroutine", "sockets.goroutine")
	}
}

// writeProfile writes a profile into the directory for temporary files.
func writeProfile(t testing.TB, name, file string) {
	t.Helper()
	out, err := os.Create(filepath.Join(os.TempDir(), file))
	require.NoError(t, err)
	defer out.Close()
	require.NoError(t, pprof.Lookup(name).WriteTo(out, 0))
}

func measureCPU(t testing.TB, e benchSize, n int) {
	t.Helper()
	before := cpuTime(t)
	time.Sleep(e.idle)
	used := cpuTime(t) - before
	printFigure(t, "each: %.2f us/s of processor time while idle, over %v", float64(used.Microseconds())/e.idle.Seconds()/float64(n), e.idle)
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// measureFanOut measures the delay with which the readers of a room receive a single event.
func measureFanOut(t testing.TB, e benchSize, g *gatewaytest.Gateway, load *rpc.Client, p Proposals) {
	t.Helper()
	p.Rate, p.Number = 1, 1
	var latencies []time.Duration
	before := cpuTime(t)
	for range e.broadcasts {
		proposeAll(t, load, p)
		one := callLoad[[]time.Duration](t, load, "AwaitArrivals", AwaitRequest{Arrivals: e.users, Timeout: 20 * time.Second})
		require.True(t, len(one) == e.users, "%d of %d readers received the event", len(one), e.users)
		latencies = append(latencies, one...)
	}
	cpu := (cpuTime(t) - before) / time.Duration(e.broadcasts*e.users)
	printFigure(t, "one event to %d: p50 %v, p99 %v, %v of processor time each", e.users, percentile(latencies, 0.5), percentile(latencies, 0.99), cpu)
	checkAtMost(t, "one event to all, p99", percentile(latencies, 0.99), e.fan)
}

// requireReleased waits until this process has at most e.retained more goroutines than in
// initial, and at most e.retained more descriptors.
func requireReleased(t testing.TB, e benchSize, g *gatewaytest.Gateway, initial usage, when string) {
	t.Helper()
	var after usage
	require.Eventually(t, func() bool {
		g.HTTP.CloseIdleConnections()
		after = currentUsage()
		return after.goroutines-initial.goroutines <= e.retained && after.descriptors-initial.descriptors <= e.retained
	}, e.settleAfterClose, 50*time.Millisecond, "sockets leave goroutines or descriptors behind")
	after = usageAfterGC(g)
	printFigure(t, "when %s: %+d goroutines, %+d descriptors, %+.0f KiB", when,
		after.goroutines-initial.goroutines, after.descriptors-initial.descriptors, after.kib-initial.kib)
}

func measureStalled(t *testing.T, e benchSize, load *rpc.Client) {
	g := startInstances(t, 1)[0]
	tenantID := gatewaytest.NewTenantID()
	_, sessions := registerDevices(t, g, tenantID, 50)
	good := userTargets(g, tenantID, e.good)
	for i := range good {
		good[i].Subscribe = true
	}
	p := Proposals{URLs: []string{g.URL}, Token: g.Token(tenantID, "alice", "admin"), Sessions: sessions, Rate: min(200, e.rate), Number: e.history}
	proposeAll(t, load, p) // past events that the stalled readers catch up on
	opened := callLoad[Handshakes](t, load, "Open", OpenRequest{Targets: good, Parallel: 32})
	require.Zero(t, opened.Failed, opened.First)
	p.Rate, p.Number = 5, e.watched
	alone := measureRoom(t, e, load, p)

	stalled := userTargets(g, tenantID, e.stalled)
	for i := range stalled {
		stalled[i].Subscribe, stalled[i].Stalled, stalled[i].Since = true, true, "0-0"
	}
	before := usageAfterGC(g)
	opened = callLoad[Handshakes](t, load, "Open", OpenRequest{Targets: stalled, Parallel: 32})
	require.Zero(t, opened.Failed, opened.First)
	beside := measureRoom(t, e, load, p)
	after := usageAfterGC(g)
	printFigure(t, "p99 of %d good readers: %v alone, %v while %d stalled readers resume, which take %.0f KiB each",
		e.good, alone, beside, e.stalled, (after.kib-before.kib)/float64(e.stalled))
	checkAtMost(t, "KiB of each stalled reader", (after.kib-before.kib)/float64(e.stalled), 1500)
	callLoad[struct{}](t, load, "Close", struct{}{})
}

// measureRoom returns the 99th percentile of the delay with which the good readers of a room
// receive an event.
func measureRoom(t testing.TB, e benchSize, load *rpc.Client, p Proposals) time.Duration {
	t.Helper()
	callLoad[[]time.Duration](t, load, "AwaitArrivals", AwaitRequest{}) // discard earlier arrivals
	proposeAll(t, load, p)
	latencies := callLoad[[]time.Duration](t, load, "AwaitArrivals", AwaitRequest{Arrivals: e.good * p.Number, Timeout: 30 * time.Second})
	require.True(t, len(latencies) == e.good*p.Number, "%d of %d events arrived", len(latencies), e.good*p.Number)
	return percentile(latencies, 0.99)
}

func measureDelivery(t *testing.T, e benchSize, load *rpc.Client) {
	both := startInstances(t, 2)
	urls := []string{both[0].URL, both[1].URL}
	tenantID := gatewaytest.NewTenantID()
	devices, sessions := registerDevices(t, both[0], tenantID, e.claimers)
	for i := range devices {
		devices[i].URL, devices[i].Claims = urls[i/2%2], true
	}
	p := Proposals{URLs: urls, Token: both[0].Token(tenantID, "alice", "admin"), Sessions: sessions, Rate: e.rate, Number: e.proposals}

	opened := callLoad[Handshakes](t, load, "Open", OpenRequest{Targets: devices, Parallel: 16})
	require.Zero(t, opened.Failed, opened.First)
	measureDeliveryOver(t, e, load, p, "over a socket")
	callLoad[struct{}](t, load, "Close", struct{}{})

	callLoad[struct{}](t, load, "Poll", devices)
	measureDeliveryOver(t, e, load, p, "by a waiting claim")
	callLoad[struct{}](t, load, "Close", struct{}{})
}

// proposeAll proposes commands. If proposals are refused, it marks the test as failed and
// returns their number.
func proposeAll(t testing.TB, load *rpc.Client, p Proposals) (refused int) {
	t.Helper()
	failed := callLoad[[]string](t, load, "Propose", p)
	if len(failed) > 0 {
		t.Errorf("%d of %d proposals were refused, the first one with %s", len(failed), p.Number, failed[0])
	}
	return len(failed)
}

func measureDeliveryOver(t testing.TB, e benchSize, load *rpc.Client, p Proposals, how string) {
	t.Helper()
	callLoad[[]time.Duration](t, load, "AwaitArrivals", AwaitRequest{}) // discard earlier arrivals
	accepted := p.Number - proposeAll(t, load, p)
	latencies := callLoad[[]time.Duration](t, load, "AwaitArrivals", AwaitRequest{Arrivals: accepted, Timeout: 30 * time.Second})
	require.True(t, len(latencies) >= accepted, "%d of %d commands reached their devices", len(latencies), accepted)
	p50, p99 := percentile(latencies, 0.5), percentile(latencies, 0.99)
	printFigure(t, "%s, %d/s: p50 %v, p99 %v", how, p.Rate, p50, p99)
	checkAtMost(t, how+", p50", p50, e.median)
	checkAtMost(t, how+", p99", p99, e.slowest)
}
