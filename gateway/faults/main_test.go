package faults_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// Environment variables of the suite.
const (
	seedsSetting = "FIELDGATE_FAULT_SEEDS" // number of times that each scenario runs, each time with another seed
	seedSetting  = "FIELDGATE_FAULT_SEED"  // if set, each scenario runs once, with this seed
)

// toolsDir is the directory of the programs that the scenarios run.
var toolsDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		fmt.Fprintln(os.Stderr, "the fault suite is skipped in short mode")
		return 0
	}
	dir, err := os.MkdirTemp("", "fieldgate-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	toolsDir = dir
	// Scenarios mostly wait, so more of them can run in parallel.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	return m.Run()
}

// buildTool returns a function that returns the path of a program. The program is built
// at the first call.
func buildTool(name string, args ...string) func(t testing.TB) (path string) {
	once := sync.OnceValues(func() (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOBIN="+toolsDir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return filepath.Join(toolsDir, name), nil
	})
	return func(t testing.TB) string {
		t.Helper()
		path, err := once()
		require.NoError(t, err)
		return path
	}
}

// startProgram starts a program. It is killed at the end of the test if it still runs.
func startProgram(t testing.TB, cmd *exec.Cmd) (exited <-chan struct{}) {
	t.Helper()
	cmd.SysProcAttr = storetest.DieWithParent()
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return done
}

func eventually(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, within, 5*time.Millisecond, what)
}

// forEachSeed runs a scenario with each seed that the environment variables select.
func forEachSeed(t *testing.T, scenario func(t *testing.T, seed uint64)) {
	t.Helper()
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			scenario(t, seed)
		})
	}
}

func seeds(t testing.TB) (all []uint64) {
	t.Helper()
	if one := number(t, seedSetting, 0); one > 0 {
		return []uint64{one}
	}
	for seed := range number(t, seedsSetting, 1) {
		all = append(all, seed+1)
	}
	return all
}

func number(t testing.TB, setting string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(setting)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err, setting)
	return n
}

// random is the source of random decisions of one client.
type random struct{ *rand.Rand }

func newRandom(seed uint64, client int) random {
	return random{rand.New(rand.NewPCG(seed, uint64(client)))}
}

// between returns a random duration from least to most.
func (r random) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// chance returns true at random, in n of 100 cases.
func (r random) chance(n int) bool { return r.IntN(100) < n }

// sleep waits for a duration. It returns false if the context ends earlier.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
