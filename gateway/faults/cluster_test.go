package faults_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// backWithin is how fast writes are back after a master of a Cluster has died: its
// node timeout, which storetest sets to 1 s, and 3 s more.
const backWithin = 4 * time.Second

// newClusterSite starts a site with customers on every master.
func newClusterSite(t testing.TB, seed uint64, nodes storetest.Cluster) *site {
	t.Helper()
	direct := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{nodes[0].Addr(), nodes[1].Addr(), nodes[2].Addr()}, ClusterStateReloadInterval: time.Second,
	})
	t.Cleanup(func() { _ = direct.Close() })
	return newSite(t, plan{seed: seed, customers: 6, devices: 1, name: func(i int) (name string) {
		for n := 0; ; n++ {
			name = fmt.Sprintf("customer-%d-%d-%d", seed, i, n)
			if nodes.Owner(t, dueKeyOf(name)) == nodes[i%len(nodes)] {
				return name
			}
		}
	}}, nodes.URL(), direct)
}

func dueKeyOf(customerID string) string { return gatewaytest.PartitionOf(customerID).DueKey() }

func TestCluster_KilledMasterLosesOnlyUnreplicatedWrites(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		masters, _ := storetest.StartReplicated(t, 3)
		s := newClusterSite(t, seed, masters)
		s.requireWoken()
		var down time.Duration
		s.under(func() {
			dead := masters.Owner(t, dueKeyOf(s.customers[seed%6].id))
			dead.Kill()
			down = s.untilAllWrite()
		})
		t.Logf("seed %d: writes of all customers were back after %s", seed, down.Round(time.Millisecond))
		require.Less(t, down, backWithin)
		s.requireWoken()
		s.accountButLately()
	})
}

// untilAllWrite waits until every customer's device gets through to its master.
func (s *site) untilAllWrite() time.Duration {
	s.t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for _, c := range s.customers {
		all.Go(func() {
			for c.devices[0].beat() != nil && time.Since(began) < 20*time.Second {
				pause(s.t.Context(), 10*time.Millisecond)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

func (d *device) beat() error {
	_, err := d.Heartbeat(d.t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	return err
}

// requireWoken holds that a claim which waits hears of a new command at once, for a
// customer on each master: sooner than it would have looked by itself.
func (s *site) requireWoken() {
	s.t.Helper()
	roll := newDice(s.seed, 3000)
	for _, c := range s.customers {
		d := c.devices[0]
		d.finishAll(roll)
		got := make(chan []client.ClaimedCommand)
		go func() { got <- d.claim(roll, client.ClaimRequest{WaitMs: 4000, VisibilityTimeoutMs: 5000}) }()
		pause(s.t.Context(), 300*time.Millisecond)
		began := time.Now()
		d.proposeOne(newDice(s.seed, 3001), auto, 0)
		claimed := <-got
		require.Len(s.t, claimed, 1, "%s is not woken", c.id)
		require.Less(s.t, time.Since(began), 2*time.Second, "%s is woken late", c.id)
		d.report(roll, claimed[0])
	}
}

func TestCluster_SlotMigrationLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		masters := storetest.StartCluster(t, 3)
		s := newClusterSite(t, seed, masters)
		s.under(func() {
			for i, c := range s.customers[:4] {
				from := masters.Owner(t, dueKeyOf(c.id))
				to := masters[i%3]
				if from == to {
					to = masters[(i+1)%3]
				}
				masters.MoveWithKeys(t, dueKeyOf(c.id), to)
				pause(t.Context(), 100*time.Millisecond)
			}
		})
		s.account()
	})
}

func TestSentinel_FailoverLosesOnlyUnreplicatedWrites(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, seed uint64) {
		master, replica, url := replicated(t)
		s := newSite(t, plan{seed: seed}, url, master.Client(t))
		s.under(func() {
			master.Kill()
			s.store = replica.Client(t)
			took := s.untilAllWrite()
			t.Logf("seed %d: writes were back after %s", seed, took.Round(time.Millisecond))
		})
		s.accountButLately()
	})
}

// replicated starts a master with a replica, and a Sentinel that knows both.
func replicated(t testing.TB, args ...string) (master, replica *storetest.Server, url string) {
	t.Helper()
	master = storetest.Start(t, append(args, "--repl-diskless-sync-delay", "0")...)
	replica = storetest.Start(t, append(args, "--replicaof", "127.0.0.1 "+master.Port)...)
	master.AwaitReplica(t)
	sentinel, url := storetest.StartSentinel(t, master)
	watcher := sentinel.Client(t)
	eventually(t, 20*time.Second, "the sentinel knows no replica", func() bool {
		known, _ := watcher.Do(context.Background(), "sentinel", "replicas", "fieldgate").Slice()
		return len(known) == 1
	})
	return master, replica, url
}
