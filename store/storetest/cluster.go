package storetest

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// slots is the number of slots that the nodes of a Cluster share.
const slots = 16384

// Cluster is a Redis Cluster of masters without replicas.
type Cluster []*Server

// StartCluster starts a Cluster for one test. It takes about three seconds, because a
// node accepts writes only some time after it was assigned its slots. The arguments in args
// are passed to each redis-server.
func StartCluster(t testing.TB, masters int, args ...string) Cluster {
	t.Helper()
	nodes := make(Cluster, masters)
	for i := range nodes {
		nodes[i] = StartNode(t, i*slots/masters, (i+1)*slots/masters-1, args...)
	}
	for _, node := range nodes[1:] {
		nodes[0].meet(t, node)
	}
	nodes.AwaitOK(t)
	return nodes
}

// StartNode starts a single master that owns the slots from firstSlot to lastSlot. The
// master has not met any other node yet. The arguments in args are passed to
// redis-server.
func StartNode(t testing.TB, firstSlot, lastSlot int, args ...string) *Server {
	t.Helper()
	node := startFor(t, clustered(t), args...)
	client := node.Client(t)
	// Each master gets its own configuration epoch, because masters with equal epochs
	// would first have to resolve this conflict.
	require.NoError(t, client.Do(t.Context(), "cluster", "set-config-epoch", firstSlot+1).Err())
	require.NoError(t, client.ClusterAddSlotsRange(t.Context(), firstSlot, lastSlot).Err())
	return node
}

// StartReplicated starts a Cluster for one test in which each master has a replica. The
// replica takes over when its master dies. replicas[i] replicates masters[i]. The arguments
// in args are passed to each redis-server.
func StartReplicated(t testing.TB, count int, args ...string) (masters, replicas Cluster) {
	t.Helper()
	masters = StartCluster(t, count, args...)
	for range masters {
		replica := startFor(t, clustered(t), args...)
		replica.meet(t, masters[0])
		replicas = append(replicas, replica)
	}
	for i, replica := range replicas {
		replica.follow(t, masters[i])
	}
	return masters, replicas
}

// meet makes the server s a node of the Cluster to which member belongs.
func (s *Server) meet(t testing.TB, member *Server) {
	t.Helper()
	bus, err := member.Client(t).ConfigGet(t.Context(), "cluster-port").Result()
	require.NoError(t, err)
	require.NoError(t, s.Client(t).Do(t.Context(), "cluster", "meet", "127.0.0.1", member.Port, bus["cluster-port"]).Err())
}

// follow makes the server s a replica of master as soon as s has met master. It waits
// until s is in sync.
func (s *Server) follow(t testing.TB, master *Server) {
	t.Helper()
	client := s.Client(t)
	id, err := master.Client(t).Do(t.Context(), "cluster", "myid").Text()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return client.Do(context.Background(), "cluster", "replicate", id).Err() == nil
	}, 15*time.Second, 20*time.Millisecond)
	master.AwaitReplica(t)
}

// MoveWithKeys migrates the slot of a key and all keys in it to another node while
// the slot is in use, as an operator does.
func (c Cluster) MoveWithKeys(t testing.TB, key string, to *Server) {
	t.Helper()
	from := c.Owner(t, key)
	source, target := from.Client(t), to.Client(t)
	slot := source.ClusterKeySlot(t.Context(), key).Val()
	idOf := func(client *redis.Client) string { return client.Do(t.Context(), "cluster", "myid").Val().(string) }
	fromID, toID := idOf(source), idOf(target)
	require.NoError(t, target.Do(t.Context(), "cluster", "setslot", slot, "importing", fromID).Err())
	require.NoError(t, source.Do(t.Context(), "cluster", "setslot", slot, "migrating", toID).Err())
	for {
		keys, err := source.ClusterGetKeysInSlot(t.Context(), int(slot), 5).Result()
		require.NoError(t, err)
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", "127.0.0.1", to.Port, "", 0, 5000, "keys"}
		for _, key := range keys {
			args = append(args, key)
		}
		require.NoError(t, source.Do(t.Context(), args...).Err())
	}
	for _, client := range []*redis.Client{target, source} {
		require.NoError(t, client.Do(t.Context(), "cluster", "setslot", slot, "node", toID).Err())
	}
}

// clustered returns a function that builds the arguments of redis-server for a node of a
// Cluster.
func clustered(t testing.TB) arguments {
	return func(port, dir string) []string {
		bus, err := freePort()
		require.NoError(t, err)
		return append(standalone(port, dir),
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1000",
			"--cluster-config-file", filepath.Join(dir, "nodes.conf"),
			"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
		)
	}
}

// AwaitOK waits until every node accepts writes.
func (c Cluster) AwaitOK(t testing.TB) {
	t.Helper()
	for _, node := range c {
		client := node.Client(t)
		require.Eventually(t, func() bool { return c.isOK(client) }, 15*time.Second, 20*time.Millisecond)
	}
}

// isOK reports whether a node has met all other nodes and accepts writes.
func (c Cluster) isOK(client *redis.Client) bool {
	ctx := context.Background()
	info, _ := client.ClusterInfo(ctx).Result()
	shards, _ := client.ClusterShards(ctx).Result()
	placed := 0
	for _, shard := range shards {
		placed += len(shard.Slots)
	}
	return placed == len(c) && strings.Contains(info, "cluster_state:ok")
}

// URL returns the URL of the Cluster. The URL names every node.
func (c Cluster) URL() string {
	more := url.Values{}
	for _, node := range c[1:] {
		more.Add("addr", node.Addr())
	}
	return "redis+cluster://" + c[0].Addr() + "?" + more.Encode()
}

// Owner returns the node that owns the slot of key.
func (c Cluster) Owner(t testing.TB, key string) *Server {
	t.Helper()
	client := c[0].Client(t)
	slot := client.ClusterKeySlot(t.Context(), key).Val()
	shards, err := client.ClusterShards(t.Context()).Result()
	require.NoError(t, err)
	for _, shard := range shards {
		for _, slots := range shard.Slots {
			if slots.Start <= slot && slot <= slots.End {
				return c.at(shard.Nodes[0].Port)
			}
		}
	}
	require.Fail(t, "no node owns the slot of "+key)
	return nil
}

// at returns the node that listens on port.
func (c Cluster) at(port int64) *Server {
	for _, node := range c {
		if node.Port == strconv.FormatInt(port, 10) {
			return node
		}
	}
	return nil
}

// Move assigns the slot of key to the node target. The slot must be empty.
func (c Cluster) Move(t testing.TB, key string, target *Server) {
	t.Helper()
	slot := c[0].Client(t).ClusterKeySlot(t.Context(), key).Val()
	id := target.Client(t).Do(t.Context(), "cluster", "myid").Val()
	for _, node := range c {
		require.NoError(t, node.Client(t).Do(t.Context(), "cluster", "setslot", slot, "node", id).Err())
	}
}
