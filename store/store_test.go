package store_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestRun_FaultyScriptIsNotOutage checks that a fault in a script is reported as an
// internal error, not as an outage. A retry would not help.
func TestRun_FaultyScriptIsNotOutage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, body := range map[string]string{
			"syntax error":      `return {`,
			"index of nil":      `local a = nil; return a.b`,
			"raised error":      `error('by hand')`,
			"unknown command":   `return redis.call('NOSUCH', KEYS[1])`,
			"too few arguments": `return redis.call('HSET', KEYS[1])`,
			"wrong type":        `redis.call('SADD', KEYS[1], 'a'); return redis.call('LPUSH', KEYS[1], 'a')`,
			"not a list":        `return 1`,
		} {
			_, err := s.Run(t.Context(), newScript(body), []string{newKey()})
			requireCode(t, fieldgate.CodeInternal, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded, name)
		}
		require.EqualValues(t, 1, count(t, s, newKey()))
	})
}

func TestDo_ReturnsMissingKeyUnchanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		err := s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) error {
			return c.Get(ctx, newKey()).Err()
		})
		require.ErrorIs(t, err, redis.Nil)
		require.Equal(t, redis.Nil, err)
	})
}

func TestDo_CancelledCallerIsNotOutage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Do(cancelled, "get", func(ctx context.Context, c store.Client) error { return c.Get(ctx, newKey()).Err() })
		require.Equal(t, context.Canceled, err)
		_, err = s.Ping(cancelled)
		require.Equal(t, context.Canceled, err)
	})
}

func TestIsTransient(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	unavailable := fieldgate.Refuse(fieldgate.CodeStoreUnavailable, "")
	require.True(t, store.IsTransient(t.Context(), unavailable))
	require.True(t, store.IsTransient(cancelled, context.Canceled))
	require.False(t, store.IsTransient(t.Context(), fieldgate.Refuse(fieldgate.CodeSessionNotFound, "")))
	require.False(t, store.IsTransient(t.Context(), context.DeadlineExceeded))
}

func TestObserve_EveryRoundTrip(t *testing.T) {
	t.Parallel()
	type roundTrip struct {
		name string
		code fieldgate.Code
	}
	var mu sync.Mutex
	var seen []roundTrip
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Observe: func(name string, took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, roundTrip{name, codeOf(err)})
		if took <= 0 {
			seen = append(seen, roundTrip{name: "without a duration"})
		}
	}})
	mu.Lock()
	seen = nil // those of the start
	mu.Unlock()
	count(t, s, newKey())
	_ = s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) error { return c.Get(ctx, newKey()).Err() })
	_, err := s.Ping(t.Context())
	require.NoError(t, err)
	server.Kill()
	_, err = s.Ping(t.Context())
	require.Error(t, err)
	require.Equal(t, []roundTrip{{name: "test"}, {name: "get"}, {name: "ping"}, {"ping", fieldgate.CodeStoreUnavailable}}, seen)
}

func codeOf(err error) fieldgate.Code {
	if err == nil {
		return ""
	}
	return fieldgate.CodeOf(err)
}

// TestRun_LoadsScriptAgain flushes the server's scripts and runs one of them. A server
// also loses its scripts at a restart, and the new master may lack them after a failover.
func TestRun_LoadsScriptAgain(t *testing.T) {
	t.Parallel()
	withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
		server := storetest.Start(t)
		cfg.URL = server.URL()
		s := storetest.Connect(t, cfg)
		key := newKey()
		for range 3 {
			count(t, s, key)
			require.NoError(t, server.Client(t).ScriptFlush(t.Context()).Err())
		}
		require.Empty(t, runConcurrently(s, 32))
		require.EqualValues(t, 4, count(t, s, key))
	})
}

func TestRun_ConcurrentCallersGetTheirOwnReplies(t *testing.T) {
	t.Parallel()
	echo := newScript(`return { 'ok', ARGV[1], redis.call('INCR', KEYS[1]) }`)
	withAndWithoutPipeline(t, func(t *testing.T, cfg store.Config) {
		cfg.URL = storetest.Start(t).URL()
		s := storetest.Connect(t, cfg)
		var callers sync.WaitGroup
		for range 64 {
			callers.Go(func() {
				key := newKey()
				for i := range 50 {
					reply, err := s.Run(t.Context(), echo, []string{key}, key)
					if err != nil || reply.String(1) != key || reply.Int(2) != int64(i+1) {
						t.Errorf("got %v, %v", reply, err)
						return
					}
				}
			})
		}
		callers.Wait()
	})
}

func TestClose_TwiceAndUnavailableAfterwards(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err := s.Run(t.Context(), countScript, []string{newKey()})
		requireCode(t, fieldgate.CodeStoreUnavailable, err)
	})
}

func TestClose_EndsPipeline(t *testing.T) {
	t.Parallel()
	s, err := store.Connect(t.Context(), store.Config{URL: storetest.Start(t).URL(), AutoPipeline: true})
	require.NoError(t, err)
	require.Empty(t, runConcurrently(s, 16))
	require.NoError(t, s.Close())
	_, err = s.Run(t.Context(), countScript, []string{newKey()})
	requireCode(t, fieldgate.CodeStoreUnavailable, err)
}

// TestEmbedded_LeavesNoGoroutines is not parallel, because it counts the goroutines of
// the process.
func TestEmbedded_LeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, pipelined := range []bool{false, true} {
		s, err := store.Connect(t.Context(), store.Config{AutoPipeline: pipelined})
		require.NoError(t, err)
		require.Empty(t, runConcurrently(s, 16))
		require.NoError(t, s.Close())
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, 10*time.Millisecond, "%s", stacks())
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

func TestEmbedded_KeysExpire(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newKey()
		require.NoError(t, s.Do(t.Context(), "set", func(ctx context.Context, c store.Client) error {
			return c.Set(ctx, key, "value", 300*time.Millisecond).Err()
		}))
		get := func() error {
			return s.Do(t.Context(), "get", func(ctx context.Context, c store.Client) error { return c.Get(ctx, key).Err() })
		}
		require.NoError(t, get())
		require.Eventually(t, func() bool { return errors.Is(get(), redis.Nil) }, 5*time.Second, 20*time.Millisecond)
	})
}

func TestRun_ClockOfScriptsAdvances(t *testing.T) {
	t.Parallel()
	script := newScript("--@include store/base\nreturn { 'ok', ms(clock()) }")
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		read := func() int64 {
			reply, err := s.Run(t.Context(), script, nil)
			require.NoError(t, err)
			return reply.Int(1)
		}
		first := read()
		require.WithinDuration(t, time.Now(), time.UnixMilli(first), 2*time.Second)
		require.Eventually(t, func() bool { return read() > first }, 5*time.Second, time.Millisecond)
	})
}

func TestEmbedded_RequiresPassword(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{})
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Info{Version: "embedded", Mode: "embedded"}, info)
	client := redis.NewClient(&redis.Options{Addr: store.EmbeddedAddr(s)})
	defer client.Close()
	require.ErrorContains(t, client.Get(t.Context(), "fg:meta").Err(), "NOAUTH")
}
