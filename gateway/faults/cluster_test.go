package faults_test

import (
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

// writeRecoveryLimit is the time limit until writes succeed after a master of a Cluster was
// killed. The failover begins after the node timeout, which storetest sets to 1 s, and may
// be slow on a busy machine. With go-redis's default ClusterStateReloadInterval, the
// recovery takes a minute.
const writeRecoveryLimit = 10 * time.Second

// newClusterSite starts a site with tenants on every master.
func newClusterSite(t testing.TB, seed uint64, nodes storetest.Cluster) *site {
	t.Helper()
	direct := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{nodes[0].Addr(), nodes[1].Addr(), nodes[2].Addr()}, ClusterStateReloadInterval: time.Second,
	})
	t.Cleanup(func() { _ = direct.Close() })
	return newSite(t, plan{seed: seed, tenants: 6, devices: 1, name: func(i int) (name string) {
		for n := 0; ; n++ {
			name = fmt.Sprintf("tenant-%d-%d-%d", seed, i, n)
			if nodes.Owner(t, dueKeyOf(name)) == nodes[i%len(nodes)] {
				return name
			}
		}
	}}, nodes.URL(), direct)
}

func dueKeyOf(tenantID string) string { return gatewaytest.PartitionOf(tenantID).DueKey() }

func TestCluster_KilledMasterLosesOnlyUnreplicatedWrites(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		masters, _ := storetest.StartReplicated(t, 3)
		s := newClusterSite(t, seed, masters)
		s.requireWakeUps()
		var down time.Duration
		s.runWithFault(func() {
			dead := masters.Owner(t, dueKeyOf(s.tenants[seed%6].tenantID))
			dead.Kill()
			down = s.awaitAllWrites()
		})
		t.Logf("seed %d: writes of all tenants succeeded after %s", seed, down.Round(time.Millisecond))
		require.Less(t, down, writeRecoveryLimit)
		s.requireWakeUps()
		s.verifyAfterFailover()
	})
}

// awaitAllWrites waits until a device of every tenant can write. It returns how long that
// took.
func (s *site) awaitAllWrites() time.Duration {
	s.t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	for _, c := range s.tenants {
		all.Go(func() {
			for c.devices[0].sendHeartbeat() != nil && time.Since(began) < 20*time.Second {
				sleep(s.t.Context(), 10*time.Millisecond)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

func (d *device) sendHeartbeat() error {
	_, err := d.Heartbeat(d.t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})
	return err
}

// requireWakeUps requires for each tenant that a waiting claim gets a new command through a
// wake-up, before the claim itself checks for commands.
func (s *site) requireWakeUps() {
	s.t.Helper()
	rnd := newRandom(s.seed, 3000)
	for _, c := range s.tenants {
		d := c.devices[0]
		d.finishReady(rnd)
		got := make(chan []client.ClaimedCommand)
		go func() { got <- d.claim(rnd, client.ClaimRequest{WaitMs: 4000, VisibilityTimeoutMs: 5000}) }()
		sleep(s.t.Context(), 300*time.Millisecond)
		began := time.Now()
		d.proposeOne(newRandom(s.seed, 3001), auto, 0)
		claimed := <-got
		require.Len(s.t, claimed, 1, "the waiting claim of %s is not woken", c.tenantID)
		require.Less(s.t, time.Since(began), 3*time.Second, "the waiting claim of %s is woken late", c.tenantID)
		d.submitResult(rnd, claimed[0])
	}
}

func TestCluster_SlotMigrationLosesNothing(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		masters := storetest.StartCluster(t, 3)
		s := newClusterSite(t, seed, masters)
		s.runWithFault(func() {
			for i, c := range s.tenants[:4] {
				from := masters.Owner(t, dueKeyOf(c.tenantID))
				to := masters[i%3]
				if from == to {
					to = masters[(i+1)%3]
				}
				masters.MoveWithKeys(t, dueKeyOf(c.tenantID), to)
				sleep(t.Context(), 100*time.Millisecond)
			}
		})
		s.verify()
	})
}

func TestSentinel_FailoverLosesOnlyUnreplicatedWrites(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, seed uint64) {
		master, replica, url := startReplicated(t)
		s := newSite(t, plan{seed: seed}, url, master.Client(t))
		s.runWithFault(func() {
			master.Kill()
			s.store = replica.Client(t)
			took := s.awaitAllWrites()
			t.Logf("seed %d: writes succeeded after %s", seed, took.Round(time.Millisecond))
		})
		s.verifyAfterFailover()
	})
}

// startReplicated starts a master with a replica, and a Sentinel that knows both.
func startReplicated(t testing.TB, args ...string) (master, replica *storetest.Server, url string) {
	t.Helper()
	master = storetest.Start(t, append(args, "--repl-diskless-sync-delay", "0")...)
	replica = storetest.Start(t, append(args, "--replicaof", "127.0.0.1 "+master.Port)...)
	master.AwaitReplica(t)
	sentinel, url := storetest.StartSentinel(t, master)
	sentinel.AwaitKnownReplicas(t, 1)
	return master, replica, url
}
