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

// The steps share one Cluster, because starting one takes seconds. The last one
// leaves it with a dead master.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	nodes := storetest.StartCluster(t, 3)
	for _, step := range []struct {
		name string
		test func(*testing.T, storetest.Cluster)
	}{
		{"transitions run, wherever their tenant is", transitionsRunEverywhere},
		{"a script is kept from the keys of another slot", keysOfAnotherSlotAreRefused},
		{"wake-ups are heard from every node", wakeUpsAreHeardFromEveryNode},
		{"the sweeper reaches every node", theSweeperReachesEveryNode},
		{"a node that would throw commands away is found", anUnfitNodeIsFound},
		{"a slot that moves is followed", aSlotThatMovesIsFollowed},
		{"a dead master keeps only its own tenants waiting", aDeadMasterKeepsOnlyItsOwnWaiting},
	} {
		t.Run(step.name, func(t *testing.T) { step.test(t, nodes) })
	}
}

// tenants are spread over all nodes.
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

func transitionsRunEverywhere(t *testing.T, nodes storetest.Cluster) {
	for _, pipelined := range []bool{false, true} {
		s := connectCluster(t, nodes, pipelined)
		for _, tenant := range tenants() {
			emit(t, s, deviceOf(tenant), "ready")
		}
		require.Empty(t, crowd(s, 64))
		info, err := s.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, "cluster", info.Mode)
	}
	for _, node := range nodes {
		require.Positive(t, node.Client(t).DBSize(t.Context()).Val(), "nobody lives there")
	}
	require.Equal(t, connectCluster(t, nodes, false).HashKey(), connectCluster(t, nodes, true).HashKey())
}

// Two partitions may be on one node today, and apart tomorrow.
func keysOfAnotherSlotAreRefused(t *testing.T, nodes storetest.Cluster) {
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

func wakeUpsAreHeardFromEveryNode(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	for _, tenant := range tenants() {
		d := deviceOf(tenant)
		emit(t, s, d, "ready")
		for w := range e.heard {
			if w.DeviceID == d.ID {
				require.True(t, w.Ready)
				break
			}
		}
	}
}

func theSweeperReachesEveryNode(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, false)
	all := &settled{t: t, store: s, times: map[string]int{}}
	for _, tenant := range tenants() {
		p := store.PartitionOf(tenant)
		plant(t, s, p, time.Now().Add(-time.Hour), member("command", tenant), "broken "+tenant)
	}
	settleAll(t, s, map[string]store.Settle{"command": all.settle})
	require.Len(t, all.times, 30)
	require.Len(t, quarantined(t, s), 30)
}

func anUnfitNodeIsFound(t *testing.T, nodes storetest.Cluster) {
	last := nodes[len(nodes)-1].Client(t)
	require.NoError(t, last.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	_, err := connectLogged(t, nodes.URL())
	require.ErrorContains(t, err, "allkeys-lru")
	require.NoError(t, last.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
}

func aSlotThatMovesIsFollowed(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	require.Empty(t, crowd(s, callers))
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

func aDeadMasterKeepsOnlyItsOwnWaiting(t *testing.T, nodes storetest.Cluster) {
	s := connectCluster(t, nodes, true)
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	dead := nodes.Owner(t, "fg:wake")
	theirs, ours := map[string]bool{}, map[string]bool{}
	for _, tenant := range tenants() {
		p := store.PartitionOf(tenant)
		one := member("command", tenant)
		plant(t, s, p, time.Now().Add(-time.Hour), one)
		if nodes.Owner(t, p.DueKey()) == dead {
			theirs[one] = true
		} else {
			ours[one] = true
		}
	}
	dead.Kill()
	all := &settled{t: t, store: s, times: map[string]int{}}
	settle := map[string]store.Settle{"command": all.settle}
	require.Eventually(t, func() bool {
		_, err := s.SweepOnce(context.WithoutCancel(t.Context()), settle)
		return err != nil && all.len() == len(ours)
	}, 10*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, theirs, "the dead master had nothing")
	e.hears(store.Wake{}) // it listens to another node
	publish(t, s, "event dev tenant 1-0")
	e.hears(store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})

	dead.Restart(t)
	require.Eventually(t, func() bool {
		_, _ = s.SweepOnce(context.WithoutCancel(t.Context()), settle)
		return all.len() == len(ours)+len(theirs)
	}, 10*time.Second, 10*time.Millisecond, fmt.Sprint(len(theirs), " are not settled"))
}
