package gateway_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// seed is the seed of all random decisions.
const seed = 20260822

// reader reads a room over one socket after the other, like a client whose connection is
// lost again and again. Each socket is opened at a random instance.
type reader struct {
	t       testing.TB
	f       *fleet
	at      []*gatewaytest.Gateway
	random  *rand.Rand
	offset  string   // offset at which the next socket resumes the room; empty at first
	got     []string // offsets of all received events
	resumes int
}

func newReader(t testing.TB, f *fleet, at ...*gatewaytest.Gateway) *reader {
	t.Helper()
	t.Logf("seed %d", seed)
	return &reader{t: t, f: f, at: at, random: rand.New(rand.NewPCG(seed, 0)), offset: ""}
}

// connect opens the next socket and resumes the room at the newest offset.
func (r *reader) connect() *gatewaytest.Socket {
	r.t.Helper()
	s := r.f.customerSocket(r.t, r.at[r.random.IntN(len(r.at))])
	subscribed := s.Subscribe("tenant", r.offset)
	if r.offset != "" {
		require.True(r.t, subscribed.Resumed, subscribed.Reason)
		require.Equal(r.t, r.offset, subscribed.Offset)
		r.resumes++
	}
	r.offset = subscribed.Offset
	return s
}

// read receives events until the length of r.got is total, or until no event arrives
// within the given time.
func (r *reader) read(s *gatewaytest.Socket, total int, within time.Duration) {
	r.t.Helper()
	for len(r.got) < total {
		f, err := s.TryNext(within)
		if err != nil {
			return
		}
		var e gatewaytest.Event
		require.Equal(r.t, "event", f.Type)
		f.Decode(r.t, &e)
		r.offset, r.got = e.Offset, append(r.got, e.Offset)
	}
}

func TestResume_LosesAndRepeatsNothingOver200Reconnects(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	const events, disconnects = 4_000, 200
	url := storetest.SharedURL(t)
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	p := f.publisher(t, url)
	before := len(p.stream())
	r := newReader(t, f, here, there)
	s := r.connect()
	var publishing sync.WaitGroup
	publishing.Go(func() { p.publish(events) })

	for i := range disconnects {
		r.read(s, (i+1)*events/disconnects-r.random.IntN(16), time.Second)
		if i%4 == 0 {
			s.Close()
		} else {
			s.Drop()
		}
		s = r.connect()
	}
	publishing.Wait()
	r.read(s, events, 10*time.Second)
	require.Equal(t, disconnects, r.resumes)
	want := p.stream()[before:]
	require.Len(t, want, events)
	require.Equal(t, want, r.got)
	s.Barrier()
	require.Empty(t, s.TakePushed())
}

func TestResume_AtAnotherInstanceAndAfterRestart(t *testing.T) {
	t.Parallel()
	url, iss := storetest.SharedURL(t), customertest.NewIssuer(t)
	withRedis := gatewaytest.WithRedis(url)
	first := gatewaytest.StartWithIssuer(t, iss, withRedis)
	other := gatewaytest.StartWithIssuer(t, iss, withRedis)
	f := newFleet(t, first)
	p := f.publisher(t, url)
	before := len(p.stream())
	s := f.customerSocket(t, first)
	subscribed := s.Subscribe(f.sessionRoom(), "")
	p.publish(100)
	got := offsets(t, s, f.sessionRoom(), 60)
	require.NoError(t, first.Stop())

	for _, at := range []*gatewaytest.Gateway{gatewaytest.StartWithIssuer(t, iss, withRedis), other} {
		s = f.customerSocket(t, at)
		resumed := s.Subscribe(f.sessionRoom(), got[59])
		require.True(t, resumed.Resumed)
		p.publish(20)
		all := p.stream()[before:]
		require.Equal(t, all[60:], offsets(t, s, f.sessionRoom(), len(all)-60))
		again := f.customerSocket(t, at)
		require.True(t, again.Subscribe(f.sessionRoom(), subscribed.Offset).Resumed, "the first offset cannot be resumed")
		require.Equal(t, all, offsets(t, again, f.sessionRoom(), len(all)))
	}
}

