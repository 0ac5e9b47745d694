package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// closedSocket is a socket that the gateway has closed.
type closedSocket struct {
	code   int
	after  time.Duration // time since the shutdown began
	pushed []gatewaytest.Frame
}

// awaitClosed waits until all sockets are closed.
func awaitClosed(sockets []*gatewaytest.Socket, began time.Time) (all []closedSocket) {
	closed := make(chan closedSocket, len(sockets))
	for _, s := range sockets {
		go func() {
			<-s.Done()
			closed <- closedSocket{s.Code(), time.Since(began), s.TakePushed()}
		}()
	}
	for range sockets {
		all = append(all, <-closed)
	}
	return all
}

// retryAfter returns the retry hint of the going_away frame. That frame must be the last
// pushed frame.
func (c closedSocket) retryAfter(t testing.TB) time.Duration {
	t.Helper()
	require.NotEmpty(t, c.pushed)
	last := c.pushed[len(c.pushed)-1]
	require.Equal(t, "going_away", last.Type)
	var data struct{ RetryAfterMs int }
	last.Decode(t, &data)
	return time.Duration(data.RetryAfterMs) * time.Millisecond
}

func TestShutdown_SpreadsSocketCloses(t *testing.T) {
	t.Parallel()
	const n, delay, window = 200, 2 * time.Second, 4 * time.Second
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DrainDelay, cfg.DrainWindow = delay, window })
	f := newFleet(t, g)
	sockets := make([]*gatewaytest.Socket, n)
	for i := range sockets {
		sockets[i] = f.customerSocket(t, g)
	}
	began, stopped := time.Now(), stopInBackground(g)
	closed := make(chan []closedSocket, 1)
	go func() { closed <- awaitClosed(sockets, began) }()
	// During the drain delay the gateway serves as before.
	eventually(t, func() bool { r, err := g.Readiness(t.Context()); return err == nil && r.Draining }, "the gateway does not report that it drains")
	f.customerSocket(t, g).Subscribe("tenant", "")
	f.propose(t, auto)

	hints, tenths := map[time.Duration]bool{}, make([]int, 10)
	for _, c := range <-closed {
		require.Equal(t, 1012, c.code)
		require.Positive(t, c.retryAfter(t))
		require.GreaterOrEqual(t, c.after, delay)
		hints[c.retryAfter(t)] = true
		tenths[min(int(10*(c.after-delay)/window), 9)]++
	}
	require.NoError(t, <-stopped)
	t.Logf("closes in each tenth of the window: %v", tenths)
	require.Greater(t, len(hints), n/4, "the clients would reconnect at the same time")
	for _, closes := range tenths { // a busy machine may close the sockets of several tenths of the window together
		require.Less(t, closes, n/2, "%v", tenths)
	}
}

// TestShutdown_SocketWorksUntilClosed drains a gateway while a claim is waiting on a socket.
// The claim must not return empty. Otherwise the device would send claims in a loop.
func TestShutdown_SocketWorksUntilClosed(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t, func(cfg *gateway.Config) { cfg.DrainWindow = time.Second })
	f := newFleet(t, here)
	s := f.deviceSocket(t, here)
	sockets := []*gatewaytest.Socket{s}
	for range 9 {
		sockets = append(sockets, f.customerSocket(t, here))
	}
	s.StartRequest("claim", object{"waitMs": 30_000})
	awaitWaitingClaims(t, here, 1)
	stopped := stopInBackground(here)
	for _, c := range awaitClosed(sockets, time.Now()) {
		require.Equal(t, 1012, c.code)
	}
	require.NoError(t, <-stopped)
	require.Equal(t, 1, s.PendingRequests(), "the claim returned empty")

	require.Empty(t, connections(t, there, f.tenantID), "closed sockets are still listed")
	alice := there.User(f.tenantID, "alice", "admin")
	elsewhere := &fleet{Gateway: there, tenantID: f.tenantID, alice: alice, device: f.device, session: f.session}
	elsewhere.device.DeviceClient = there.Device(f.device.ID, f.device.Secret)
	require.Equal(t, elsewhere.propose(t, auto).ID, elsewhere.claim(t).ID, "the ended claim took the command")
}

func TestShutdown_DoesNotWaitForStalledClient(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	for range 5 {
		g.Open(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "alice", "viewer"), Stalled: true})
	}
	eventually(t, func() bool { return len(connections(t, g, f.tenantID)) == 5 }, "the sockets are not open")
	began := time.Now()
	require.NoError(t, g.Stop())
	require.Less(t, time.Since(began), 15*time.Second)
}

func TestShutdown_ClosesSocketOpenedWhileDraining(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DrainDelay = 300 * time.Millisecond })
	f := newFleet(t, g)
	d := gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: f.Token(f.tenantID, "alice", "viewer")}
	stopped := stopInBackground(g)
	var opened []*gatewaytest.Socket
	for {
		s, refused, err := g.TryDial(t, d)
		if err != nil {
			break // the gateway no longer listens
		}
		require.Nil(t, refused)
		opened = append(opened, s)
	}
	require.NotEmpty(t, opened)
	for _, c := range awaitClosed(opened, time.Now()) {
		require.Equal(t, 1012, c.code)
	}
	require.NoError(t, <-stopped)
}
