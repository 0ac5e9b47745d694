package store_test

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// connectLogged opens a store at url, closes the store, and returns the text that the
// store logged.
func connectLogged(t *testing.T, url string) (logged string, err error) {
	t.Helper()
	var log bytes.Buffer
	s, err := store.Connect(t.Context(), store.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err == nil {
		require.NoError(t, s.Close())
	}
	return log.String(), err
}

func TestConnect_RefusesEvictionPolicies(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"} {
		server := storetest.Start(t, "--maxmemory-policy", policy)
		_, err := connectLogged(t, server.URL())
		require.ErrorContains(t, err, "the maxmemory-policy of Redis is "+policy)
		require.Zero(t, server.Client(t).DBSize(t.Context()).Val(), "nothing is written before the check")
	}
}

func TestConnect_WarnsWithoutPersistence(t *testing.T) {
	t.Parallel()
	logged, err := connectLogged(t, storetest.Start(t, "--appendonly", "no").URL())
	require.NoError(t, err)
	require.Contains(t, logged, "level=WARN msg=\"found the append-only file of Redis off")

	server := storetest.Start(t)
	logged, err = connectLogged(t, server.URL())
	require.NoError(t, err)
	require.Contains(t, logged, "level=WARN msg=\"created a new store")
	logged, err = connectLogged(t, server.URL())
	require.NoError(t, err)
	require.NotContains(t, logged, "WARN")
	require.Contains(t, logged, "version=")
	require.Contains(t, logged, "mode=standalone appendonly=true")

	logged, err = connectLogged(t, "")
	require.NoError(t, err)
	require.Contains(t, logged, "level=WARN msg=\"using the embedded store")
}

func TestConnect_RefusesOtherPartitionCount(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "partitions", "128").Err())
	_, err := connectLogged(t, server.URL())
	require.ErrorContains(t, err, "written with 128 partitions and this program uses 256")
	require.Equal(t, "128", server.Client(t).HGet(t.Context(), "fg:meta", "partitions").Val())
}

func TestConnect_RefusesCorruptHashKey(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	for _, corrupt := range []string{"", "short", "zz", "00"} {
		require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "hash_key", corrupt).Err())
		_, err := connectLogged(t, server.URL())
		require.ErrorContains(t, err, "the hash key of the store cannot be read")
	}
}

func TestHashKey_SharedByInstancesAndKeptAfterRestart(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	stores := make([]*store.Store, 8)
	var starting sync.WaitGroup
	for i := range stores {
		starting.Go(func() {
			stores[i], _ = store.Connect(t.Context(), store.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
		})
	}
	starting.Wait()
	for _, s := range stores {
		require.NotNil(t, s)
		require.Len(t, s.HashKey(), 32)
		require.Equal(t, stores[0].HashKey(), s.HashKey())
		s.HashKey()[0]++ // must change only a copy of the key
		require.NoError(t, s.Close())
	}
	server.Kill()
	server.Restart(t)
	require.Equal(t, stores[0].HashKey(), storetest.Connect(t, store.Config{URL: server.URL()}).HashKey())
	require.NotEqual(t, stores[0].HashKey(), storetest.Connect(t, store.Config{}).HashKey())
}

func TestConnect_RefusesURLOfWrongKind(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	sentinel, _ := storetest.StartSentinel(t, server)
	_, err := connectLogged(t, sentinel.URL())
	require.ErrorContains(t, err, "its URL must begin with redis+sentinel://")

	node := storetest.StartNode(t, 0, 16383)
	_, err = connectLogged(t, node.URL())
	require.ErrorContains(t, err, "its URL must begin with redis+cluster://")

	_, err = connectLogged(t, "redis+cluster://"+server.Addr())
	require.ErrorContains(t, err, "cluster support disabled")
}
