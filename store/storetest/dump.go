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
	client, dump := s.Client(t), map[string]string{}
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		value, err := dumpKey(t.Context(), client, keys.Val())
		require.NoError(t, err)
		dump[keys.Val()] = value
	}
	require.NoError(t, keys.Err())
	return dump
}

// dumpKey returns the value of a key, serialized. The fields of a hash are sorted, because a growing
// hash changes their order by itself.
func dumpKey(ctx context.Context, client *redis.Client, key string) (string, error) {
	if kind, err := client.Type(ctx, key).Result(); err != nil || kind != "hash" {
		return client.Dump(ctx, key).Result()
	}
	fields, err := client.HGetAll(ctx, key).Result()
	return fmt.Sprintf("%q", fields), err
}
