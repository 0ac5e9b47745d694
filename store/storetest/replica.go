package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// AwaitReplica waits until a write to the server s reaches its replica. It does not rely
// on the replica's state "online", because the server reports that state up to a second
// before it sends the first write. Writes in that second are lost if the server dies.
func (s *Server) AwaitReplica(t testing.TB) {
	t.Helper()
	client := s.Client(t)
	require.Eventually(t, func() bool { return replicates(context.Background(), client) }, 20*time.Second, 20*time.Millisecond,
		"no write reaches the replica")
}

// replicates reports whether a write reaches a replica. In a Cluster it tries several
// keys until it finds one in a slot of the server.
func replicates(ctx context.Context, client *redis.Client) bool {
	conn := client.Conn() // WAIT waits for the writes of its own connection
	defer conn.Close()
	for i := range 100 {
		key := fmt.Sprint("replicates:", i)
		if conn.Set(ctx, key, "", 0).Err() != nil {
			continue
		}
		reached, err := conn.Wait(ctx, 1, 500*time.Millisecond).Result()
		return conn.Del(ctx, key).Err() == nil && err == nil && reached == 1
	}
	return false
}
