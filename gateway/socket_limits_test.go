package gateway_test

import (
	"fmt"
	"net/http"
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

func TestSocket_CloseCodeNamesBrokenRule(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	frame := func(n int) string { // returns a frame of n bytes
		text := `{"type":"ping","requestId":"","data":{}}`
		return strings.Replace(text, `""`, `"`+strings.Repeat("r", n-len(text))+`"`, 1)
	}
	for name, c := range map[string]struct {
		breaks func(s *gatewaytest.Socket)
		code   int
	}{
		"a binary message":          {func(s *gatewaytest.Socket) { s.SendBinary([]byte(`{"type":"ping"}`)) }, 1003},
		"not UTF-8":                 {func(s *gatewaytest.Socket) { s.SendRaw("{\"type\":\"\xff\"}") }, 1007},
		"one byte too long":         {func(s *gatewaytest.Socket) { s.SendRaw(frame(64<<10 + 1)) }, 1009},
		"far too long":              {func(s *gatewaytest.Socket) { _ = s.TrySend(strings.Repeat(" ", 4<<20)) }, 1009},
		"too many frames":           {func(s *gatewaytest.Socket) { flood(s, `{"type":"ping"}`) }, 1008},
		"too many malformed frames": {func(s *gatewaytest.Socket) { flood(s, `nothing`) }, 1008},
	} {
		for _, path := range []string{gatewaytest.DevicePath, gatewaytest.CustomerPath} {
			token := f.Token(f.tenantID, "alice", "viewer")
			if path == gatewaytest.DevicePath {
				token = f.Login(t, f.device)
			}
			s := g.Open(t, gatewaytest.DialOptions{Path: path, Token: token})
			c.breaks(s)
			require.Equal(t, c.code, s.CloseCode(), "%s: %v", name, s.Reason())
		}
	}
	s := f.customerSocket(t, g)
	s.SendRaw(frame(64 << 10))
	require.Equal(t, "error", s.Next().Type, "the longest frame is read, and refused for its request id")
}

// flood sends more frames than the frame limit allows. It stops early if the socket is
// closed.
func flood(s *gatewaytest.Socket, text string) {
	for range 400 {
		if s.TrySend(text) != nil {
			return
		}
	}
}

func TestSocket_LimitsRequestsInFlight(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.Limits.MaxInFlight = 2 }))
	f := newFleet(t, g)
	s := f.deviceSocket(t, g)
	var waiting []gatewaytest.PendingReply
	for range 2 {
		waiting = append(waiting, s.StartRequest("claim", object{"waitMs": 30_000}))
	}
	awaitWaitingClaims(t, g, 2)
	for _, kind := range []string{"claim", "ping", "heartbeat"} {
		require.Equal(t, client.CodeRateLimited, s.RequestError(kind, object{}).Code, kind)
	}
	for range waiting {
		f.propose(t, auto)
	}
	for _, claim := range waiting {
		require.Len(t, commands(t, claim().Data), 1)
	}
	eventually(t, func() bool { return s.StartRequest("ping", nil)().Type == "reply" }, "requests in flight are not released")
}

// TestClaim_WaitingIsBoundedPerDevice starts two claims that wait, one over a socket and one
// over HTTP. A third waiting claim must be refused, both over the socket and over HTTP.
func TestClaim_WaitingIsBoundedPerDevice(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.deviceSocket(t, g)
	s.StartRequest("claim", object{"waitMs": 30_000})
	go func() { _, _ = f.device.Claim(t.Context(), client.ClaimRequest{WaitMs: 30_000}) }()
	awaitWaitingClaims(t, g, 2)
	require.Equal(t, client.CodeRateLimited, s.RequestError("claim", object{"waitMs": 1}).Code)
	got := g.Do(t, gatewaytest.Request{
		Method: "POST", Path: "/api/v1/device/commands/claim", Token: f.Login(t, f.device), Body: `{"waitMs":1}`,
	})
	require.Equal(t, http.StatusTooManyRequests, got.Status)
	require.Equal(t, "1", got.Header.Get("Retry-After"))
	s.Request("claim", object{"waitMs": 0}, nil)
}

// TestSocket_CatchUpTakesNoRequestSlot resumes two rooms on a socket with one request slot.
// Missed events are sent after the reply to subscribe, when the slot is free again.
func TestSocket_CatchUpTakesNoRequestSlot(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.MaxInFlight = 1 }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(1000)
	s := f.customerSocket(t, g)
	require.True(t, s.Subscribe("tenant", "0-0").Resumed)
	require.True(t, s.Subscribe(f.deviceRoom(), "0-0").Resumed)
	all := p.stream()
	require.Equal(t, map[string][]string{"tenant": all, f.deviceRoom(): all}, byRoom(s, 2*len(all)))
}

