package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
)

// measuringPeers is the environment variable that selects the size: "full" in `make bench-peers`.
const measuringPeers = "FIELDGATE_MEASURE_PEERS"

// The costs of the TypeScript service that Fieldgate replaces, as multiples of those of BullMQ. The
// service is not published. When both were measured side by side, a lifecycle of the service took
// 448 us of its process and 113 us of Redis, and a job of BullMQ 190 us and 135 us.
const (
	serviceTotal = 1.73
	serviceRedis = 0.84
)

// peers is the size of the measurement of the gateway beside its peers.
type peers struct {
	extent
	rounds   int
	jobs     int // number of jobs of BullMQ in each round; zero leaves BullMQ out
	backlog  int // number of commands of each device that are claimed in each round
	devices  int // number of devices whose memory is measured
	finished int // number of finished commands whose memory is measured
}

var (
	peersSmall = peers{extent: small, rounds: 1, backlog: 3, devices: 5, finished: 20}
	peersFull  = peers{
		extent: extent{callers: 64, warm: 500 * time.Millisecond, run: 4 * time.Second, document: full.document},
		rounds: 5, jobs: 15_000, backlog: 80, devices: 500, finished: 4_000,
	}
)

// TestMeasurePeers measures the gateway, the server of serveFloor and BullMQ in turn, and prints
// tables. In full size, it also writes the tables into docs/performance.md.
func TestMeasurePeers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	size := peersSmall
	if os.Getenv(measuringPeers) == "full" {
		size = peersFull
	}
	t.Setenv("GOMEMLIMIT", memoryLimit)
	iss := customertest.NewIssuer(t)
	idle := startIdle(t, iss)
	b := newPeersBench(t, size, iss)
	var rounds []round
	for i := range size.rounds {
		rounds = append(rounds, b.round(i))
	}
	perSecond := idle.commandsPerSecond()
	publishRounds(t, size.extent, rounds)
	publishPeers(t, size.extent, rounds, perSecond, idle.memory(size))
}

// peersBench has the servers that are measured in turn. They share a Redis.
type peersBench struct {
	t              testing.TB
	size           peers
	redis          server
	gateway, floor child
	callers        []*caller
	fleet          *fleet // with a Redis of its own, so that no other sweeper settles its leases
}

func newPeersBench(t *testing.T, size peers, iss *customertest.Issuer) *peersBench {
	redis := startRedis(t, "--appendfsync", "everysec")
	s := settings{RedisURL: redis.url, SupabaseURL: iss.URL(), AutoPipeline: true}
	b := &peersBench{t: t, size: size, redis: redis, gateway: start(t, "gateway", s), floor: start(t, "floor", s), fleet: newFleet(t)}
	b.callers = newCallers(t, b.gateway, redis, iss, size.callers)
	return b
}

// cost is the processor time of one unit of work, of the server and of Redis.
type cost struct{ server, redis time.Duration }

func (c cost) total() time.Duration { return c.server + c.redis }

// text returns the cost as cells of a table.
func (c cost) text() []string { return []string{us(c.server), us(c.redis)} }

// round has the costs in one round: of a lifecycle on the gateway and on the floor, of a job of
// BullMQ, of a claim with its result over HTTP and over a socket, and of a sweep of 100 leases.
type round struct {
	gateway, floor, bull cost
	http, socket         cost
	sweep                time.Duration
}

// round measures everything once. Every other round runs in reverse order, so that a change in the
// machine's speed affects all alike.
func (b *peersBench) round(i int) (r round) {
	parts := []func(){
		func() { r.gateway = b.lifecycles(b.gateway) },
		func() { r.bull = b.bull() },
		func() { r.floor = b.lifecycles(b.floor) },
		func() { r.http = b.drain((*caller).drainHTTP) },
		func() { r.socket = b.drain((*caller).drainSocket) },
		func() { r.sweep = b.sweep(i) },
	}
	if i%2 == 1 {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		part()
	}
	return r
}

func (b *peersBench) lifecycles(at child) cost {
	b.t.Helper()
	l := run(b.t, b.size.extent, at, b.redis, b.callers)
	return cost{l.server, l.redis}
}

