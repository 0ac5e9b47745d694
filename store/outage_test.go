package store_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// failingServer is a server that a test makes fail, with a connection that was opened
// before the failure.
type failingServer struct {
	*storetest.Server
	t     *testing.T
	admin *redis.Client
}

// outages are the failures of a server. begin starts the failure, and end ends it.
var outages = map[string]struct{ begin, end func(f failingServer) }{
	"killed": {
		begin: func(f failingServer) { f.Kill() },
		end:   func(f failingServer) { f.Restart(f.t) },
	},
	"frozen": {
		begin: func(f failingServer) { f.Signal(f.t, syscall.SIGSTOP) },
		end:   func(f failingServer) { f.Signal(f.t, syscall.SIGCONT) },
	},
	"without its replicas": {
		begin: func(f failingServer) { f.set("min-replicas-to-write", "1") },
		end:   func(f failingServer) { f.set("min-replicas-to-write", "0") },
	},
	"made a replica": {
		begin: func(f failingServer) { f.do("replicaof", "127.0.0.1", "1") },
		end:   func(f failingServer) { f.do("replicaof", "no", "one") },
	},
	"unable to write a snapshot": {
		begin: func(f failingServer) { // a directory with the name of the snapshot file makes the write fail
			dir := f.admin.ConfigGet(f.t.Context(), "dir").Val()["dir"]
			require.NoError(f.t, os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700))
			f.set("save", "3600 1")
			f.do("bgsave")
			f.awaitReply("MISCONF", "set", "key", "value")
		},
		end: func(f failingServer) { f.set("save", "") },
	},
	"busy with a script": {
		begin: func(f failingServer) {
			f.set("busy-reply-threshold", "1")
			f.inBackground("eval", "while true do end", 0)
			f.awaitReply("BUSY", "ping")
		},
		end: func(f failingServer) {
			f.do("script", "kill")
			f.awaitReply("PONG", "ping")
		},
	},
	"loading its data": {
		begin: func(f failingServer) {
			// While the server loads its append-only file, it replies to clients only
			// after every 1,024 commands.
			f.do("eval", "for i = 1, 20000 do redis.call('SET', KEYS[1], i) end return 1", 1, "ballast")
			f.set("key-load-delay", "200")
			f.inBackground("debug", "loadaof")
			f.awaitReply("LOADING", "ping")
		},
		end: func(f failingServer) {
			f.set("key-load-delay", "0")
			f.awaitReply("PONG", "ping")
		},
	},
	"full of clients": {
		begin: func(f failingServer) {
			f.set("maxclients", "1")
			f.do("client", "kill", "type", "normal", "skipme", "yes")
		},
		end: func(f failingServer) { f.set("maxclients", "100") },
	},
}

func startFailing(t *testing.T) failingServer {
	t.Helper()
	f := failingServer{Server: storetest.Start(t, "--enable-debug-command", "yes"), t: t}
	f.admin = f.Client(t)
	return f
}

func (f failingServer) do(args ...any) {
	f.t.Helper()
	require.NoError(f.t, f.admin.Do(f.t.Context(), args...).Err())
}

func (f failingServer) set(name, value string) {
	f.t.Helper()
	f.do("config", "set", name, value)
}

// awaitReply repeats a command until its reply or error begins with word.
func (f failingServer) awaitReply(word string, args ...any) {
	f.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: f.Addr(), MaxRetries: -1})
	defer client.Close()
	require.Eventually(f.t, func() bool {
		reply, err := client.Do(context.Background(), args...).Text()
		return reply == word || redis.HasErrorPrefix(err, word)
	}, 10*time.Second, 5*time.Millisecond)
}

// inBackground sends a command that blocks the server. It does not wait for the reply.
func (f failingServer) inBackground(args ...any) {
	client := redis.NewClient(&redis.Options{Addr: f.Addr(), MaxRetries: -1, ReadTimeout: -1})
	f.t.Cleanup(func() { _ = client.Close() })
	go client.Do(context.Background(), args...)
}

// TestRun_FailsWithinTwoSecondsDuringOutage checks that all callers get store_unavailable
// with RetryAfter. After the outage, calls on the same store must succeed again.
func TestRun_FailsWithinTwoSecondsDuringOutage(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
				f := startFailing(t)
				cfg.URL = f.URL()
				s := storetest.Connect(t, cfg)
				require.Empty(t, runConcurrently(s, callers), "before the outage")

				outage.begin(f)
				failures := runConcurrently(s, callers)
				require.Len(t, failures, callers)
				for _, failed := range failures {
					requireCode(t, fieldgate.CodeStoreUnavailable, failed.err)
					require.Less(t, failed.took, 2*time.Second)
					var refusal *fieldgate.Error
					require.ErrorAs(t, failed.err, &refusal)
					require.Positive(t, refusal.RetryAfter)
					require.NotContains(t, refusal.Detail, f.Addr())
				}

				outage.end(f)
				require.Eventually(t, func() bool { return len(runConcurrently(s, 1)) == 0 }, 3*time.Second, 10*time.Millisecond, "after the outage")
				require.Empty(t, runConcurrently(s, callers), "after the outage")
			})
		})
	}
}

// callers is the number of concurrent callers in a test. It exceeds the number of
// connections.
const callers = 64

// failure is a call that failed.
type failure struct {
	err  error
	took time.Duration
}

// runConcurrently runs n scripts at once and returns the failed calls.
func runConcurrently(s *store.Store, n int) (failed []failure) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			start := time.Now()
			_, err := s.Run(context.Background(), countScript, []string{newKey()})
			took := time.Since(start)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, failure{err, took})
			}
		})
	}
	group.Wait()
	return failed
}
