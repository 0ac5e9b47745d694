// Package measure measures what the queue costs, and writes it into
// docs/performance.md. It is run by make bench, and in a small size by the tests.
package measure

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// measuring, when set, says how much is measured: "full" by make bench.
const measuring = "FIELDGATE_MEASURE"

// extent is how much is measured.
type extent struct {
	callers   int
	warm, run time.Duration // of each way of running a lifecycle
	ready     []int         // commands that are ready, ten on each device
	claims    int           // at each of these sizes
	document  string        // where the tables go; empty for nowhere
}

var (
	small = extent{callers: 8, warm: 100 * time.Millisecond, run: 300 * time.Millisecond, ready: []int{100, 1_000}, claims: 50}
	full  = extent{
		callers: 64, warm: time.Second, run: 5 * time.Second, ready: []int{1_000, 100_000, 1_000_000}, claims: 2_000,
		document: "../../docs/performance.md",
	}
)

func TestMain(m *testing.M) {
	if role := os.Getenv(measured); role != "" {
		os.Exit(serve(role))
	}
	storetest.Main(m)
}

// TestMeasure prints its tables; the ratios that have a bar fail the full measurement
// when they miss it.
func TestMeasure(t *testing.T) {
	e := small
	if os.Getenv(measuring) == "full" {
		e = full
	}
	t.Run("lifecycle", func(t *testing.T) { measureLifecycle(t, e) })
	t.Run("size", func(t *testing.T) { measureSize(t, e) })
}

// measured names the role of a child process: its processor time is then nobody
// else's.
const measured = "FIELDGATE_MEASURED"

// child is a server in a process of its own.
type child struct {
	URL string
	pid int
}

// start starts a server and waits for the line that says where it listens.
func start(t testing.TB, role string, settings settings) child {
	t.Helper()
	encoded, err := json.Marshal(settings)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), measured+"="+role, "FIELDGATE_MEASURED_SETTINGS="+string(encoded))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	in, err := cmd.StdinPipe() // its end is the child's
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the %s did not start", role)
	return child{URL: strings.TrimSpace(line), pid: cmd.Process.Pid}
}

// server is a Redis that answers for what it costs.
type server struct {
	*redis.Client
	url string
}

func startRedis(t testing.TB, args ...string) server {
	t.Helper()
	redis := storetest.Start(t, args...)
	return server{redis.Client(t), redis.URL()}
}
