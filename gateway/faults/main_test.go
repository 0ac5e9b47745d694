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

// Settings of the suite, from the environment.
const (
	seedsSetting = "FIELDGATE_FAULT_SEEDS" // how many seeds each scenario runs with
	seedSetting  = "FIELDGATE_FAULT_SEED"  // the only seed to run with
)

// tools is where programs are built that the scenarios run.
var tools string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fieldgate-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	tools = dir
	// Scenarios wait more than they work.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	return m.Run()
}

// build gives a program, built when it is first asked for.
func build(name string, args ...string) func(t testing.TB) (path string) {
	once := sync.OnceValues(func() (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOBIN="+tools)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return filepath.Join(tools, name), nil
	})
	return func(t testing.TB) string {
		t.Helper()
		path, err := once()
		require.NoError(t, err)
		return path
	}
}

// launch starts a program that ends with the test at the latest.
func launch(t testing.TB, cmd *exec.Cmd) (ended <-chan struct{}) {
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

// each runs a scenario with every seed that was asked for.
func each(t *testing.T, scenario func(t *testing.T, seed uint64)) {
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

func number(t testing.TB, setting string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(setting)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err, setting)
	return n
}

// dice are those of one of the many who act under a seed.
type dice struct{ *rand.Rand }

func newDice(seed uint64, who int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(who)))}
}

// between gives a duration from one to another.
func (d dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)))
}

// percent tells whether something happens that happens so often.
func (d dice) percent(n int) bool { return d.IntN(100) < n }

// pause passes time, as somebody does who works or thinks. It answers false when
// the context ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
