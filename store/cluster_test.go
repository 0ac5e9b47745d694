package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestCluster runs all steps on the same Cluster, because starting a Cluster takes
// seconds. The last step kills a master.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := storetest.StartCluster(t, 3)
	for _, step := range []struct {
		name string
		test func(*testing.T, storetest.Cluster)
	}{
		{"runs transitions on every node", testTransitionsOnEveryNode},
		{"refuses keys of another slot", testKeysOfAnotherSlot},
		{"receives wake-ups from every node", testWakeUpsFromEveryNode},
		{"sweeps every node", testSweeperOnEveryNode},
		{"refuses a node with an eviction policy", testNodeWithEvictionPolicy},
		{"follows a moved slot", testMovedSlot},
		{"a dead master affects only its own tenants", testDeadMaster},
	} {
		t.Run(step.name, func(t *testing.T) { step.test(t, nodes) })
	}
}

// tenants returns 30 tenants, so that each node of a Cluster has some of them.
func tenants() []string {
	all := make([]string, 30)
	for i := range all {
		all[i] = storetest.Tenant()
	}
	return all
}

func connectCluster(t *testing.T, nodes storetest.Cluster, pipelined bool) *store.Store {
	t.Helper()
	return storetest.Connect(t, store.Config{URL: nodes.URL(), AutoPipeline: pipelined})
}

func testTransitionsOnEveryNode(t *testing.T, nodes storetest.Cluster) {
	for _, pipelined := range []bool{false, true} {
		s := connectCluster(t, nodes, pipelined)
		for _, tenant := range tenants() {
			emit(t, s, deviceOf(tenant), "ready")
		}
		require.Empty(t, runConcurrently(s, 64))
		info, err := s.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, "cluster", info.Mode)
	}
	for _, node := range nodes {
		require.Positive(t, node.Client(t).DBSize(t.Context()).Val(), "the node has no keys")
	}
	require.Equal(t, connectCluster(t, nodes, false).HashKey(), connectCluster(t, nodes, true).HashKey())
}

// testKeysOfAnotherSlot runs scripts with keys of two partitions. The scripts must fail
// even if both partitions are on the same node, because an operator may move one of them.
func testKeysOfAnotherSlot(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, false)
	script := newScript(`return { 'ok', redis.call('INCR', ARGV[1]) }`)
	for p := range store.Partitions {
		other := store.Partition(p).DueKey()
		if p == int(store.PartitionOf("c.acme")) {
			continue
		}
		_, err := s.Run(t.Context(), script, []string{store.Tenant("c.acme").StreamKey()}, other)
		requireCode(t, fieldgate.CodeInternal, err)
		_, err = s.Run(t.Context(), countScript, []string{store.Tenant("c.acme").StreamKey(), other})
		require.ErrorContains(t, err, "CROSSSLOT")
	}
}

func testWakeUpsFromEveryNode(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	for _, tenant := range tenants() {
		d := deviceOf(tenant)
		emit(t, s, d, "ready")
		for w := range l.wakes {
			if w.DeviceID == d.ID {
				require.True(t, w.Ready)
				break
			}
		}
	}
}

func testSweeperOnEveryNode(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, false)
	settled := newSettler(t, s)
	for _, tenant := range tenants() {
		p := store.PartitionOf(tenant)
		addDue(t, s, p, time.Now().Add(-time.Hour), member("command", tenant), "broken "+tenant)
	}
	sweepAll(t, s, map[string]store.Settle{"command": settled.settle})
	require.Len(t, settled.times, 30)
	require.Len(t, quarantined(t, s), 30)
}

func testNodeWithEvictionPolicy(t *testing.T, nodes storetest.Cluster) {
	last := nodes[len(nodes)-1].Client(t)
	require.NoError(t, last.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	_, err := connectLogged(t, nodes.URL())
	require.ErrorContains(t, err, "allkeys-lru")
	require.NoError(t, last.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
}

func testMovedSlot(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	require.Empty(t, runConcurrently(s, callers))
	first := nodes[0].Client(t)
	key := newKey()
	for nodes.Owner(t, key) != nodes[0] || keysInSlotOf(t, first, key) > 0 {
		key = newKey()
	}
	nodes.Move(t, key, nodes[1])
	require.EqualValues(t, 1, count(t, s, key))
	require.EqualValues(t, 1, keysInSlotOf(t, nodes[1].Client(t), key))
}

func keysInSlotOf(t *testing.T, node *redis.Client, key string) int64 {
	t.Helper()
	slot := node.ClusterKeySlot(t.Context(), key).Val()
	return node.ClusterCountKeysInSlot(t.Context(), int(slot)).Val()
}

func testDeadMaster(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	dead := nodes.Owner(t, "fg:wake")
	onDead, onLive := map[string]bool{}, map[string]bool{}
	for _, tenant := range tenants() {
		p := store.PartitionOf(tenant)
		due := member("command", tenant)
		addDue(t, s, p, time.Now().Add(-time.Hour), due)
		if nodes.Owner(t, p.DueKey()) == dead {
			onDead[due] = true
		} else {
			onLive[due] = true
		}
	}
	dead.Kill()
	settled := newSettler(t, s)
	settle := map[string]store.Settle{"command": settled.settle}
	require.Eventually(t, func() bool {
		_, err := s.SweepOnce(context.WithoutCancel(t.Context()), settle)
		return err != nil && settled.len() == len(onLive)
	}, 10*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, onDead, "the dead master has no due members")
	l.receives(store.Wake{}) // the zero Wake means that the listener has connected to another node
	publish(t, s, "event dev tenant 1-0")
	l.receives(store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})

	dead.Restart(t)
	require.Eventually(t, func() bool {
		_, _ = s.SweepOnce(context.WithoutCancel(t.Context()), settle)
		return settled.len() == len(onLive)+len(onDead)
	}, 10*time.Second, 10*time.Millisecond, fmt.Sprint(len(onDead), " members must be settled"))
}
