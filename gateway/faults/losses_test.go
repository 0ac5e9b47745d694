package faults_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// countScript increments a counter. If a fault of Redis decreases the counter, acknowledged
// writes are lost.
var countScript = store.NewScript(fstest.MapFS{"count.lua": {Data: []byte(`return { 'ok', redis.call('INCR', KEYS[1]) }`)}}, "count.lua")

// writers are 32 concurrent writers, each with a counter of its own.
type writers struct {
	acked   [32]atomic.Int64 // last acknowledged value of each writer
	stopped atomic.Bool
	all     sync.WaitGroup
}

func (w *writers) key(i int) string { return store.Partition(i).DueKey() + ":count" }

// start starts the writers. They call write, which increments a counter and returns the new
// value.
func (w *writers) start(write func(key string) (int64, error)) {
	for i := range w.acked {
		w.all.Go(func() {
			for !w.stopped.Load() {
				n, err := write(w.key(i))
				if err != nil {
					return
				}
				w.acked[i].Store(n)
			}
		})
	}
}

// losses stops the writers. It returns the number of lost acknowledged writes, and the number
// of all acknowledged writes.
func (w *writers) losses(t testing.TB, c *redis.Client) (lost, acked int64) {
	t.Helper()
	w.stopped.Store(true)
	w.all.Wait()
	for i := range w.acked {
		kept, err := c.Get(t.Context(), w.key(i)).Int64()
		if err != nil {
			require.ErrorIs(t, err, redis.Nil)
		}
		acked += w.acked[i].Load()
		lost += max(0, w.acked[i].Load()-kept)
	}
	return lost, acked
}

// viaStore returns a write function that uses the store as the gateway does.
func viaStore(s *store.Store) func(key string) (int64, error) {
	return func(key string) (int64, error) {
		reply, err := s.Run(context.Background(), countScript, []string{key})
		return reply.Int(1), err
	}
}

// lossTally sums up losses over several kills.
type lossTally struct{ kills, killsWithLoss, acked, lost, delayed int64 }

func (l *lossTally) add(lost, acked int64) {
	l.kills++
	l.acked += acked
	l.lost += lost
	if lost > 0 {
		l.killsWithLoss++
	}
}

func (l *lossTally) String() string {
	return fmt.Sprintf("kills=%d with-loss=%d writes-acked=%d writes-lost=%d", l.kills, l.killsWithLoss, l.acked, l.lost)
}

// disks are the kinds of disk that Redis may run on.
var disks = map[string]struct {
	fsync string // delay of an fsync, in ms
	busy  bool   // another process writes to the disk all the time
}{
	"quiet disk": {"0", false}, "busy disk": {"0", true}, "disk with fsyncs of 1.5 s": {"1500", false},
}

func TestMeasure_RedisKilled(t *testing.T) {
	n := rounds(t)
	for _, policy := range []string{"no", "everysec", "always"} {
		for disk := range disks {
			if policy == "always" && disks[disk].fsync != "0" {
				continue // writes take longer than the gateway waits
			}
			var sum lossTally
			for round := range n {
				measureKill(t, policy, disk, round, &sum)
			}
			printFigure(t, fmt.Sprintf("Redis killed: appendfsync %s, %s", policy, disk), fmt.Sprintf("%s writes-put-off=%d", &sum, sum.delayed))
			if policy != "everysec" {
				require.Zero(t, sum.lost)
			}
		}
	}
}

func measureKill(t *testing.T, policy, disk string, round int, sum *lossTally) {
	t.Run(fmt.Sprintf("%s/%s/%d", policy, disk, round), func(t *testing.T) {
		dir := t.TempDir()
		server := startShimmed(t, "FIELDGATE_TEST_FSYNC="+disks[disk].fsync, "--dir", dir, "--appendfsync", policy)
		direct := server.Client(t)
		var w writers
		w.start(viaStore(storetest.Connect(t, store.Config{URL: server.URL(), AutoPipeline: true, Timeout: time.Minute})))
		if disks[disk].busy {
			defer keepDiskBusy(t, dir)()
		}
		sleep(t.Context(), newRandom(uint64(round), 0).between(1200*time.Millisecond, 2500*time.Millisecond))
		sum.delayed += info(direct, "persistence", "aof_delayed_fsync")
		server.Kill()
		server.Restart(t)
		sum.add(w.losses(t, direct))
	})
}

// keepDiskBusy writes to the disk all the time, until stop is called.
func keepDiskBusy(t testing.TB, dir string) (stop func()) {
	var stopped atomic.Bool
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			name := filepath.Join(dir, fmt.Sprint("busy", i))
			for !stopped.Load() {
				file, err := os.Create(name)
				if err != nil {
					t.Error(err)
					return
				}
				for range 16 {
					_, _ = file.Write(make([]byte, 4<<20))
				}
				_, _ = file.Sync(), file.Close()
			}
		})
	}
	return func() {
		stopped.Store(true)
		all.Wait()
	}
}

func info(c *redis.Client, section, field string) (n int64) {
	text, _ := c.Info(context.Background(), section).Result()
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			_, _ = fmt.Sscan(value, &n)
		}
	}
	return n
}

func TestMeasure_Failover(t *testing.T) {
	n := rounds(t)
	for _, wait := range []bool{false, true} {
		for _, delay := range []int{0, 2, 20} {
			var sum lossTally
			for round := range n {
				measureFailover(t, wait, delay, round, &sum)
			}
			printFigure(t, fmt.Sprintf("machine of the master dies: replica %d ms away, WAIT %t", delay, wait), &sum)
			if wait {
				require.Zero(t, sum.lost)
			}
		}
	}
}

// measureFailover stops the link between master and replica, kills the master and promotes
// the replica. Writes that have not reached the replica are lost, as when the master's
// machine dies.
func measureFailover(t *testing.T, wait bool, delay, round int, sum *lossTally) {
	t.Run(fmt.Sprintf("%t/%d/%d", wait, delay, round), func(t *testing.T) {
		proxy, master := startToxiproxy(t), storetest.Start(t, "--repl-diskless-sync-delay", "0")
		_, port, _ := strings.Cut(proxy.add("link", master.Addr()), ":")
		replica := storetest.Start(t, "--replicaof", "127.0.0.1 "+port)
		follower := replica.Client(t)
		master.AwaitReplica(t)
		if delay > 0 {
			proxy.addToxic("link", toxic{Type: "latency", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"latency": delay}})
		}
		var w writers
		if wait {
			w.start(withWait(master.Client(t)))
		} else {
			w.start(viaStore(storetest.Connect(t, store.Config{URL: master.URL(), AutoPipeline: true})))
		}
		sleep(t.Context(), newRandom(uint64(round), 0).between(300*time.Millisecond, 900*time.Millisecond))
		proxy.setEnabled("link", false)
		master.Kill()
		require.NoError(t, follower.Do(t.Context(), "replicaof", "no", "one").Err())
		sum.add(w.losses(t, follower))
	})
}

// withWait returns a write function that waits with WAIT until one replica has the write. The
// function returns an error if no replica has it.
func withWait(c *redis.Client) func(key string) (int64, error) {
	return func(key string) (n int64, err error) {
		conn := c.Conn()
		defer conn.Close()
		if n, err = conn.Incr(context.Background(), key).Result(); err != nil {
			return 0, err
		}
		copies, err := conn.Wait(context.Background(), 1, time.Second).Result()
		if err == nil && copies < 1 {
			err = fmt.Errorf("no replica has the write")
		}
		return n, err
	}
}
