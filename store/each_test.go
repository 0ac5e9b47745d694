package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestTenants_ListsEachOnce(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	var want []string
	for range 450 { // one partition has more than one page
		want = append(want, storetest.Tenant())
	}
	add(t, server, store.Partition(7), want...)
	add(t, server, store.Partition(0), "c.first")
	add(t, server, store.Partition(255), "c.last")
	slices.Sort(want)
	want = append(append([]string{"c.first"}, want...), "c.last")

	var found []string
	for tenant, err := range s.Tenants(t.Context()) {
		require.NoError(t, err)
		found = append(found, tenant)
	}
	require.Equal(t, want, found)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Tenants(ended) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func add(t testing.TB, server *storetest.Server, p store.Partition, tenants ...string) {
	t.Helper()
	var members []redis.Z
	for _, tenant := range tenants {
		members = append(members, redis.Z{Member: tenant})
	}
	require.NoError(t, server.Client(t).ZAdd(t.Context(), p.TenantsKey(), members...).Err())
}

func TestConnect_ReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	_, err := store.Connect(t.Context(), store.Config{URL: server.URL(), ReadOnly: true})
	require.ErrorContains(t, err, "the store is empty")
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	before := storetest.Dump(t, server)
	require.Contains(t, before, "fg:canary")
	reader := storetest.Connect(t, store.Config{URL: server.URL(), ReadOnly: true})
	require.Equal(t, before, storetest.Dump(t, server))
	require.Equal(t, s.HashKey(), reader.HashKey())
}
