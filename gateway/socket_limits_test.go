package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestAClientThatBreaksARuleIsToldWhich(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	frame := func(n int) string { // a frame of n bytes
		text := `{"type":"ping","requestId":"","data":{}}`
		return strings.Replace(text, `""`, `"`+strings.Repeat("r", n-len(text))+`"`, 1)
	}
	for name, c := range map[string]struct {
		breaks func(s *gatewaytest.Socket)
		code   int
	}{
		"binary":            {func(s *gatewaytest.Socket) { s.SendBinary([]byte(`{"type":"ping"}`)) }, 1003},
		"not UTF-8":         {func(s *gatewaytest.Socket) { s.SendRaw("{\"type\":\"\xff\"}") }, 1007},
		"a byte too long":   {func(s *gatewaytest.Socket) { s.SendRaw(frame(64<<10 + 1)) }, 1009},
		"far too long":      {func(s *gatewaytest.Socket) { _ = s.TrySend(strings.Repeat(" ", 4<<20)) }, 1009},
		"many at once":      {func(s *gatewaytest.Socket) { flood(s, `{"type":"ping"}`) }, 1008},
		"many that are bad": {func(s *gatewaytest.Socket) { flood(s, `nothing`) }, 1008},
	} {
		for _, path := range []string{gatewaytest.DevicePath, gatewaytest.CustomerPath} {
			token := f.Token(f.customer, "alice", "viewer")
			if path == gatewaytest.DevicePath {
				token = f.Login(t, f.device)
			}
			s := g.Open(t, gatewaytest.Dialing{Path: path, Token: token})
			c.breaks(s)
			require.Equal(t, c.code, s.CloseCode(), "%s: %v", name, s.Reason())
		}
	}
	s := f.watch(t, g)
	s.SendRaw(frame(64 << 10))
	require.Equal(t, "error", s.Next().Type, "the longest frame is read, and then refused for its requestId")
}

// flood sends more than a client may.
func flood(s *gatewaytest.Socket, text string) {
	for range 400 {
		if s.TrySend(text) != nil {
			return
		}
	}
}

func TestASocketHasSoManyFramesAnsweredAtATime(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.socket(t, g)
	var waiting []gatewaytest.Pending
	for range 32 {
		waiting = append(waiting, s.Ask("claim", object{"waitMs": 30_000}))
	}
	awaitWaitingClaims(t, g, 32)
	for _, kind := range []string{"claim", "ping", "heartbeat"} {
		require.Equal(t, client.CodeRateLimited, s.Refused(kind, object{}).Code, kind)
	}
	for range waiting {
		f.propose(t, auto)
	}
	for _, claim := range waiting {
		require.Len(t, commands(t, claim().Data), 1)
	}
	eventually(t, func() bool { return s.Ask("ping", nil)().Type == "reply" }, "no place is free again")
}

// What was missed comes after the answer, and takes no place of one.
func TestCatchingUpKeepsNoOtherFrameWaiting(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.OnRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.MaxInFlight = 1 }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(2000)
	s := f.watch(t, g)
	require.True(t, s.Subscribe("tenant", "0-0").Resumed)
	require.True(t, s.Subscribe(f.deviceRoom(), "0-0").Resumed)
	all := p.stream()
	require.Equal(t, map[string][]string{"tenant": all, f.deviceRoom(): all}, byRoom(s, 2*len(all)))
}

func TestAClientThatStopsReadingIsClosedAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.OnRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.WriteWithin = time.Second }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	stalled := g.Open(t, gatewaytest.Dialing{
		Path: gatewaytest.CustomerPath, Token: f.Token(f.customer, "alice", "viewer"), ReceiveBuffer: 4 << 10, Stalled: true,
	})
	for i, room := range []string{"tenant", f.deviceRoom(), f.sessionRoom()} {
		id := fmt.Sprintf("%s-%d", f.customer, i)
		stalled.AskAs(id, "subscribe", object{"room": room})
		eventually(t, func() bool { return len(g.Log.Lines("frame", id)) == 1 }, "it is not subscribed")
	}
	good := f.watch(t, g, "tenant")
	before := len(p.stream())
	gone := func() bool { return len(connections(t, g, f.customer)) == 1 }
	published := 0
	for ; !gone() && published < 9000; published += 500 {
		p.publish(500)
		require.Equal(t, p.stream()[before+published:], offsets(t, good, "tenant", 500), "whoever reads is not held up")
	}
	eventually(t, gone, "the one that does not read is there still")
	require.EqualValues(t, 1, g.Metrics(t)[`fieldgate_socket_closes_total{code="4010",kind="customer"}`])
	good.Barrier()
	require.Empty(t, good.Pushed())
}

