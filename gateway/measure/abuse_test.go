package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// measuringAbuse is the environment variable that selects the size: "full" in
// `make bench-abuse`.
const measuringAbuse = "FIELDGATE_MEASURE_ABUSE"

// abuse is the size of the measurements of abuse.
type abuse struct {
	extent
	bodies   int           // number of hostile bodies sent at the same time
	each     time.Duration // duration for which the bodies of a shape are sent
	slow     time.Duration // time that a slow body takes
	commands int           // number of commands in the session and in the list of approvals
	devices  int           // number of devices that a search reads
	requests int           // number of requests that a CPU time is measured over
	opening  time.Duration // time to open the sockets of a mix
	mix      time.Duration // duration of each mix
	sockets  int           // number of sockets in a room
	claims   int           // number of waiting claims
	maxBytes int           // maxmemory of the Redis to fill
}

var (
	gentle = abuse{
		bodies: 10, each: 200 * time.Millisecond, slow: 50 * time.Millisecond, commands: 5, devices: 5, requests: 3,
		opening: 100 * time.Millisecond, mix: 200 * time.Millisecond, sockets: 3, claims: 4, maxBytes: 16 << 20,
	}
	harsh = abuse{
		bodies: 200, each: 10 * time.Second, slow: 5 * time.Second, commands: 200, devices: 1101, requests: 50,
		opening: 10 * time.Second, mix: 15 * time.Second, sockets: 300, claims: 400, maxBytes: 64 << 20,
		extent: extent{document: full.document},
	}
)

// TestMeasureAbuse prints tables of the costs of hostile use for the gateway and for another
// tenant. In any size, it requires that the gateway lives and refuses nothing to the other
// tenant. In full size, it writes the tables into the document.
func TestMeasureAbuse(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	size := gentle
	if os.Getenv(measuringAbuse) == "full" {
		size = harsh
	}
	t.Run("bodies", func(t *testing.T) { measureBodies(t, size) })
	t.Run("reads", func(t *testing.T) { measureReads(t, size) })
	t.Run("mix", func(t *testing.T) { measureMix(t, size) })
	t.Run("full store", func(t *testing.T) { measureFullStore(t, size) })
}

// memoryLimit is the memory limit that the Go runtime of the gateway gets, as an instance
// with 1 GiB would have it.
const memoryLimit = "1GiB"

// site is a gateway in a process of its own, with a Redis and a token issuer.
type site struct {
	*gatewaytest.Gateway
	child
	redis server
}

func newSite(t testing.TB, args ...string) *site {
	t.Helper()
	t.Setenv("GOMEMLIMIT", memoryLimit)
	return startSite(t, startRedis(t, append([]string{"--appendonly", "no"}, args...)...), customertest.NewIssuer(t), false)
}

// limited starts another gateway at the same Redis, with the default rate limits.
func (s *site) limited(t testing.TB) *site {
	t.Helper()
	return startSite(t, s.redis, s.Issuer, true)
}

func startSite(t testing.TB, redis server, iss *customertest.Issuer, limited bool) *site {
	t.Helper()
	started := start(t, "gateway", settings{RedisURL: redis.url, SupabaseURL: iss.URL(), AutoPipeline: true, Limited: limited})
	gate, err := client.New(started.URL)
	require.NoError(t, err)
	return &site{Gateway: &gatewaytest.Gateway{Gateway: gate, URL: started.URL, Issuer: iss}, child: started, redis: redis}
}

// requireAlive requires that the gateway still serves, and that its memory never exceeded
// 1 GiB. A container with that limit would have been killed.
func (s *site) requireAlive(t testing.TB) {
	t.Helper()
	_, err := s.Health(t.Context())
	require.NoError(t, err)
	require.Less(t, s.peakMemory(t), 1<<30)
}

// peakMemory returns the largest resident memory since resetPeak, in bytes.
func (s *site) peakMemory(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(status), "VmHWM:")
	require.True(t, found)
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(t, err)
	return kilobytes << 10
}

// resetPeak makes the kernel forget the largest resident memory: see proc(5), clear_refs.
func (s *site) resetPeak(t testing.TB) {
	t.Helper()
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0o200))
}

func mib(bytes int) string { return fmt.Sprintf("%d MiB", bytes>>20) }
