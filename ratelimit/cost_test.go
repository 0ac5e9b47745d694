package ratelimit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// storeArrival stores the theoretical arrival time (see GCRA) of a tenant's next request. A
// time far in the future simulates a clock that was set back after the time was stored.
func storeArrival(t *testing.T, s *store.Store, tenant string, at time.Time) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "set", func(ctx context.Context, c store.Client) error {
		return c.Set(ctx, store.Tenant(tenant).RateKey(), fmt.Sprintf("%d.000", at.UnixMilli()), time.Hour).Err()
	}))
}

func TestAllow_ClockSetBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(slow)), storetest.Tenant()
		storeArrival(t, s, tenant, time.Now().Add(600*time.Second))
		require.NoError(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
		wait := requireLimited(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
		require.LessOrEqual(t, wait, time.Minute, "the burst counts as used up")
	})
}

func TestAllowCost_TakesCost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 1, Burst: 10})), storetest.Tenant()
		allow := func(cost int) error { return l.AllowCost(t.Context(), ratelimit.Tenant, tenant, cost) }
		require.NoError(t, allow(5))
		wait := requireLimited(t, allow(6))
		require.LessOrEqual(t, wait, time.Minute, "one minute earns what is missing")
		require.NoError(t, allow(4), "a refused request takes nothing")
		require.NoError(t, allow(1))
		requireLimited(t, allow(1))
	})
}

func TestAllowCost_AboveBurstIsBurst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, tenant := ratelimit.New(s, limitAll(ratelimit.Limit{PerMinute: 1, Burst: 3})), storetest.Tenant()
		require.NoError(t, l.AllowCost(t.Context(), ratelimit.Tenant, tenant, 1000))
		requireLimited(t, l.Allow(t.Context(), ratelimit.Tenant, tenant))
	})
}