// Events may come much faster than the network takes them, for a while. That is no
// reason to send a client away that reads all it gets.
func TestABurstOfEventsSendsNoHealthyClientAway(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.OnRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.MaxQueued, cfg.Limits.MaxQueuedBytes = 4, 4<<10 }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	before := len(p.stream())
	s := f.watch(t, g, "tenant", f.sessionRoom())
	p.publish(3000)
	want := p.stream()[before:]
	require.Equal(t, map[string][]string{"tenant": want, f.sessionRoom(): want}, byRoom(s, 2*len(want)))
	p.publish(10)
	want = p.stream()[before+len(want):]
	require.Equal(t, map[string][]string{"tenant": want, f.sessionRoom(): want}, byRoom(s, 2*len(want)), "and it goes on")
}

func TestATenantHasSoManySocketsAtAnInstance(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.MaxPerTenant = 5 }))
	f, others := newFleet(t, g), newFleet(t, g)
	device := f.socket(t, g)
	var rest []*gatewaytest.Socket
	for range 4 {
		rest = append(rest, f.watch(t, g))
	}
	for _, d := range []gatewaytest.Dialing{
		{Path: gatewaytest.CustomerPath, Token: f.Token(f.customer, "bob", "viewer")},
		{Path: gatewaytest.DevicePath, Token: f.Login(t, f.device)},
	} {
		s, _ := g.Dial(t, d)
		var hint struct{ RetryAfterMs int }
		s.NextOf("going_away").Into(t, &hint)
		require.Positive(t, hint.RetryAfterMs)
		require.Equal(t, 1013, s.CloseCode())
	}
	device.Barrier()
	require.Len(t, connections(t, g, f.customer), 5, "nobody lost a socket to one that was refused")
	others.watch(t, g)
	rest[0].Goodbye()
	eventually(t, func() bool {
		s, _ := g.Dial(t, gatewaytest.Dialing{Path: gatewaytest.CustomerPath, Token: f.Token(f.customer, "bob", "viewer")})
		return s.Next().Type == "welcome"
	}, "the place is not free again")
}

func TestTheCapHoldsWhenAllComeAtOnce(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.MaxPerTenant = 10 }))
	f := newFleet(t, g)
	token := f.Token(f.customer, "alice", "viewer")
	var sockets [40]*gatewaytest.Socket
	var all sync.WaitGroup
	for i := range sockets {
		all.Go(func() { sockets[i], _ = g.Dial(t, gatewaytest.Dialing{Path: gatewaytest.CustomerPath, Token: token}) })
	}
	all.Wait()
	first := map[string]int{}
	for _, s := range sockets {
		first[s.Next().Type]++
	}
	require.Equal(t, map[string]int{"welcome": 10, "going_away": 30}, first)
}

func TestAPeerThatIsDeadIsNoticed(t *testing.T) {
	t.Parallel()
	const ping, pong = 400 * time.Millisecond, 400 * time.Millisecond
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) {
		cfg.Limits.PingEvery, cfg.Limits.PongWithin = ping, pong
	}))
	f := newFleet(t, g)
	alive := f.watch(t, g)
	require.Equal(t, ping, alive.Greeting)
	token := f.Token(f.customer, "alice", "viewer")
	began := time.Now()
	dead := g.Open(t, gatewaytest.Dialing{Path: gatewaytest.CustomerPath, Token: token, Silent: true})
	require.Equal(t, 4008, endsWithin(t, dead, 3*(ping+pong)))
	require.GreaterOrEqual(t, time.Since(began), pong, "it had time to answer")

	speaking := g.Open(t, gatewaytest.Dialing{Path: gatewaytest.CustomerPath, Token: token, Silent: true})
	for until := time.Now().Add(2 * (ping + pong)); time.Now().Before(until); {
		speaking.Barrier() // any frame is a sign of life
		_, err := speaking.TryNext(100 * time.Millisecond)
		require.Error(t, err)
	}
	speaking.Barrier()
	alive.Barrier()
}
