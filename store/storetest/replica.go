package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// AwaitReplica waits until the server's replica is told what the server is told. That the
// server calls it online is not enough: it does so up to a second before it sends it
// anything, and what is written meanwhile is lost with the server.
func (s *Server) AwaitReplica(t testing.TB) {
	t.Helper()
	client := s.Client(t)
	require.Eventually(t, func() bool { return replicates(context.Background(), client) }, 20*time.Second, 20*time.Millisecond,
		"the replica does not connect")
}

// replicates tells whether a write reaches a replica. In a Cluster it takes some tries to
// find a key that is the server's.
func replicates(ctx context.Context, client *redis.Client) bool {
	same := client.Conn() // WAIT is about what this connection has written
	defer same.Close()
	for i := range 100 {
		key := fmt.Sprint("replicates:", i)
		if same.Set(ctx, key, "", 0).Err() != nil {
			continue
		}
		reached, err := same.Wait(ctx, 1, 500*time.Millisecond).Result()
		return same.Del(ctx, key).Err() == nil && err == nil && reached == 1
	}
	return false
}
