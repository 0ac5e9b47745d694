package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// A script whose reply is lost may have run. To run it again would be to claim
// two commands for one device, or to count an attempt twice.
func TestAScriptIsSentOnceWhateverBecomesOfItsReply(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) faulty{"standalone": faultyServer, "cluster": faultyNode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			for way, pipelined := range map[string]bool{"alone": false, "together": true} {
				f.store = storetest.Connect(t, store.Config{URL: f.url, AutoPipeline: pipelined})
				count(t, f.store, newKey()) // from here on the server knows the script
				t.Run(way+"/lost", f.lost)
				t.Run(way+"/lost with others", f.lostWithOthers)
				t.Run(way+"/late", f.late)
			}
		})
	}
}

// faulty is a server at the end of a wire.
type faulty struct {
	*storetest.Proxy
	server *storetest.Server
	url    string
	store  *store.Store
}

func faultyServer(t *testing.T) faulty {
	w, server := storetest.NewProxy(t), storetest.Start(t)
	w.ForwardTo(server.Addr())
	return faulty{Proxy: w, server: server, url: "redis://" + w.Addr()}
}

// faultyNode is a whole Cluster of one node, which sends its clients to the wire.
func faultyNode(t *testing.T) faulty {
	w := storetest.NewProxy(t)
	node := storetest.StartNode(t, 0, 16383, "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", w.Port())
	storetest.Cluster{node}.AwaitOK(t)
	w.ForwardTo(node.Addr())
	return faulty{Proxy: w, server: node, url: "redis+cluster://" + w.Addr()}
}

func (f faulty) lost(t *testing.T) {
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

func (f faulty) lostWithOthers(t *testing.T) {
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
	require.Positive(t, ran, "none arrived, so nothing was tried")
	require.EqualValues(t, 1, count(t, f.store, newKey()))
}

// The reply to a claim holds leases: whoever asked has to hear of them, to give
// them back, even if nobody waits for the answer any more.
func (f faulty) late(t *testing.T) {
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

// Scripts that travel together wait for those that left before them: not longer
// than the time that each has.
func TestACallerBehindAStuckScriptWaitsNoLongerThanAlone(t *testing.T) {
	t.Parallel()
	f := faultyServer(t)
	s := storetest.Connect(t, store.Config{URL: f.url, AutoPipeline: true})
	count(t, s, newKey())
	f.Inject(storetest.HoldReply)
	first := make(chan []failure)
	go func() { first <- crowd(s, 1) }()
	<-f.Faulted
	for _, failed := range append(crowd(s, 4), <-first...) {
		requireCode(t, fieldgate.CodeStoreUnavailable, failed.err)
		require.Less(t, failed.took, 2*time.Second)
	}
}

func TestAScriptOfACallerThatHasGoneIsNotSent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		key := newKey()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Run(gone, countScript, []string{key})
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, count(t, s, key))
	})
}
