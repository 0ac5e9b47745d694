package ratelimit_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// slow allows a burst of three requests. Afterwards its rate allows no further request during
// a test.
var slow = ratelimit.Limit{PerMinute: 1, Burst: 3}

// limitAll returns limits with the limit l for every scope.
func limitAll(l ratelimit.Limit) ratelimit.Limits {
	return ratelimit.Limits{RegisterPerAddress: l, RegisterTotal: l, AuthPerAddress: l, PerTenant: l}
}

// address returns an IPv6 address in a network that no other test uses. The argument host is
// the end of the address.
func address(host string) string {
	raw := make([]byte, 6)
	rand.Read(raw)
	return fmt.Sprintf("2001:%x:%x:%x", raw[:2], raw[2:4], raw[4:]) + host
}

// exclusiveStore returns a store that no other test uses.
func exclusiveStore(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{})
}

// requireLimited fails the test unless err is rate_limited. It returns RetryAfter of the
// error.
func requireLimited(t *testing.T, err error) time.Duration {
	t.Helper()
	var refused *fieldgate.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, fieldgate.CodeRateLimited, refused.Code)
	require.Positive(t, refused.RetryAfter)
	return refused.RetryAfter
}

func TestAllow_BurstThenRetryAfter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(slow)), storetest.Tenant()
		for range slow.Burst {
			require.NoError(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
		}
		wait := requireLimited(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
		require.Greater(t, wait, 50*time.Second)
		require.LessOrEqual(t, wait, time.Minute)
	})
}

func TestAllow_RefusedRequestDoesNotCount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 1, Burst: 1})), storetest.Tenant()
		require.NoError(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
		for range 20 {
			require.LessOrEqual(t, requireLimited(t, l.Allow(t.Context(), ratelimit.Tenant, tenant)), time.Minute)
		}
	})
}

// TestAllow_SustainedRate allows 600 requests per minute, one every 100 ms. After a burst of
// two, the next six requests must take 600 ms in total.
func TestAllow_SustainedRate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 600, Burst: 2})), storetest.Tenant()
		start, allowed := time.Now(), 0
		require.Eventually(t, func() bool {
			err := l.Allow(t.Context(), ratelimit.Tenant, tenant)
			if err == nil {
				allowed++
			} else {
				requireLimited(t, err)
			}
			return allowed == 8
		}, 30*time.Second, time.Millisecond)
		require.GreaterOrEqual(t, time.Since(start), 590*time.Millisecond, "eight requests were allowed in less than six intervals")
	})
}

func TestAllow_ConcurrentRequestsGetBurstOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 1, Burst: 10})), storetest.Tenant()
		var allowed atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if l.Allow(t.Context(), ratelimit.Tenant, tenant) == nil {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 10, allowed.Load())
	})
}

func TestAllow_ScopesAndSubjectsAreIndependent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 1, Burst: 1}))
		first, second := address("::1"), address("::1")
		require.NoError(t, l.Allow(t.Context(), ratelimit.RegisterAddress, first))
		require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, first))
		require.NoError(t, l.Allow(t.Context(), ratelimit.RegisterAddress, second))
		requireLimited(t, l.Allow(t.Context(), ratelimit.RegisterAddress, first))
	})
}

func TestAllow_TotalCountsAllCallers(t *testing.T) {
	t.Parallel()
	l := ratelimit.New(exclusiveStore(t), limitAll(ratelimit.Limit{PerMinute: 1, Burst: 1}))
	require.NoError(t, l.Allow(t.Context(), ratelimit.RegisterTotal, ""))
	requireLimited(t, l.Allow(t.Context(), ratelimit.RegisterTotal, ""))
}

func TestAllow_AddressesOfOneClientShareLimit(t *testing.T) {
	t.Parallel()
	network := address("")
	for name, c := range map[string]struct{ first, second string }{
		"hosts of one IPv6 network":    {network + "::1", network + ":ffff::2"},
		"an address and its zone":      {address("::5"), ""},
		"an IPv4 address in IPv6 form": {"198.51.100.7", "::ffff:198.51.100.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.second == "" {
				c.second = c.first + "%eth0"
			}
			l := ratelimit.New(exclusiveStore(t), limitAll(ratelimit.Limit{PerMinute: 1, Burst: 1}))
			require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, c.first))
			requireLimited(t, l.Allow(t.Context(), ratelimit.AuthAddress, c.second))
		})
	}
}

func TestAllow_IPv4AddressesHaveOwnLimits(t *testing.T) {
	t.Parallel()
	l := ratelimit.New(exclusiveStore(t), limitAll(ratelimit.Limit{PerMinute: 1, Burst: 1}))
	require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, "203.0.113.1"))
	require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, "203.0.113.2"))
}

func TestAllow_ZeroLimitDoesNotCallStore(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	l := ratelimit.New(storetest.Connect(t, store.Config{URL: server.URL()}), ratelimit.Limits{})
	server.Kill()
	for _, scope := range []ratelimit.Scope{
		ratelimit.RegisterAddress, ratelimit.RegisterTotal, ratelimit.AuthAddress, ratelimit.Tenant,
	} {
		require.NoError(t, l.Allow(t.Context(), scope, "any subject"))
	}
}

func TestAllow_OutageIsNotRateLimited(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	l := ratelimit.New(storetest.Connect(t, store.Config{URL: server.URL()}), ratelimit.Defaults())
	server.Kill()
	err := l.Allow(t.Context(), ratelimit.Tenant, "c.acme")
	require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
	var refused *fieldgate.Error
	require.True(t, errors.As(err, &refused))
	require.Positive(t, refused.RetryAfter)
}

func TestDefaults_AllowLegitimateUse(t *testing.T) {
	t.Parallel()
	l := ratelimit.New(storetest.Redis(t), ratelimit.Defaults())
	gateway, tenant := address("::1"), storetest.Tenant()
	for range 100 {
		require.NoError(t, l.Allow(t.Context(), ratelimit.RegisterAddress, gateway))
		require.NoError(t, l.Allow(t.Context(), ratelimit.AuthAddress, gateway))
		require.NoError(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
	}
}
