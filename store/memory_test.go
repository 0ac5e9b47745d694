package store_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// createScript is a script that is refused while the store is full.
var createScript = newScript("--@creates\nreturn { 'ok', redis.call('INCR', KEYS[1]) }")

// TestFull_ServesAllThatDoesNotCreate exceeds maxmemory. Only a script that creates
// something is refused, and the script runs again once there is room.
func TestFull_ServesAllThatDoesNotCreate(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin := server.Client(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	keys := []string{"fg:{00}:count"}

	require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, err := s.Run(t.Context(), createScript, keys)
	require.Equal(t, fieldgate.CodeStoreFull, fieldgate.CodeOf(err))
	_, err = s.Run(t.Context(), countScript, keys)
	require.NoError(t, err)

	require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
	_, err = s.Run(t.Context(), createScript, keys)
	require.NoError(t, err)
}

// TestFull_InstanceStarts starts a second instance while the store is full.
func TestFull_InstanceStarts(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	storetest.Connect(t, store.Config{URL: server.URL()})
	require.NoError(t, server.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err())

	s := storetest.Connect(t, store.Config{URL: server.URL()})

	_, err := s.Run(t.Context(), countScript, []string{"fg:{00}:count"})
	require.NoError(t, err)
}

// TestWatchMemory_RefusesFromHighWaterMark fills the store to 90 % of maxmemory, where
// Redis itself would still accept writes. Then it frees the memory.
func TestWatchMemory_RefusesFromHighWaterMark(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin := server.Client(t)
	shares := make(chan float64, 100)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Memory: func(share float64) { shares <- share }})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go s.WatchMemory(ctx)
	used := admin.InfoMap(t.Context(), "memory").Item("Memory", "used_memory")
	bytes, err := strconv.Atoi(used)
	require.NoError(t, err)

	require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(bytes*10/9)).Err())
	require.Eventually(t, s.Full, 10*time.Second, 10*time.Millisecond, "90 % used is not full")
	_, err = s.Run(t.Context(), createScript, []string{"fg:{00}:count"})
	require.Equal(t, fieldgate.CodeStoreFull, fieldgate.CodeOf(err))
	require.NotEmpty(t, shares)

	require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(bytes*2)).Err())
	require.Eventually(t, func() bool { return !s.Full() }, 10*time.Second, 10*time.Millisecond, "50 % used is full")
}
