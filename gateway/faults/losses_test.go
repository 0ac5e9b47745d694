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

// countScript counts up: what was answered last must be there later.
var countScript = store.NewScript(fstest.MapFS{"count.lua": {Data: []byte(`return { 'ok', redis.call('INCR', KEYS[1]) }`)}}, "count.lua")

// writers write as fast as they are answered.
type writers struct {
	acked   [32]atomic.Int64 // the last answer that each got
	stopped atomic.Bool
	all     sync.WaitGroup
}

func (w *writers) key(i int) string { return store.Partition(i).DueKey() + ":count" }

// start begins to write. A write tells what was answered.
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

// losses waits for the writers and counts what was answered and is not there.
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

// written writes as the gateway does.
func written(s *store.Store) func(key string) (int64, error) {
	return func(key string) (int64, error) {
		reply, err := s.Run(context.Background(), countScript, []string{key})
		return reply.Int(1), err
	}
}

// tally sums up over the kills.
type tally struct{ kills, killsWithLoss, acked, lost, delayed int64 }

func (y *tally) add(lost, acked int64) {
	y.kills++
	y.acked += acked
	y.lost += lost
	if lost > 0 {
		y.killsWithLoss++
	}
}

func (y *tally) String() string {
	return fmt.Sprintf("kills=%d with-loss=%d writes-acked=%d writes-lost=%d", y.kills, y.killsWithLoss, y.acked, y.lost)
}

// disks are what the file of a Redis may be on.
var disks = map[string]struct {
	fsync string // ms that it takes longer
	busy  bool   // somebody else writes a lot
}{
	"quiet disk": {"0", false}, "busy disk": {"0", true}, "disk with fsyncs of 1.5 s": {"1500", false},
}

func TestMeasure_RedisKilled(t *testing.T) {
	n := rounds(t)
	for _, policy := range []string{"no", "everysec", "always"} {
		for disk := range disks {
			if policy == "always" && disks[disk].fsync != "0" {
				continue // it takes no write in the time that the gateway gives it
			}
			var sum tally
			for round := range n {
				killRedis(t, policy, disk, round, &sum)
			}
			figure(t, fmt.Sprintf("Redis killed: appendfsync %s, %s", policy, disk), fmt.Sprintf("%s writes-put-off=%d", &sum, sum.delayed))
			if policy != "everysec" {
				require.Zero(t, sum.lost)
			}
		}
	}
}

func killRedis(t *testing.T, policy, disk string, round int, sum *tally) {
	t.Run(fmt.Sprintf("%s/%s/%d", policy, disk, round), func(t *testing.T) {
		dir := t.TempDir()
		server := startShimmed(t, "FIELDGATE_TEST_FSYNC="+disks[disk].fsync, "--dir", dir, "--appendfsync", policy)
		direct := server.Client(t)
		var w writers
		w.start(written(storetest.Connect(t, store.Config{URL: server.URL(), AutoPipeline: true, Timeout: time.Minute})))
		if disks[disk].busy {
			defer makeBusy(t, dir)()
		}
		pause(t.Context(), newDice(uint64(round), 0).between(1200*time.Millisecond, 2500*time.Millisecond))
		sum.delayed += info(direct, "persistence", "aof_delayed_fsync")
		server.Kill()
		server.Restart(t)
		sum.add(w.losses(t, direct))
	})
}

// makeBusy keeps the disk busy, as a neighbour does who writes a lot.
func makeBusy(t testing.TB, dir string) (stop func()) {
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
		for _, away := range []int{0, 2, 20} {
			var sum tally
			for round := range n {
				failOver(t, wait, away, round, &sum)
			}
			figure(t, fmt.Sprintf("machine of the master dies: replica %d ms away, WAIT %t", away, wait), &sum)
			if wait {
				require.Zero(t, sum.lost)
			}
		}
	}
}

// failOver has the machine of a master die, and with it what is under way to the
// replica, which takes over.
func failOver(t *testing.T, wait bool, away, round int, sum *tally) {
	t.Run(fmt.Sprintf("%t/%d/%d", wait, away, round), func(t *testing.T) {
		proxy, master := startToxiproxy(t), storetest.Start(t, "--repl-diskless-sync-delay", "0")
		_, port, _ := strings.Cut(proxy.to("link", master.Addr()), ":")
		replica := storetest.Start(t, "--replicaof", "127.0.0.1 "+port)
		follower := replica.Client(t)
		master.AwaitReplica(t)
		if away > 0 {
			proxy.poison("link", toxic{Type: "latency", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"latency": away}})
		}
		var w writers
		if wait {
			w.start(waiting(master.Client(t)))
		} else {
			w.start(written(storetest.Connect(t, store.Config{URL: master.URL(), AutoPipeline: true})))
		}
		pause(t.Context(), newDice(uint64(round), 0).between(300*time.Millisecond, 900*time.Millisecond))
		proxy.enable("link", false)
		master.Kill()
		require.NoError(t, follower.Do(t.Context(), "replicaof", "no", "one").Err())
		sum.add(w.losses(t, follower))
	})
}

// waiting writes and waits for a replica to have it: an answer without that is none.
func waiting(c *redis.Client) func(key string) (int64, error) {
	return func(key string) (n int64, err error) {
		conn := c.Conn()
		defer conn.Close()
		if n, err = conn.Incr(context.Background(), key).Result(); err != nil {
			return 0, err
		}
		copies, err := conn.Wait(context.Background(), 1, time.Second).Result()
		if err == nil && copies < 1 {
			err = fmt.Errorf("no replica has it")
		}
		return n, err
	}
}
