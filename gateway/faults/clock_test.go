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

// clock is that of a Redis, which a test can set.
type clock struct {
	t    testing.TB
	file string
}

func (c clock) set(offset string) {
	c.t.Helper()
	next := c.file + ".next"
	require.NoError(c.t, os.WriteFile(next, []byte(offset+"\n"), 0o600))
	require.NoError(c.t, os.Rename(next, c.file))
}

// shim is a library that changes what a process sees of its machine. libfaketime would be at hand for
// that, but the allocator of redis-server asks for the time before it is ready.
var shim = sync.OnceValues(func() (string, error) {
	library := filepath.Join(tools, "shim.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", library, "testdata/shim.c").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w %s", err, out)
	}
	return library, err
})

// startWithClock starts a Redis with a clock of its own. The gateways keep that of
// the machine: a Go program asks the kernel, past every library.
func startWithClock(t testing.TB, offset string) (*storetest.Server, clock) {
	t.Helper()
	c := clock{t, filepath.Join(t.TempDir(), "clock")}
	c.set(offset)
	return startShimmed(t, "FIELDGATE_TEST_CLOCK="+c.file), c
}

// startShimmed starts a Redis with the shim.
func startShimmed(t testing.TB, setting string, args ...string) *storetest.Server {
	t.Helper()
	library, err := shim()
	if err != nil {
		t.Skipf("needs Linux and a C compiler: %v", err)
	}
	return storetest.StartWith(t, []string{"LD_PRELOAD=" + library, setting}, args...)
}

// The store's clock is the only one that decides, so that it may be far from those
// of the gateways, and jump.
func TestClock_WrongOrJumpingDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]struct {
		first string
		then  []string
	}{
		"a day behind the gateways":     {"-86400", nil},
		"a day before the gateways":     {"86400", nil},
		"jumps forward past all leases": {"0", []string{"20", "40", "60"}},
		"jumps back":                    {"0", []string{"-2", "-4", "-5"}},
		"jumps to and fro":              {"0", []string{"5", "1", "8", "4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, seed uint64) {
				server, clock := startWithClock(t, times.first)
				s := newSite(t, plan{seed: seed}, server.URL(), server.Client(t))
				require.InDelta(t, float64(seconds(t, times.first)), s.ahead().Seconds(), 2, "the clock is not set")
				s.under(func() {
					for _, offset := range times.then {
						pause(t.Context(), 500*time.Millisecond)
						clock.set(offset)
					}
					pause(t.Context(), 500*time.Millisecond)
				})
				s.account()
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

// ahead tells how far the store's clock is before that of this process.
func (s *site) ahead() time.Duration {
	s.t.Helper()
	now, err := s.store.Time(s.t.Context()).Result()
	require.NoError(s.t, err)
	return time.Until(now)
}