func TestResume_EmptyRoomFromItsBeginning(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	tenantID := gatewaytest.NewTenantID()
	s := here.OpenCustomer(t, here.Token(tenantID, "alice", "admin"))
	subscribed := s.Subscribe("tenant", "")
	require.Equal(t, gatewaytest.Subscribed{Room: "tenant", Offset: "0-0"}, subscribed)
	s.Drop()
	f := newFleetOf(t, here, tenantID)
	s = f.customerSocket(t, there)
	require.Equal(t, gatewaytest.Subscribed{Room: "tenant", Offset: "0-0", Resumed: true}, s.Subscribe("tenant", subscribed.Offset))
	require.Equal(t, "device.registered", s.Event().Type)
	require.Equal(t, "session.opened", s.Event().Type)
}

// TestResume_ImpossibleOffsetReportsReason tries to resume at trimmed and unknown offsets.
// Such a resume must not succeed, because the client would miss events without noticing.
func TestResume_ImpossibleOffsetReportsReason(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(300)
	all := p.stream()
	require.NoError(t, p.redis.XTrimMaxLen(t.Context(), p.key(), 100).Err())
	kept := p.stream()
	require.Len(t, kept, 100)
	newest := kept[99]
	watcher := f.customerSocket(t, g, "tenant")
	for since, want := range map[string]gatewaytest.Subscribed{
		all[0]:                 {Reason: "trimmed"},
		all[len(all)-102]:      {Reason: "trimmed"},
		"1-1":                  {Reason: "trimmed"},
		kept[0]:                {Resumed: true, Offset: kept[0]},
		kept[98]:               {Resumed: true, Offset: kept[98]},
		newest:                 {Resumed: true, Offset: newest},
		"9999999999999-0":      {Reason: "unknown"},
		"never":                {Reason: "unknown"},
		"1-":                   {Reason: "unknown"},
		"-1-1":                 {Reason: "unknown"},
		"99999999999999999999": {Reason: "unknown"},
	} {
		want.Room = "tenant"
		if want.Reason != "" {
			want.Offset = newest
		}
		s := f.customerSocket(t, g)
		require.Equal(t, want, s.Subscribe("tenant", since), since)
		if !want.Resumed {
			s.Barrier()
			require.Empty(t, s.TakePushed(), "events of the past after %s", since)
		}
		s.Drop()
	}
	f.propose(t, auto)
	require.Equal(t, "command.proposed", watcher.Event().Type)
}

// TestSocket_BehindTrimmedStreamIsClosed trims the stream while a slow socket catches up.
// The socket misses the trimmed events, so it must be closed.
func TestSocket_BehindTrimmedStreamIsClosed(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(4000)
	s := g.Open(t, gatewaytest.DialOptions{
		Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "alice", "viewer"), ReceiveBuffer: 16 << 10, Stalled: true,
	})
	s.StartRequestAs("s-1", "subscribe", object{"room": "tenant", "since": "0-0"})
	eventually(t, func() bool { return len(g.Log.Lines("frame", "s-1")) == 1 }, "the socket is not subscribed")
	require.NoError(t, p.redis.XTrimMaxLen(t.Context(), p.key(), 10).Err())
	s.StartReading()
	require.Equal(t, 4010, s.CloseCode())
	require.Less(t, len(s.TakePushed()), 4000)
}

