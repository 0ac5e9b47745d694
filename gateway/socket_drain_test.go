package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// leaving is how a socket was sent away.
type leaving struct {
	code   int
	after  time.Duration // since the gateway was told to end
	pushed []gatewaytest.Frame
}

// leaveAll waits for the end of all of them.
func leaveAll(sockets []*gatewaytest.Socket, began time.Time) (all []leaving) {
	left := make(chan leaving, len(sockets))
	for _, s := range sockets {
		go func() {
			<-s.Done()
			left <- leaving{s.Code(), time.Since(began), s.TakePushed()}
		}()
	}
	for range sockets {
		all = append(all, <-left)
	}
	return all
}

// hint is what the socket was told of when to come back.
func (l leaving) hint(t testing.TB) time.Duration {
	t.Helper()
	require.NotEmpty(t, l.pushed)
	last := l.pushed[len(l.pushed)-1]
	require.Equal(t, "going_away", last.Type)
	var data struct{ RetryAfterMs int }
	last.Decode(t, &data)
	return time.Duration(data.RetryAfterMs) * time.Millisecond
}

func TestShutdown_SpreadsSocketCloses(t *testing.T) {
	t.Parallel()
	const n, delay, window = 200, 700 * time.Millisecond, 2 * time.Second
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DrainDelay, cfg.DrainWindow = delay, window })
	f := newFleet(t, g)
	sockets := make([]*gatewaytest.Socket, n)
	for i := range sockets {
		sockets[i] = f.watch(t, g)
	}
	began, ended := time.Now(), stop(g)
	left := make(chan []leaving, 1)
	go func() { left <- leaveAll(sockets, began) }()
	// While the balancer notices, all goes on as before.
	eventually(t, func() bool { r, err := g.Readiness(t.Context()); return err == nil && r.Draining }, "it does not say that it drains")
	f.watch(t, g).Subscribe("tenant", "")
	f.propose(t, auto)

	hints, tenths := map[time.Duration]bool{}, make([]int, 10)
	for _, l := range <-left {
		require.Equal(t, 1012, l.code, "never without a word")
		require.Positive(t, l.hint(t))
		require.GreaterOrEqual(t, l.after, delay)
		hints[l.hint(t)] = true
		tenths[min(int(10*(l.after-delay)/window), 9)]++
	}
	require.NoError(t, <-ended)
	t.Logf("closes in each tenth of the window: %v", tenths)
	require.Greater(t, len(hints), n/4, "they do not come back all at once")
	for _, some := range tenths { // a busy machine may close those of several parts together
		require.Less(t, some, n/2, "%v", tenths)
	}
}

// Until its close a socket works as before. A device whose claim came back with
// nothing would claim again at once, and again.
func TestShutdown_SocketWorksUntilClosed(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t, func(cfg *gateway.Config) { cfg.DrainWindow = time.Second })
	f := newFleet(t, here)
	s := f.socket(t, here)
	sockets := []*gatewaytest.Socket{s}
	for range 9 {
		sockets = append(sockets, f.watch(t, here))
	}
	s.StartRequest("claim", object{"waitMs": 30_000})
	awaitWaitingClaims(t, here, 1)
	ended := stop(here)
	for _, l := range leaveAll(sockets, time.Now()) {
		require.Equal(t, 1012, l.code)
	}
	require.NoError(t, <-ended)
	require.Equal(t, 1, s.PendingRequests(), "its claim came back with nothing")

	require.Empty(t, connections(t, there, f.customer), "nothing is left of them")
	alice := there.User(f.customer, "alice", "admin")
	elsewhere := &fleet{Gateway: there, customer: f.customer, alice: alice, device: f.device, session: f.session}
	elsewhere.device.DeviceClient = there.Device(f.device.ID, f.device.Secret)
	require.Equal(t, elsewhere.propose(t, auto).ID, elsewhere.claim(t).ID, "what the claim waited for is not lost")
}

func TestShutdown_DoesNotWaitForStalledClient(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	for range 5 {
		g.Open(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: f.Token(f.customer, "alice", "viewer"), Stalled: true})
	}
	eventually(t, func() bool { return len(connections(t, g, f.customer)) == 5 }, "they are not there")
	began := time.Now()
	require.NoError(t, g.Stop())
	require.Less(t, time.Since(began), 4500*time.Millisecond)
}

func TestShutdown_ClosesSocketOpenedWhileDraining(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DrainDelay = 300 * time.Millisecond })
	f := newFleet(t, g)
	d := gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: f.Token(f.customer, "alice", "viewer")}
	ended := stop(g)
	var opened []*gatewaytest.Socket
	for {
		s, refused, err := g.TryDial(t, d)
		if err != nil {
			break // nobody listens any more
		}
		require.Nil(t, refused)
		opened = append(opened, s)
	}
	require.NotEmpty(t, opened)
	for _, l := range leaveAll(opened, time.Now()) {
		require.Equal(t, 1012, l.code)
	}
	require.NoError(t, <-ended)
}