// bull measures BullMQ, in a database of its own.
func (b *peersBench) bull() (c cost) {
	b.t.Helper()
	if b.size.jobs == 0 {
		return c
	}
	cmd := exec.CommandContext(b.t.Context(), "node", "../../.ci/peers/bullmq.js", b.redis.url+"/1",
		strconv.Itoa(b.size.jobs), strconv.Itoa(b.size.callers))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(b.t, err, "make bench-peers installs BullMQ")
	var used struct{ Process, Redis float64 } // in us
	require.NoError(b.t, json.Unmarshal(out, &used))
	return cost{time.Duration(used.Process * 1e3), time.Duration(used.Redis * 1e3)}
}

// sweep measures a sweep of 100 leases. The leases are those of new devices, because a command is
// leased only a few times.
func (b *peersBench) sweep(i int) time.Duration {
	b.t.Helper()
	b.fleet.grow((i + 1) * 100 * perDevice)
	return b.fleet.sweep(100)
}

// ratio returns the median of the quotients that f returns for the rounds, divided by unit.
func ratio(rounds []round, unit float64, f func(r round) (above, below time.Duration)) string {
	var all []float64
	for _, r := range rounds {
		above, below := f(r)
		if below == 0 {
			return "not measured"
		}
		all = append(all, float64(above)/float64(below)/unit)
	}
	slices.Sort(all)
	return fmt.Sprintf("%.2f", all[len(all)/2])
}

// median returns the median of the durations that f returns for the rounds.
func median(rounds []round, f func(r round) time.Duration) time.Duration {
	var all []time.Duration
	for _, r := range rounds {
		all = append(all, f(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func publishRounds(t testing.TB, e extent, rounds []round) {
	t.Helper()
	table := newTable("round", "lifecycle: gateway", "Redis", "floor", "Redis", "BullMQ", "Redis",
		"claim and result over HTTP", "Redis", "over a socket", "Redis", "sweep of 100 leases")
	for i, r := range rounds {
		cells := []string{strconv.Itoa(i + 1)}
		for _, c := range []cost{r.gateway, r.floor, r.bull, r.http, r.socket} {
			cells = append(cells, c.text()...)
		}
		table.row(append(cells, ms(r.sweep))...)
	}
	publish(t, e, "peers-rounds", table)
}

// publishPeers publishes the medians beside their targets. memory is in bytes.
func publishPeers(t testing.TB, e extent, rounds []round, idlePerSecond float64, memory memory) {
	t.Helper()
	table := newTable("measured", "median", "target")
	table.row("lifecycle over HTTP: CPU of the gateway and Redis, over that of the TypeScript service",
		ratio(rounds, serviceTotal, func(r round) (time.Duration, time.Duration) { return r.gateway.total(), r.bull.total() }), "1.0")
	table.row("the same, over the floor",
		ratio(rounds, 1, func(r round) (time.Duration, time.Duration) { return r.gateway.total(), r.floor.total() }), "1.15")
	table.row("lifecycle over HTTP: CPU of Redis, over that of the TypeScript service",
		ratio(rounds, serviceRedis, func(r round) (time.Duration, time.Duration) { return r.gateway.redis, r.bull.redis }), "1.8")
	table.row("claim and result over a socket: CPU of the gateway and Redis",
		us(median(rounds, func(r round) time.Duration { return r.socket.total() })), "150 us")
	table.row("the same, over that over HTTP",
		ratio(rounds, 1, func(r round) (time.Duration, time.Duration) { return r.socket.total(), r.http.total() }), "below 1 in every round")
	table.row("sweep of 100 leases: time in Redis", ms(median(rounds, func(r round) time.Duration { return r.sweep })), "2 ms")
	table.row("memory of Redis for a finished command with 100 bytes of output", kib(memory.command), "1.5 KiB")
	table.row("memory of Redis for an idle device that has logged in", kib(memory.device), "3 KiB")
	table.row("commands to Redis of an idle gateway, each second", integer(idlePerSecond), "50")
	publish(t, e, "peers", table)
}
