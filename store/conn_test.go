package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// connectionEnds are the ways in which a server closes its idle connections.
var connectionEnds = map[string]func(f failingServer){
	"killed":    func(f failingServer) { f.do("client", "kill", "type", "normal", "skipme", "yes") },
	"restarted": func(f failingServer) { f.Kill(); f.Restart(f.t) },
	"timed out": func(f failingServer) {
		f.set("timeout", "1")
		f.awaitClients(1)
		f.set("timeout", "0")
	},
}

// awaitClients waits until the server has n normal clients.
func (f failingServer) awaitClients(n int) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		list := f.admin.ClientList(context.Background()).Val()
		return len(list) > 0 && countLines(list) == n
	}, 10*time.Second, 50*time.Millisecond)
}

func countLines(text string) int { return strings.Count(strings.TrimSpace(text), "\n") + 1 }

// TestConnections_ClosedOnesAreNotUsed closes the idle connections of both pools. Neither a
// script nor a read may fail afterwards.
func TestConnections_ClosedOnesAreNotUsed(t *testing.T) {
	t.Parallel()
	for scheme, start := range map[string]func(t *testing.T) (*storetest.Server, string){
		"redis":  func(t *testing.T) (*storetest.Server, string) { s := storetest.Start(t); return s, s.URL() },
		"rediss": func(t *testing.T) (*storetest.Server, string) { return trusted.StartTLS(t) },
	} {
		for name, end := range connectionEnds {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				t.Parallel()
				withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
					server, url := start(t)
					cfg.URL = url
					s := storetest.Connect(t, cfg)
					f := failingServer{Server: server, t: t, admin: server.Client(t)}
					require.Empty(t, runConcurrently(s, callers))
					require.NoError(t, readConcurrently(s, callers))

					end(f)
					require.Empty(t, runConcurrently(s, callers))
					require.NoError(t, readConcurrently(s, callers))
				})
			})
		}
	}
}

// readConcurrently reads n times at once and returns the errors.
func readConcurrently(s *store.Store, n int) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			errs[i] = s.Do(context.Background(), "read", func(ctx context.Context, c store.Client) error {
				return c.HGetAll(ctx, "missing").Err()
			})
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// failOver demotes the server and directs new connections to another one. The connections to
// the demoted server stay open.
func (f faultyServer) failOver(t *testing.T) (promoted *storetest.Server) {
	t.Helper()
	promoted = storetest.Start(t)
	f.Redirect(promoted.Addr())
	require.NoError(t, f.server.Client(t).Do(t.Context(), "replicaof", "127.0.0.1", "1").Err())
	return promoted
}

// TestConnections_FollowFailoverBehindOneAddress requires that no script fails, and that reads
// reach the promoted server once a script has found the failover.
func TestConnections_FollowFailoverBehindOneAddress(t *testing.T) {
	t.Parallel()
	withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
		f := startFaulty(t)
		cfg.URL = f.url
		s := storetest.Connect(t, cfg)
		require.Empty(t, runConcurrently(s, callers))
		require.NoError(t, readConcurrently(s, callers))

		promoted := f.failOver(t)
		require.NoError(t, promoted.Client(t).Set(t.Context(), "key", "new", 0).Err())
		require.Empty(t, runConcurrently(s, callers))
		for range callers {
			require.NoError(t, s.Do(t.Context(), "read", func(ctx context.Context, c store.Client) error {
				return c.Get(ctx, "key").Err()
			}))
		}
	})
}

// TestDo_RepeatsOnceOnBrokenConnection loses the reply to a read.
func TestDo_RepeatsOnceOnBrokenConnection(t *testing.T) {
	t.Parallel()
	f := startFaulty(t)
	s := storetest.Connect(t, store.Config{URL: f.url})
	calls := 0
	read := func(ctx context.Context, c store.Client) error {
		if calls++; calls > 1 {
			f.Inject(storetest.NoFault)
		}
		return c.HGetAll(ctx, "missing").Err()
	}
	f.Inject(storetest.LoseReply, "missing")
	require.NoError(t, s.Do(t.Context(), "read", read))
	require.Equal(t, 2, calls)
}
