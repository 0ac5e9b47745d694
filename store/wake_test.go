package store_test

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// listener receives the wake-ups of a store.
type listener struct {
	t     *testing.T
	wakes chan store.Wake
	done  chan struct{} // closed when Listen has returned
}

// listen starts a listener. The listener stops when the test ends or stop is called.
func listen(t *testing.T, s *store.Store) (l listener, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l = listener{t: t, wakes: make(chan store.Wake, 1000), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		s.Listen(ctx, func(w store.Wake) { l.wakes <- w })
	}()
	t.Cleanup(cancel)
	return l, cancel
}

// receives waits until the listener has received the given wake-up. It ignores all others,
// which may come from other tests.
func (l listener) receives(want store.Wake) {
	l.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case w := <-l.wakes:
			if w == want {
				return
			}
		case <-deadline:
			l.t.Fatalf("no wake-up %+v was received", want)
		}
	}
}

// publish publishes a message on wakeChannel.
func publish(t *testing.T, s *store.Store, message string) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "publish", func(ctx context.Context, c store.Client) error {
		return c.Publish(ctx, "fg:wake", message).Err()
	}))
}

// emitScript records an event for a device, as the scripts of transitions do.
var emitScript = newScript(`
--@include store/base
--@include store/device
--@include store/event
local device = device_at(1, 1)
emit(device, clock(), 'command.proposed', { ready = ARGV[6] == 'ready', data = { n = 1 } })
return ok()`)

// emit runs emitScript for the device d. If ready is "ready", the wake-up announces a
// command.
func emit(t *testing.T, s *store.Store, d store.Device, ready string) {
	t.Helper()
	scope := store.NewScope(d, store.ActorSystem, "r1", time.Hour)
	reply, err := s.Run(t.Context(), emitScript, d.Keys(), scope.Args(ready)...)
	require.NoError(t, err)
	require.Equal(t, "command.proposed", reply.String(1))
}

func TestListen_ReceivesEveryEventWithItsStreamID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, _ := listen(t, s)
		l.receives(store.Wake{})
		d := deviceOf(storetest.Tenant())
		for _, ready := range []bool{true, false} {
			emit(t, s, d, map[bool]string{true: "ready"}[ready])
			var last []string
			require.NoError(t, s.Do(t.Context(), "read", func(ctx context.Context, c store.Client) error {
				entries, err := c.XRevRangeN(ctx, store.Tenant(d.Tenant).StreamKey(), "+", "-", 1).Result()
				last = append(last, entries[0].ID)
				return err
			}))
			l.receives(store.Wake{Ready: ready, RoomsOnly: !ready, DeviceID: d.ID, Tenant: d.Tenant, EventID: last[0]})
		}
	})
}

func TestListen_UnparsableMessageIsZeroWake(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	for _, message := range []string{"", " ", "ready", "ready dev tenant", "ready dev tenant 1-0 more", "\x00\xff", strings.Repeat("x", 1<<20)} {
		publish(t, s, message)
		require.Equal(t, store.Wake{}, <-l.wakes)
	}
	publish(t, s, "event dev tenant 1-0")
	require.Equal(t, store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"}, <-l.wakes)
	publish(t, s, "logout dev - -")
	require.Equal(t, store.Wake{DeviceID: "dev", LoginEnded: true}, <-l.wakes)
}

func TestListen_ReconnectsAfterRestart(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	server.Kill()
	server.Restart(t)
	l.receives(store.Wake{})
	publish(t, s, "ready dev tenant 1-0")
	l.receives(store.Wake{Ready: true, DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}

// TestListen_LogsFailureOnce takes away the Redis user's right to the channel of wake-ups, once
// the store is connected. Only the log can show the failure.
func TestListen_LogsFailureOnce(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin, log := server.Client(t), new(storetest.Buffer)
	allow := func(rules ...any) {
		require.NoError(t, admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "gateway"}, rules...)...).Err())
	}
	allow("on", ">secret", "~*", "+@all", "resetchannels", "&fg:wake")
	s := storetest.Connect(t, store.Config{
		URL:    strings.Replace(server.URL(), "redis://", "redis://gateway:secret@", 1),
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	allow("resetchannels")
	l, _ := listen(t, s)
	refused := regexp.MustCompile(`cmdstat_psubscribe:.*rejected_calls=([3-9]|\d\d)`)
	require.Eventually(t, func() bool {
		return refused.MatchString(admin.Info(t.Context(), "commandstats").Val())
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, strings.Count(log.String(), "listening for wake-ups failed"))
	allow("&fg:wake")
	l.receives(store.Wake{})
}

// TestListen_NoticesVanishedServer cuts off the server without closing the connection. To
// the listener, this looks like a time without wake-ups. It must reconnect nevertheless.
func TestListen_NoticesVanishedServer(t *testing.T) {
	t.Parallel()
	f := startFaulty(t)
	s := storetest.Connect(t, store.Config{URL: f.url})
	store.SetSilenceTimeout(s, 50*time.Millisecond)
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	f.Inject(storetest.Blackhole)
	<-f.Faulted // the probe
	f.Inject(storetest.NoFault)
	l.receives(store.Wake{})
	publish(t, s, "ready dev tenant 1-0")
	l.receives(store.Wake{Ready: true, DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}

func TestListen_SilenceDoesNotReconnect(t *testing.T) {
	t.Parallel()
	f := startFaulty(t)
	s := storetest.Connect(t, store.Config{URL: f.url})
	store.SetSilenceTimeout(s, 10*time.Millisecond)
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	admin, probed := f.server.Client(t), regexp.MustCompile(`cmdstat_publish:calls=([5-9]|\d\d)`)
	require.Eventually(t, func() bool {
		return probed.MatchString(admin.Info(t.Context(), "commandstats").Val())
	}, 5*time.Second, time.Millisecond)
	publish(t, s, "event dev tenant 1-0")
	require.Equal(t, store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"}, <-l.wakes, "the listener connected again")
}

func TestListen_EndsWithContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		l, stop := listen(t, s)
		l.receives(store.Wake{})
		stop()
		select {
		case <-l.done:
		case <-time.After(time.Second):
			t.Fatal("Listen did not return")
		}
	})
}

// TestListen_FollowsFailoverBehindOneAddress demotes the server without closing its
// connections, and directs new connections to another server.
func TestListen_FollowsFailoverBehindOneAddress(t *testing.T) {
	t.Parallel()
	f := startFaulty(t)
	log := new(storetest.Buffer)
	s := storetest.Connect(t, store.Config{URL: f.url, Logger: slog.New(slog.NewTextHandler(log, nil))})
	store.SetSilenceTimeout(s, 50*time.Millisecond)
	l, _ := listen(t, s)
	l.receives(store.Wake{})
	f.failOver(t)
	d := deviceOf(storetest.Tenant())
	emit(t, s, d, "ready")
	l.receives(store.Wake{})
	require.Contains(t, log.String(), "does not receive what this instance publishes")
	publish(t, s, "ready dev tenant 1-0")
	l.receives(store.Wake{Ready: true, DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}
