package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestRun_SendsScriptOnce loses and delays replies. A script whose reply is lost may have
// run. A second run could claim a second command or count an attempt twice.
func TestRun_SendsScriptOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) faultyServer{"standalone": startFaulty, "cluster": startFaultyNode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			for mode, pipelined := range map[string]bool{"alone": false, "pipelined": true} {
				f.store = storetest.Connect(t, store.Config{URL: f.url, AutoPipeline: pipelined})
				count(t, f.store, newKey()) // loads the script into the server
				t.Run(mode+"/lost reply", f.testLostReply)
				t.Run(mode+"/lost replies of concurrent callers", f.testLostReplies)
				t.Run(mode+"/late reply", f.testLateReply)
			}
		})
	}
}

// faultyServer is a server behind a proxy that injects faults.
type faultyServer struct {
	*storetest.Proxy
	server *storetest.Server
	url    string
	store  *store.Store
}

func startFaulty(t *testing.T) faultyServer {
	proxy, server := storetest.NewProxy(t), storetest.Start(t)
	proxy.ForwardTo(server.Addr())
	return faultyServer{Proxy: proxy, server: server, url: "redis://" + proxy.Addr()}
}

// startFaultyNode starts a Cluster of one node. The node announces the proxy's address as
// its own.
func startFaultyNode(t *testing.T) faultyServer {
	proxy := storetest.NewProxy(t)
	node := storetest.StartNode(t, 0, 16383, "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", proxy.Port())
	storetest.Cluster{node}.AwaitOK(t)
	proxy.ForwardTo(node.Addr())
	return faultyServer{Proxy: proxy, server: node, url: "redis+cluster://" + proxy.Addr()}
}

func (f faultyServer) testLostReply(t *testing.T) {
	key := newKey()
	f.Inject(storetest.LoseReply)
	for i := range 3 {
		_, err := f.store.Run(t.Context(), countScript, []string{key})
		requireCode(t, fieldgate.CodeStoreUnavailable, err)
		require.Equal(t, fmt.Sprint(i+1), f.server.Client(t).Get(t.Context(), key).Val())
	}
	f.Inject(storetest.NoFault)
	require.EqualValues(t, 4, count(t, f.store, key))
}

func (f faultyServer) testLostReplies(t *testing.T) {
	f.Inject(storetest.LoseReply)
	keys := make([]string, 40)
	errs := make([]error, len(keys))
	var callers sync.WaitGroup
	for i := range keys {
		keys[i] = newKey()
		callers.Go(func() { _, errs[i] = f.store.Run(context.Background(), countScript, keys[i:i+1]) })
	}
	callers.Wait()
	f.Inject(storetest.NoFault)
	client, ran := f.server.Client(t), 0
	for i, key := range keys {
		requireCode(t, fieldgate.CodeStoreUnavailable, errs[i])
		n, _ := client.Get(t.Context(), key).Int()
		require.LessOrEqual(t, n, 1)
		ran += n
	}
	require.Positive(t, ran, "no script has run")
	require.EqualValues(t, 1, count(t, f.store, newKey()))
}

// testLateReply cancels a caller's context while its script runs. The caller must still
// get the reply. The reply to a claim, for example, holds leases that the caller has to
// release.
func (f faultyServer) testLateReply(t *testing.T) {
	key := newKey()
	f.Drain()
	f.Inject(storetest.HoldReply)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.Faulted
		cancel()
		f.Inject(storetest.NoFault)
		f.Release <- struct{}{}
	}()
	reply, err := f.store.Run(ctx, countScript, []string{key})
	require.NoError(t, err)
	require.EqualValues(t, 1, reply.Int(1))
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}

// TestRun_CallersBehindHeldReply delays one reply in a pipeline. All later replies wait
// behind it. Each caller must fail when its own timeout ends.
func TestRun_CallersBehindHeldReply(t *testing.T) {
	t.Parallel()
	f := startFaulty(t)
	s := storetest.Connect(t, store.Config{URL: f.url, AutoPipeline: true})
	count(t, s, newKey())
	f.Inject(storetest.HoldReply)
	first := make(chan []failure)
	go func() { first <- runConcurrently(s, 1) }()
	<-f.Faulted
	for _, failed := range append(runConcurrently(s, 4), <-first...) {
		requireCode(t, fieldgate.CodeStoreUnavailable, failed.err)
		require.Less(t, failed.took, 2*time.Second)
	}
}

func TestRun_CancelledCallerSendsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newKey()
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Run(cancelled, countScript, []string{key})
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, count(t, s, key))
	})
}

// TestCheck_WritesNothing runs a script that writes with every command for which a check has a
// reply. The check must return what the script would return, and leave the store as it is.
func TestCheck_WritesNothing(t *testing.T) {
	t.Parallel()
	text := `local key, other_key, hash_key, stream_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
return { 'ok', redis.call('ZADD', key, 1, 'a'), redis.call('ZADD', key, 1, 'b'), redis.call('ZREM', key, 'a'), redis.call('ZREM', key, 'c'),
  redis.call('SADD', other_key, 'a'), redis.call('SADD', other_key, 'b'), redis.call('SREM', other_key, 'a'), redis.call('SREM', other_key, 'c'),
  redis.call('HDEL', hash_key, 'a', 'b', 'c'), redis.call('HSET', hash_key, 'd', 1), redis.call('HGET', hash_key, 'a'),
  redis.call('XADD', stream_key, '*', 'a', 1) }`
	files := lua(map[string]string{"lua/script": text})
	check := store.NewCheck(files, "lua/script.lua")
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		keys := []string{newKey(), newKey(), newKey(), newKey()}
		for i := range keys {
			keys[i] = keys[0] + strings.Repeat("x", i)
		}
		do(t, s, func(ctx context.Context, c store.Client) error {
			c.ZAdd(ctx, keys[0], redis.Z{Score: 1, Member: "a"})
			c.SAdd(ctx, keys[1], "a")
			return c.HSet(ctx, keys[2], "a", "1", "b", "2").Err()
		})
		reply, err := s.Run(t.Context(), check, keys)
		require.NoError(t, err)
		require.Equal(t, store.Reply{"ok", int64(0), int64(1), int64(1), int64(0), int64(0), int64(1), int64(1), int64(0), int64(2), int64(0), "1", "0-0"}, reply)
		do(t, s, func(ctx context.Context, c store.Client) error {
			require.Equal(t, []string{"a"}, c.ZRange(ctx, keys[0], 0, -1).Val())
			require.Equal(t, []string{"a"}, c.SMembers(ctx, keys[1]).Val())
			require.Equal(t, map[string]string{"a": "1", "b": "2"}, c.HGetAll(ctx, keys[2]).Val())
			require.Zero(t, c.Exists(ctx, keys[3]).Val())
			return nil
		})
	})
}

// TestCheck_ServerRefusesOtherWrites runs a check with a command that has no reply.
func TestCheck_ServerRefusesOtherWrites(t *testing.T) {
	t.Parallel()
	check := store.NewCheck(lua(map[string]string{"lua/script": "redis.call('INCR', KEYS[1])\nreturn { 'ok' }"}), "lua/script.lua")
	s, key := storetest.Redis(t), newKey()
	_, err := s.Run(t.Context(), check, []string{key})
	require.ErrorContains(t, err, "Write commands are not allowed")
	do(t, s, func(ctx context.Context, c store.Client) error {
		require.Zero(t, c.Exists(ctx, key).Val())
		return nil
	})
}
