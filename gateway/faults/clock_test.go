package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// clock is the wall clock of a Redis, which a test can set.
type clock struct {
	t    testing.TB
	file string
}

// set sets the offset from the machine's clock, in seconds.
func (c clock) set(offset string) {
	c.t.Helper()
	next := c.file + ".next"
	require.NoError(c.t, os.WriteFile(next, []byte(offset+"\n"), 0o600))
	require.NoError(c.t, os.Rename(next, c.file))
}

// shim builds a library that changes how a process sees the machine's clock and disk. The
// library libfaketime cannot be used, because the allocator of redis-server reads the time
// before libfaketime is ready.
var shim = sync.OnceValues(func() (string, error) {
	library := filepath.Join(toolsDir, "shim.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", library, "testdata/shim.c").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w %s", err, out)
	}
	return library, err
})

// startWithClock starts a Redis whose clock the test can set. The gateways keep the machine's
// clock, because the shim replaces functions of the C library, and Go programs do not call
// these functions.
func startWithClock(t testing.TB, offset string) (*storetest.Server, clock) {
	t.Helper()
	c := clock{t, filepath.Join(t.TempDir(), "clock")}
	c.set(offset)
	return startShimmed(t, "FIELDGATE_TEST_CLOCK="+c.file), c
}

// startShimmed starts a Redis with the shim. The argument setting is an environment variable
// for the shim.
func startShimmed(t testing.TB, setting string, args ...string) *storetest.Server {
	t.Helper()
	library, err := shim()
	if err != nil {
		t.Skipf("needs Linux and a C compiler: %v", err)
	}
	return storetest.StartWith(t, []string{"LD_PRELOAD=" + library, setting}, args...)
}

// TestClock_WrongOrJumpingDoesNoHarm sets the store's clock far apart from the clocks of the
// gateways, and then lets it jump. Neither may do harm, because only the store's clock is used
// for decisions.
func TestClock_WrongOrJumpingDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]struct {
		first string
		then  []string
	}{
		"a day behind the gateways":       {"-86400", nil},
		"a day ahead of the gateways":     {"86400", nil},
		"jumping forward past all leases": {"0", []string{"20", "40", "60"}},
		"jumping back":                    {"0", []string{"-2", "-4", "-5"}},
		"jumping back and forth":          {"0", []string{"5", "1", "8", "4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachSeed(t, func(t *testing.T, seed uint64) {
				server, clock := startWithClock(t, times.first)
				s := newSite(t, plan{seed: seed}, server.URL(), server.Client(t))
				require.InDelta(t, float64(seconds(t, times.first)), s.clockOffset().Seconds(), 2, "the clock is not set")
				s.runWithFault(func() {
					for _, offset := range times.then {
						sleep(t.Context(), 500*time.Millisecond)
						clock.set(offset)
					}
					sleep(t.Context(), 500*time.Millisecond)
				})
				s.verify()
			})
		})
	}
}

func seconds(t testing.TB, offset string) int {
	t.Helper()
	n, err := strconv.Atoi(offset)
	require.NoError(t, err)
	return n
}

// clockOffset returns how far the store's clock is ahead of this process's clock.
func (s *site) clockOffset() time.Duration {
	s.t.Helper()
	now, err := s.store.Time(s.t.Context()).Result()
	require.NoError(s.t, err)
	return time.Until(now)
}
