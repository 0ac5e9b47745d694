package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// leaseClock is a clock of leases that a test advances.
type leaseClock struct{ nanoseconds atomic.Int64 }

func (c *leaseClock) now() time.Time { return time.Unix(1, c.nanoseconds.Load()) }

// leasing returns a limiter of a tenant that counts how often it asks the store.
func leasing(t *testing.T, limit Limit) (l *Limiter, asked *atomic.Int64, clock *leaseClock) {
	t.Helper()
	asked, clock = new(atomic.Int64), new(leaseClock)
	s := storetest.Connect(t, store.Config{Observe: func(name string, _ time.Duration, _ error) {
		if name == "allow" {
			asked.Add(1)
		}
	}})
	l = New(s, Limits{PerTenant: limit})
	l.leases = newLeases(clock.now)
	return l, asked, clock
}

// admits returns how many of n requests of a tenant are admitted.
func (l *Limiter) admits(t *testing.T, tenant string, n int) (admitted int) {
	t.Helper()
	for range n {
		if l.Allow(t.Context(), Tenant, tenant) == nil {
			admitted++
		}
	}
	return admitted
}

func TestLease_BusyTenantAsksSeldom(t *testing.T) {
	t.Parallel()
	l, asked, _ := leasing(t, Limit{PerMinute: 1, Burst: 10_000})
	require.Equal(t, 1000, l.admits(t, storetest.Tenant(), 1000))
	require.Less(t, asked.Load(), int64(100))
}

// TestLease_InstancesTogetherNeverExceedLimit uses up a limit from several instances at once.
func TestLease_InstancesTogetherNeverExceedLimit(t *testing.T) {
	t.Parallel()
	const burst = 2000
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		tenant, limits := storetest.Tenant(), Limits{PerTenant: Limit{PerMinute: 1, Burst: burst}}
		var admitted atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			l := New(s, limits)
			for range 2 {
				all.Go(func() { admitted.Add(int64(l.admits(t, tenant, burst/2))) })
			}
		}
		all.Wait()
		require.LessOrEqual(t, admitted.Load(), int64(burst+1), "a request is earned a minute")
		require.Greater(t, admitted.Load(), int64(burst-4*burst/burstPart), "each instance loses one batch at most")
	})
}

func TestLease_SmallLimitIsExact(t *testing.T) {
	t.Parallel()
	for _, burst := range []int{1, 2, 39} {
		l, asked, _ := leasing(t, Limit{PerMinute: 1, Burst: burst})
		require.Equal(t, burst, l.admits(t, storetest.Tenant(), 2*burst))
		require.EqualValues(t, 2*burst, asked.Load())
	}
}

// TestLease_EndsWithTime requires that a batch is not used later than it was leased for.
func TestLease_EndsWithTime(t *testing.T) {
	t.Parallel()
	l, asked, clock := leasing(t, Limit{PerMinute: 1, Burst: 1000})
	tenant := storetest.Tenant()
	require.Equal(t, 100, l.admits(t, tenant, 100))
	before := asked.Load()
	clock.nanoseconds.Add(int64(leaseFor))
	require.Equal(t, 1, l.admits(t, tenant, 1))
	require.Equal(t, before+1, asked.Load())
}

// TestLease_QuietTenantLeasesNothing lets time pass between the requests, so that no batch could
// be used up in time.
func TestLease_QuietTenantLeasesNothing(t *testing.T) {
	t.Parallel()
	const burst = 100
	l, _, clock := leasing(t, Limit{PerMinute: 1, Burst: burst})
	tenant := storetest.Tenant()
	for range burst {
		require.Equal(t, 1, l.admits(t, tenant, 1), "a request was lost")
		clock.nanoseconds.Add(int64(leaseFor))
	}
	require.Equal(t, 0, l.admits(t, tenant, 1))
}

// TestLease_BatchDoesNotRefuseRequest leaves less than a batch of the limit.
func TestLease_BatchDoesNotRefuseRequest(t *testing.T) {
	t.Parallel()
	l, _, _ := leasing(t, Limit{PerMinute: 1, Burst: 10})
	tenant := storetest.Tenant()
	granted, err := l.count(t.Context(), key(Tenant, tenant), l.limits[Tenant], 8, 5)
	require.NoError(t, err)
	require.Zero(t, granted)
	granted, err = l.count(t.Context(), key(Tenant, tenant), l.limits[Tenant], 1, 1)
	require.NoError(t, err)
	require.Equal(t, 1, granted)
}
