package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Dump returns the value of every key of a server. Two dumps are equal if nothing was written in
// between.
func Dump(t testing.TB, s *Server) map[string]string {
	t.Helper()
	return eachValue(t, s, inOrder)
}

// Serialized returns the value of every key of a server as RESTORE takes it.
func Serialized(t testing.TB, s *Server) map[string]string {
	t.Helper()
	return eachValue(t, s, serialized)
}

// eachValue returns what read returns for every key of a server.
func eachValue(t testing.TB, s *Server, read func(ctx context.Context, c *redis.Client, key string) (string, error)) map[string]string {
	t.Helper()
	client, values := s.Client(t), map[string]string{}
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		value, err := read(t.Context(), client, keys.Val())
		require.NoError(t, err)
		values[keys.Val()] = value
	}
	require.NoError(t, keys.Err())
	return values
}

func serialized(ctx context.Context, c *redis.Client, key string) (string, error) {
	return c.Dump(ctx, key).Result()
}

// inOrder returns the value of a key. The fields of a hash are sorted, because a growing hash
// changes their order by itself.
func inOrder(ctx context.Context, c *redis.Client, key string) (string, error) {
	if kind, err := c.Type(ctx, key).Result(); err != nil || kind != "hash" {
		return serialized(ctx, c, key)
	}
	fields, err := c.HGetAll(ctx, key).Result()
	return fmt.Sprintf("%q", fields), err
}