func TestWakeUp_AllLostStillDelivers(t *testing.T) {
	t.Parallel()
	server, iss := storetest.Start(t), customertest.NewIssuer(t)
	require.NoError(t, server.Client(t).Do(t.Context(),
		"ACL", "SETUSER", "deaf", "on", ">x", "~*", "&*", "+@all", "-subscribe", "-psubscribe", "-ssubscribe").Err())
	normal := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()))
	deaf := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis("redis://deaf:x@"+server.Addr()),
		withSockets(func(cfg *realtime.Config) { cfg.RenewEvery = 500 * time.Millisecond }))
	f := newFleet(t, normal)
	watcher, device := f.customerSocket(t, deaf, f.sessionRoom()), f.deviceSocket(t, deaf)
	f.propose(t, auto)
	require.Equal(t, "command.proposed", watcher.Event().Type)
	require.Equal(t, "commands.available", device.Next().Type)

	newest := f.deviceSocket(t, normal)
	require.Equal(t, 4009, device.CloseCode(), "a newer socket took over")
	device = f.deviceSocket(t, deaf)
	require.Equal(t, 4009, newest.CloseCode(), "a newer socket took over")
	_, err := f.alice.Suspend(t.Context(), f.device.ID, "")
	require.NoError(t, err)
	require.Equal(t, 4003, device.CloseCode(), "the device was suspended")
}

func TestWakeUp_RepeatedlyKilledSubscriberLosesNothing(t *testing.T) {
	t.Parallel()
	server, iss := storetest.Start(t), customertest.NewIssuer(t)
	g := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()))
	f := newFleet(t, g)
	p := f.publisher(t, server.URL())
	before := len(p.stream())
	s := f.customerSocket(t, g, "tenant")
	ctx, stop := context.WithCancel(t.Context())
	var killing sync.WaitGroup
	killing.Go(func() { killSubscribers(ctx, server.Client(t)) })
	for range 20 {
		p.publish(50)
	}
	want := p.stream()[before:]
	require.Equal(t, want, offsets(t, s, "tenant", len(want)))
	stop()
	killing.Wait()
}

// killSubscribers kills the connections of all subscribers, again and again, until the
// context is cancelled.
func killSubscribers(ctx context.Context, client *redis.Client) {
	for ctx.Err() == nil {
		_ = client.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err()
	}
}

func TestSocket_SurvivesStoreOutage(t *testing.T) {
	t.Parallel()
	server, iss := storetest.Start(t), customertest.NewIssuer(t)
	g := gatewaytest.StartWithIssuer(t, iss, gatewaytest.WithRedis(server.URL()), withSockets(func(cfg *realtime.Config) {
		cfg.Lease, cfg.RenewEvery, cfg.SweepEvery = time.Second, 200*time.Millisecond, 500*time.Millisecond
	}), func(cfg *gateway.Config) { cfg.ReconcileInterval = 0 }) // no reconciler, because its failures would delay the reconnect
	f := newFleet(t, g)
	p := f.publisher(t, server.URL())
	s, device := f.customerSocket(t, g, "tenant"), f.deviceSocket(t, g)
	for s.Event().Type != "device.presence" {
	}
	p.publish(10)
	offsets(t, s, "tenant", 10)
	before := p.stream()

	server.Kill()
	require.EqualValues(t, "store_unavailable", s.RequestError("subscribe", object{"room": f.deviceRoom()}).Code)
	require.EqualValues(t, "store_unavailable", device.RequestError("heartbeat", object{"status": "ok"}).Code)
	down := time.Now()
	eventually(t, func() bool { return time.Since(down) > 1200*time.Millisecond }, "the clock stands still")
	server.Restart(t)

	require.Eventually(t, func() bool { return device.StartRequest("heartbeat", object{"status": "ok"})().Type == "reply" },
		30*time.Second, 200*time.Millisecond, "the gateway does not reconnect") // slower than the limit of messages
	eventually(t, func() bool { return len(connections(t, g, f.tenantID)) == 2 }, "the sockets are not listed again")
	p.publish(10)
	want := p.stream()[len(before):]
	var got []string
	for len(got) < len(want) {
		got = append(got, s.Event().Offset)
	}
	require.Equal(t, want, got)
}
