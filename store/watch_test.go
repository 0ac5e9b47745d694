package store_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestWatch_FindsProblemsThatBeginLater changes the server after the start, as a failover to a
// server with another configuration does, and changes it back.
func TestWatch_FindsProblemsThatBeginLater(t *testing.T) {
	t.Parallel()
	for problem, c := range map[store.Problem]struct{ begin, end []any }{
		store.ProblemEviction:    {[]any{"config", "set", "maxmemory-policy", "allkeys-lru"}, []any{"config", "set", "maxmemory-policy", "noeviction"}},
		store.ProblemPersistence: {[]any{"config", "set", "appendonly", "no"}, []any{"config", "set", "appendonly", "yes"}},
		store.ProblemReplica:     {[]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}},
		store.ProblemLoss:        {[]any{"hset", "fg:canary", "born", "0"}, []any{"hdel", "fg:meta", "canary"}},
		store.ProblemSchema:      {[]any{"hset", "fg:meta", "reader", "99"}, []any{"hset", "fg:meta", "reader", "1"}},
	} {
		t.Run(string(problem), func(t *testing.T) {
			t.Parallel()
			server, log := storetest.Start(t), new(storetest.Buffer)
			state := new(problemStates)
			s := storetest.Connect(t, store.Config{
				URL: server.URL(), Problem: state.set, Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			store.SetWatchEvery(s, 10*time.Millisecond)
			go s.Watch(t.Context())
			admin := server.Client(t)
			state.await(t, map[store.Problem]bool{})
			require.NoError(t, admin.Do(t.Context(), c.begin...).Err())
			state.await(t, map[store.Problem]bool{problem: true})
			require.NoError(t, admin.Do(t.Context(), c.end...).Err())
			state.await(t, map[store.Problem]bool{})
			require.Contains(t, log.String(), "found a problem of the store")
			require.Contains(t, log.String(), "a problem of the store ended")
		})
	}
}

// problemStates holds the last state of each problem.
type problemStates struct {
	mu    sync.Mutex
	found map[store.Problem]bool
}

func (p *problemStates) set(problem store.Problem, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		p.found = map[store.Problem]bool{}
	}
	p.found[problem] = found
}

// await waits until exactly the problems in want are found, and the others are known not to be.
func (p *problemStates) await(t *testing.T, want map[store.Problem]bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range store.Problems {
			found, known := p.found[problem]
			if !known || found != want[problem] {
				return false
			}
		}
		return true
	}, 10*time.Second, 5*time.Millisecond)
}

// TestWatch_PausesSweeperOfEarlierVersion requires that an instance stops settling as soon as it
// finds data that it cannot read.
func TestWatch_PausesSweeperOfEarlierVersion(t *testing.T) {
	t.Parallel()
	server, state := storetest.Start(t), new(problemStates)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Problem: state.set})
	store.SetWatchEvery(s, 10*time.Millisecond)
	tenant := "c.acme"
	due := member("command", tenant)
	addDue(t, s, store.PartitionOf(tenant), time.Now().Add(-time.Hour), due)
	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", "99").Err())
	go s.Watch(t.Context())
	state.await(t, map[store.Problem]bool{store.ProblemSchema: true})
	settled := newSettler(t, s)
	settle := map[string]store.Settle{"command": settled.settle}
	sweepAll(t, s, settle)
	require.Empty(t, settled.times)

	require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", "1").Err())
	state.await(t, map[store.Problem]bool{})
	sweepAll(t, s, settle)
	require.Equal(t, map[string]int{due: 1}, settled.times)
}

// TestWatch_EarlierVersionStopsUsingStore requires that an instance neither reads nor writes while it
// finds data that it cannot read.
func TestWatch_EarlierVersionStopsUsingStore(t *testing.T) {
	t.Parallel()
	server, state := storetest.Start(t), new(problemStates)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Problem: state.set})
	store.SetWatchEvery(s, 10*time.Millisecond)
	go s.Watch(t.Context())
	use := func() []error {
		_, err := s.Probe(t.Context())
		return []error{err, s.Do(t.Context(), "ping", func(ctx context.Context, c store.Client) error { return c.Ping(ctx).Err() })}
	}
	setReader := func(reader string, found bool) {
		require.NoError(t, server.Client(t).HSet(t.Context(), "fg:meta", "reader", reader).Err())
		state.await(t, map[store.Problem]bool{store.ProblemSchema: found})
		require.Equal(t, found, s.TooNew())
	}
	setReader("99", true)
	for _, err := range use() {
		require.Equal(t, fieldgate.CodeStoreUnavailable, fieldgate.CodeOf(err))
	}
	setReader("1", false)
	require.Equal(t, []error{nil, nil}, use())
}
