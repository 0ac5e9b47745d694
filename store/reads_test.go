package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestDo_HasConnectionsOfItsOwn runs a script while a read occupies the only connection
// for reads. If scripts used the same connection, the script would time out.
func TestDo_HasConnectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), PoolSize: 1, ReadPoolSize: 1, Timeout: 30 * time.Second})
	outside := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = outside.Close() })

	read := make(chan error, 1)
	go func() {
		read <- s.Do(context.Background(), "test", func(ctx context.Context, c store.Client) error {
			return c.BLPop(ctx, 0, "list").Err()
		})
	}()
	require.Eventually(t, func() bool {
		info, err := outside.Info(context.Background(), "clients").Result()
		return err == nil && strings.Contains(info, "blocked_clients:1")
	}, 10*time.Second, time.Millisecond, "the read does not hold its connection")
	_, err := s.Run(t.Context(), newScript(`return { 'ok' }`), []string{newKey()})
	require.NoError(t, err)
	require.Empty(t, read, "the read must still hold its connection")
	require.NoError(t, outside.RPush(t.Context(), "list", "x").Err())
	require.NoError(t, <-read)
}
