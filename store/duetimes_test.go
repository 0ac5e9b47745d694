package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// scheduleScript adds a due member and records an event, as the scripts of transitions do.
var scheduleScript = newScript(`
--@include store/base
--@include store/device
--@include store/due
--@include store/event
local device = device_at(1, 1)
set_due(device, 'command', ARGV[6], clock() + tonumber(ARGV[7]))
emit(device, clock(), 'command.proposed', {})
return ok()`)

// schedule runs scheduleScript on s. The member is due after the given time.
func schedule(t *testing.T, s *store.Store, d store.Device, after time.Duration) {
	t.Helper()
	id := store.NewID(store.KindCommand, store.PartitionOf(d.Tenant))
	scope := store.NewScope(d, store.ActorSystem, "r1", time.Hour)
	_, err := s.Run(t.Context(), scheduleScript, d.Keys(), scope.Args(id, after.Milliseconds())...)
	require.NoError(t, err)
}

// sweeping is a running sweeper.
type sweeping struct {
	*settler
	store *store.Store
	reads *atomic.Int64 // number of reads of due indexes
}

// startSweeper starts the sweeper of an instance with its listener, and waits until it has read
// all partitions. It reads them again only after the interval every.
func startSweeper(t *testing.T, server *storetest.Server, every time.Duration) sweeping {
	t.Helper()
	reads := new(atomic.Int64)
	s := storetest.Connect(t, store.Config{URL: server.URL(), Observe: func(name string, _ time.Duration, _ error) {
		if name == "read_due" {
			reads.Add(1)
		}
	}})
	store.SetSweepAllEvery(s, every)
	w := sweeping{newSettler(t, s), s, reads}
	ctx, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	listens := make(chan struct{})
	connected := sync.OnceFunc(func() { close(listens) })
	workers.Go(func() { s.Listen(ctx, func(store.Wake) { connected() }) })
	<-listens
	workers.Go(func() { s.Sweep(ctx, map[string]store.Settle{"command": w.settle}) })
	t.Cleanup(func() {
		stop()
		workers.Wait()
	})
	require.Eventually(t, func() bool { return reads.Load() > 0 }, 10*time.Second, time.Millisecond)
	return w
}

// settles waits until the sweeper has settled n members.
func (w sweeping) settles(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return w.len() == n }, 10*time.Second, time.Millisecond)
}

// TestSweeper_NoticesEarlierMember adds a member to a partition of which the sweeper believes that
// it has none.
func TestSweeper_NoticesEarlierMember(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		every time.Duration // interval between two reads of all partitions
		add   func(t *testing.T, w sweeping, server *storetest.Server)
	}{
		"of a script of this instance, without a wake-up": {time.Hour, func(t *testing.T, w sweeping, _ *storetest.Server) {
			d := deviceOf("c.acme")
			scope := store.NewScope(d, store.ActorSystem, "r1", time.Hour)
			id := store.NewID(store.KindCommand, store.PartitionOf(d.Tenant))
			_, err := w.store.Run(t.Context(), dueScript, d.Keys(), scope.Args("command", id)...)
			require.NoError(t, err)
		}},
		"of a script of another instance": {time.Hour, func(t *testing.T, _ sweeping, server *storetest.Server) {
			schedule(t, storetest.Connect(t, store.Config{URL: server.URL()}), deviceOf("c.acme"), 0)
		}},
		"without a script": {time.Second, func(t *testing.T, w sweeping, _ *storetest.Server) {
			addDue(t, w.store, store.PartitionOf("c.acme"), time.Now().Add(-time.Hour), member("command", "c.acme"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := storetest.Start(t)
			w := startSweeper(t, server, c.every)
			c.add(t, w, server)
			w.settles(t, 1)
		})
	}
}

// TestSweeper_WaitsForFirstMember requires that a member is settled when its time has come, and
// that the sweeper reads nothing in the meantime.
func TestSweeper_WaitsForFirstMember(t *testing.T) {
	t.Parallel()
	w := startSweeper(t, storetest.Start(t), time.Hour)
	schedule(t, w.store, deviceOf("c.acme"), 3*time.Second)
	w.settles(t, 1)
	require.LessOrEqual(t, w.reads.Load(), int64(5), "the sweeper has read although nothing was due")
}

// TestSweeper_ReadsFailedPartitionAgain starts with a partition whose due index cannot be read, and
// replaces that index without a wake-up.
func TestSweeper_ReadsFailedPartitionAgain(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	p := store.PartitionOf("c.acme")
	require.NoError(t, server.Client(t).Set(t.Context(), p.DueKey(), "no index", 0).Err())
	w := startSweeper(t, server, time.Hour)
	require.NoError(t, server.Client(t).Del(t.Context(), p.DueKey()).Err())
	addDue(t, w.store, p, time.Now().Add(-time.Hour), member("command", "c.acme"))
	w.settles(t, 1)
}
