// Package measure measures the cost of the queue and writes it into docs/performance.md.
// `make bench` runs it. The tests run it in a small size.
package measure

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// measuring is the environment variable that selects the size of the measurement. `make bench`
// sets it to "full".
const measuring = "FIELDGATE_MEASURE"

// extent is the size of a measurement.
type extent struct {
	callers   int           // number of concurrent callers
	warm, run time.Duration // duration of the warm-up, and of the measurement after it
	ready     []int         // numbers of ready commands at which the costs are measured
	claims    int           // number of claims to measure, for each number of ready commands
	document  string        // file that gets the tables; empty means none
}

var (
	small = extent{callers: 8, warm: 100 * time.Millisecond, run: 300 * time.Millisecond, ready: []int{100, 1_000}, claims: 50}
	full  = extent{
		callers: 64, warm: time.Second, run: 5 * time.Second, ready: []int{1_000, 100_000, 1_000_000}, claims: 2_000,
		document: "../../docs/performance.md",
	}
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(serve(role))
	}
	storetest.Main(m)
}

// TestMeasure measures costs and prints tables. In full size, it also writes the tables into
// docs/performance.md.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	e := small
	if os.Getenv(measuring) == "full" {
		e = full
	}
	t.Run("lifecycle", func(t *testing.T) { measureLifecycle(t, e) })
	t.Run("receipts", func(t *testing.T) { measureReceipts(t, e) })
	t.Run("size", func(t *testing.T) { measureSize(t, e) })
}

// childRole is the environment variable whose value is the role of a child process. Each
// server runs in a process of its own, so that its processor time can be measured separately.
const childRole = "FIELDGATE_MEASURED"

// child is a server in a process of its own.
type child struct {
	URL string
	pid int
}

// start starts a server in a child process and waits until it prints its URL.
func start(t testing.TB, role string, settings settings) child {
	t.Helper()
	settings.Log = filepath.Join(t.TempDir(), "log")
	line, pid := launch(t, exec.Command(os.Args[0]), role, settings)
	return child{URL: line, pid: pid}
}

// launch starts a child process, which ends with the test, and returns the first line that it
// prints.
func launch(t testing.TB, cmd *exec.Cmd, role string, settings settings) (line string, pid int) {
	t.Helper()
	encoded, err := json.Marshal(settings)
	require.NoError(t, err)
	cmd.Env = append(os.Environ(), childRole+"="+role, "FIELDGATE_MEASURED_SETTINGS="+string(encoded))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	in, err := cmd.StdinPipe() // the child process ends when its standard input is closed
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the %s did not start", role)
	return strings.TrimSpace(line), cmd.Process.Pid
}

// server is a Redis whose processor time can be read.
type server struct {
	*redis.Client
	url string
}

func startRedis(t testing.TB, args ...string) server {
	t.Helper()
	redis := storetest.Start(t, args...)
	return server{redis.Client(t), redis.URL()}
}
