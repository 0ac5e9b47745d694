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

// patient is a server that falls ill, and a connection to it that was there
// before.
type patient struct {
	*storetest.Server
	t     *testing.T
	admin *redis.Client
}

// outages are ways in which a server fails, and how it comes back from them.
var outages = map[string]struct{ begin, end func(p patient) }{
	"killed": {
		begin: func(p patient) { p.Kill() },
		end:   func(p patient) { p.Restart(p.t) },
	},
	"frozen": {
		begin: func(p patient) { p.Signal(p.t, syscall.SIGSTOP) },
		end:   func(p patient) { p.Signal(p.t, syscall.SIGCONT) },
	},
	"out of memory": {
		begin: func(p patient) { p.set("maxmemory", "1") },
		end:   func(p patient) { p.set("maxmemory", "0") },
	},
	"without its replicas": {
		begin: func(p patient) { p.set("min-replicas-to-write", "1") },
		end:   func(p patient) { p.set("min-replicas-to-write", "0") },
	},
	"made a replica": {
		begin: func(p patient) { p.do("replicaof", "127.0.0.1", "1") },
		end:   func(p patient) { p.do("replicaof", "no", "one") },
	},
	"unable to write a snapshot": {
		begin: func(p patient) { // a file cannot take the place of a directory
			dir := p.admin.ConfigGet(p.t.Context(), "dir").Val()["dir"]
			require.NoError(p.t, os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700))
			p.set("save", "3600 1")
			p.do("bgsave")
			p.answers("MISCONF", "set", "key", "value")
		},
		end: func(p patient) { p.set("save", "") },
	},
	"busy with a script": {
		begin: func(p patient) {
			p.set("busy-reply-threshold", "1")
			p.inBackground("eval", "while true do end", 0)
			p.answers("BUSY", "ping")
		},
		end: func(p patient) {
			p.do("script", "kill")
			p.answers("PONG", "ping")
		},
	},
	"loading its data": {
		begin: func(p patient) {
			// While it loads, the server answers after each 1,024 commands.
			p.do("eval", "for i = 1, 20000 do redis.call('SET', KEYS[1], i) end return 1", 1, "ballast")
			p.set("key-load-delay", "200")
			p.inBackground("debug", "loadaof")
			p.answers("LOADING", "ping")
		},
		end: func(p patient) {
			p.set("key-load-delay", "0")
			p.answers("PONG", "ping")
		},
	},
	"full of clients": {
		begin: func(p patient) {
			p.set("maxclients", "1")
			p.do("client", "kill", "type", "normal", "skipme", "yes")
		},
		end: func(p patient) { p.set("maxclients", "100") },
	},
}

func newPatient(t *testing.T) patient {
	t.Helper()
	p := patient{Server: storetest.Start(t, "--enable-debug-command", "yes"), t: t}
	p.admin = p.Client(t)
	return p
}

func (p patient) do(args ...any) {
	p.t.Helper()
	require.NoError(p.t, p.admin.Do(p.t.Context(), args...).Err())
}

func (p patient) set(name, value string) {
	p.t.Helper()
	p.do("config", "set", name, value)
}

// answers waits until a command is answered with a word.
func (p patient) answers(word string, args ...any) {
	p.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1})
	defer client.Close()
	require.Eventually(p.t, func() bool {
		answer, err := client.Do(context.Background(), args...).Text()
		return answer == word || redis.HasErrorPrefix(err, word)
	}, 10*time.Second, 5*time.Millisecond)
}

// inBackground gives the server something to do that takes long.
func (p patient) inBackground(args ...any) {
	client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, ReadTimeout: -1})
	p.t.Cleanup(func() { _ = client.Close() })
	go client.Do(context.Background(), args...)
}

// Whatever happens to the server, its callers hear within two seconds that they
// may try again; and soon after it is back, the same store serves all of them.
func TestAnOutageIsAnAnswerWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, cfg store.Config) {
				p := newPatient(t)
				cfg.URL = p.URL()
				s := storetest.Connect(t, cfg)
				require.Empty(t, crowd(s, callers), "before")

				outage.begin(p)
				failures := crowd(s, callers)
				require.Len(t, failures, callers)
				for _, failed := range failures {
					requireCode(t, fieldgate.CodeStoreUnavailable, failed.err)
					require.Less(t, failed.took, 2*time.Second)
					var refusal *fieldgate.Error
					require.ErrorAs(t, failed.err, &refusal)
					require.Positive(t, refusal.RetryAfter)
					require.NotContains(t, refusal.Detail, p.Addr())
				}

				outage.end(p)
				require.Eventually(t, func() bool { return len(crowd(s, 1)) == 0 }, 3*time.Second, 10*time.Millisecond, "afterwards")
				require.Empty(t, crowd(s, callers), "afterwards")
			})
		})
	}
}

// callers come at once, more than there are connections.
const callers = 64

// failure is a call that failed.
type failure struct {
	err  error
	took time.Duration
}

// crowd runs as many scripts at once and gives those that failed.
func crowd(s *store.Store, size int) (failed []failure) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for range size {
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