func TestSocket_StalledReaderIsClosedAndDelaysNoOther(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.WriteWithin = time.Second }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	stalled := g.Open(t, gatewaytest.DialOptions{
		Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "alice", "viewer"), ReceiveBuffer: 4 << 10, Stalled: true,
	})
	for i, room := range []string{"tenant", f.deviceRoom(), f.sessionRoom()} {
		id := fmt.Sprintf("%s-%d", f.tenantID, i)
		stalled.StartRequestAs(id, "subscribe", object{"room": room})
		eventually(t, func() bool { return len(g.Log.Lines("frame", id)) == 1 }, "the socket is not subscribed")
	}
	good := f.customerSocket(t, g, "tenant")
	before := len(p.stream())
	closed := func() bool { return len(connections(t, g, f.tenantID)) == 1 }
	published := 0
	for ; !closed() && published < 9000; published += 500 {
		p.publish(500)
		require.Equal(t, p.stream()[before+published:], offsets(t, good, "tenant", 500), "the good reader misses events")
	}
	eventually(t, closed, "the stalled reader is not closed")
	require.EqualValues(t, 1, g.Metrics(t)[`fieldgate_socket_closes_total{code="4010",kind="customer"}`])
	good.Barrier()
	require.Empty(t, good.TakePushed())
}

// TestSocket_BurstOfEventsClosesNoHealthyClient publishes events faster than the network
// transfers them. The socket of a client that reads everything must stay open.
func TestSocket_BurstOfEventsClosesNoHealthyClient(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url),
		withSockets(func(cfg *realtime.Config) { cfg.Limits.MaxQueued, cfg.Limits.MaxQueuedBytes = 4, 4<<10 }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	before := len(p.stream())
	s := f.customerSocket(t, g, "tenant", f.sessionRoom())
	p.publish(1000)
	want := p.stream()[before:]
	require.Equal(t, map[string][]string{"tenant": want, f.sessionRoom(): want}, byRoom(s, 2*len(want)))
	p.publish(10)
	want = p.stream()[before+len(want):]
	require.Equal(t, map[string][]string{"tenant": want, f.sessionRoom(): want}, byRoom(s, 2*len(want)), "later events are missing")
}

func TestSocket_CapPerTenant(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.MaxPerTenant = 5 }))
	f, others := newFleet(t, g), newFleet(t, g)
	device := f.deviceSocket(t, g)
	var rest []*gatewaytest.Socket
	for range 4 {
		rest = append(rest, f.customerSocket(t, g))
	}
	for _, d := range []gatewaytest.DialOptions{
		{Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "bob", "viewer")},
		{Path: gatewaytest.DevicePath, Token: f.Login(t, f.device)},
	} {
		s, _ := g.Dial(t, d)
		var hint struct{ RetryAfterMs int }
		s.NextOf("going_away").Decode(t, &hint)
		require.Positive(t, hint.RetryAfterMs)
		require.Equal(t, 1013, s.CloseCode())
	}
	device.Barrier()
	require.Len(t, connections(t, g, f.tenantID), 5, "a refused socket replaced another one")
	others.customerSocket(t, g)
	rest[0].Close()
	eventually(t, func() bool {
		s, _ := g.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "bob", "viewer")})
		return s.Next().Type == "welcome"
	}, "the closed socket still counts")
}

func TestSocket_CapPerTenantHoldsForConcurrentOpens(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.MaxPerTenant = 10 }))
	f := newFleet(t, g)
	token := f.Token(f.tenantID, "alice", "viewer")
	var sockets [40]*gatewaytest.Socket
	var all sync.WaitGroup
	for i := range sockets {
		all.Go(func() {
			sockets[i], _ = g.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token})
		})
	}
	all.Wait()
	first := map[string]int{}
	for _, s := range sockets {
		first[s.Next().Type]++
	}
	require.Equal(t, map[string]int{"welcome": 10, "going_away": 30}, first)
}

func TestSocket_DeadPeerIsClosed(t *testing.T) {
	t.Parallel()
	const ping, pong = 500 * time.Millisecond, 2 * time.Second
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) {
		cfg.Limits.PingEvery, cfg.Limits.PongWithin = ping, pong
	}))
	f := newFleet(t, g)
	alive := f.customerSocket(t, g)
	require.Equal(t, ping, alive.PingInterval)
	token := f.Token(f.tenantID, "alice", "viewer")
	began := time.Now()
	dead := g.Open(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token, NoPong: true})
	require.Equal(t, 4008, closeCodeWithin(t, dead, 15*time.Second))
	require.GreaterOrEqual(t, time.Since(began), pong, "the client had too little time to reply")

	speaking := g.Open(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token, NoPong: true})
	for until := time.Now().Add(2 * (ping + pong)); time.Now().Before(until); {
		speaking.Barrier() // any frame proves that the client is alive
		_, err := speaking.TryNext(100 * time.Millisecond)
		require.Error(t, err)
	}
	speaking.Barrier()
	alive.Barrier()
}
