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

// ear hears the wake-ups of a store.
type ear struct {
	t     *testing.T
	heard chan store.Wake
	done  chan struct{}
}

// listen hears until the test ends, or until stop is called.
func listen(t *testing.T, s *store.Store) (e ear, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	e = ear{t: t, heard: make(chan store.Wake, 1000), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		s.Listen(ctx, func(w store.Wake) { e.heard <- w })
	}()
	t.Cleanup(cancel)
	return e, cancel
}

// hears waits for a wake-up and passes over those of other tests.
func (e ear) hears(want store.Wake) {
	e.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case w := <-e.heard:
			if w == want {
				return
			}
		case <-deadline:
			e.t.Fatalf("never heard %+v", want)
		}
	}
}

func publish(t *testing.T, s *store.Store, message string) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "publish", func(ctx context.Context, c store.Client) error {
		return c.Publish(ctx, "fg:wake", message).Err()
	}))
}

// emitScript does what every transition does at its end.
var emitScript = newScript(`
--@include device
--@include event
local device = device_at(1, 1)
emit(device, clock(), 'command.proposed', { ready = ARGV[6] == 'ready', data = { n = 1 } })
return { 'ok', events() }`)

func emit(t *testing.T, s *store.Store, d store.Device, ready string) {
	t.Helper()
	scope := store.Scope{Device: d, Actor: store.ActorSystem, RequestID: "r1", Retention: time.Hour}
	reply, err := s.Run(t.Context(), emitScript, d.Keys(), scope.Args(ready)...)
	require.NoError(t, err)
	require.Equal(t, "command.proposed", reply.String(1))
}

func TestAListenerHearsEveryEventAndItsPlaceInTheStream(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		e, _ := listen(t, s)
		e.hears(store.Wake{})
		d := deviceOf(storetest.Tenant())
		for _, ready := range []bool{true, false} {
			emit(t, s, d, map[bool]string{true: "ready"}[ready])
			var last []string
			require.NoError(t, s.Do(t.Context(), "read", func(ctx context.Context, c store.Client) error {
				entries, err := c.XRevRangeN(ctx, store.Tenant(d.Tenant).StreamKey(), "+", "-", 1).Result()
				last = append(last, entries[0].ID)
				return err
			}))
			e.hears(store.Wake{Ready: ready, DeviceID: d.ID, Tenant: d.Tenant, EventID: last[0]})
		}
	})
}

func TestAMessageThatCannotBeReadSendsEverybodyToLook(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	for _, message := range []string{"", " ", "ready", "ready dev tenant", "ready dev tenant 1-0 more", "\x00\xff", strings.Repeat("x", 1<<20)} {
		publish(t, s, message)
		require.Equal(t, store.Wake{}, <-e.heard)
	}
	publish(t, s, "event dev tenant 1-0")
	require.Equal(t, store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"}, <-e.heard)
}

func TestAListenerHearsAgainAfterTheServerWasAway(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	s := storetest.Connect(t, store.Config{URL: server.URL()})
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	server.Kill()
	server.Restart(t)
	e.hears(store.Wake{})
	publish(t, s, "ready dev tenant 1-0")
	e.hears(store.Wake{Ready: true, DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}

// Whoever gives Redis a user for the gateway may forget the channel, and nothing fails.
func TestThatNothingIsHeardIsLoggedOnce(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin, log := server.Client(t), new(storetest.Buffer)
	permit := func(rules ...any) {
		require.NoError(t, admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "deaf"}, rules...)...).Err())
	}
	permit("on", ">secret", "~*", "+@all", "resetchannels")
	s := storetest.Connect(t, store.Config{
		URL:    strings.Replace(server.URL(), "redis://", "redis://deaf:secret@", 1),
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	e, _ := listen(t, s)
	refused := regexp.MustCompile(`cmdstat_psubscribe:.*rejected_calls=([3-9]|\d\d)`)
	require.Eventually(t, func() bool {
		return refused.MatchString(admin.Info(t.Context(), "commandstats").Val())
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, strings.Count(log.String(), "hearing nothing"))
	permit("&fg:wake")
	e.hears(store.Wake{})
}

// A server that is cut off says nothing, and neither does one where nothing
// happens.
func TestAListenerNoticesAServerThatVanishedWithoutAWord(t *testing.T) {
	t.Parallel()
	f := faultyServer(t)
	s := storetest.Connect(t, store.Config{URL: f.url})
	store.SetSilenceTimeout(s, 50*time.Millisecond)
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	f.Inject(storetest.Blackhole)
	<-f.Faulted // for a sign of life
	f.Inject(storetest.NoFault)
	e.hears(store.Wake{})
	publish(t, s, "ready dev tenant 1-0")
	e.hears(store.Wake{Ready: true, DeviceID: "dev", Tenant: "tenant", EventID: "1-0"})
}

func TestSilenceAloneBreaksNoConnection(t *testing.T) {
	t.Parallel()
	f := faultyServer(t)
	s := storetest.Connect(t, store.Config{URL: f.url})
	store.SetSilenceTimeout(s, 10*time.Millisecond)
	e, _ := listen(t, s)
	e.hears(store.Wake{})
	before := f.Pings()
	require.Eventually(t, func() bool { return f.Pings() > before+5 }, 5*time.Second, time.Millisecond)
	publish(t, s, "event dev tenant 1-0")
	require.Equal(t, store.Wake{DeviceID: "dev", Tenant: "tenant", EventID: "1-0"}, <-e.heard, "it connected again")
}

func TestAListenerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		e, stop := listen(t, s)
		e.hears(store.Wake{})
		stop()
		select {
		case <-e.done:
		case <-time.After(time.Second):
			t.Fatal("it still listens")
		}
	})
}
