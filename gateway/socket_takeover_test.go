package gateway_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
)

// withShortPresence makes a device stale as soon as its socket is closed.
var withShortPresence = withSockets(func(cfg *realtime.Config) { cfg.OnlineFor = time.Millisecond })

// instancePairs returns two pairs of instances. The first pair is one instance twice, and
// the second pair is two instances on the same Redis.
func instancePairs(t *testing.T) map[string][2]*gatewaytest.Gateway {
	t.Helper()
	here, there := startTwoInstances(t, withShortPresence)
	return map[string][2]*gatewaytest.Gateway{"the same instance": {here, here}, "another instance": {here, there}}
}

func TestTakeover_NewestSocketReplacesOld(t *testing.T) {
	t.Parallel()
	for name, at := range instancePairs(t) {
		f := newFleet(t, at[0])
		old := f.deviceSocket(t, at[0])
		newest := f.deviceSocket(t, at[1])

		require.Equal(t, 4009, closeCodeWithin(t, old, wakeUpTimeout), name)
		eventually(t, func() bool { return len(connections(t, at[0], f.tenantID)) == 1 }, "the old socket is still listed: "+name)
		require.Contains(t, connections(t, at[0], f.tenantID), newest.ID, name)
		f.propose(t, auto)
		newest.NextOf("commands.available")
		require.Len(t, commands(t, newest.Request("claim", nil, nil).Data), 1, name)
	}
}

// TestTakeover_LateCloseOfOldSocketChangesNothing closes the old socket after the new one
// is open. The late close must not make the device stale.
func TestTakeover_LateCloseOfOldSocketChangesNothing(t *testing.T) {
	t.Parallel()
	for name, at := range instancePairs(t) {
		f := newFleet(t, at[0])
		watcher := f.customerSocket(t, at[0])
		watcher.Subscribe(f.deviceRoom(), "")
		old := f.deviceSocket(t, at[0])
		require.Equal(t, "device.presence", watcher.Event().Type, "the device is not online")
		newest := f.deviceSocket(t, at[1])
		old.CloseCode()
		eventually(t, func() bool { _, listed := connections(t, at[0], f.tenantID)[old.ID]; return !listed }, "the old socket is still listed")

		require.EqualValues(t, "online", f.presence(t), name)
		f.propose(t, auto)
		require.Equal(t, "command.proposed", watcher.Event().Type, "an event of the device's presence came before: "+name)

		newest.Close()
		eventually(t, func() bool { return f.presence(t) == "stale" }, "the device is online without a socket: "+name)
		require.Equal(t, "device.presence", watcher.Event().Type)
	}
}

func TestTakeover_OneOfConcurrentSocketsStays(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	token := f.Login(t, f.device)
	for range 5 {
		var opened [16]*gatewaytest.Socket
		var all sync.WaitGroup
		for i := range opened {
			at := []*gatewaytest.Gateway{here, there}[i%2]
			all.Go(func() { opened[i], _ = at.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.DevicePath, Token: token}) })
		}
		all.Wait()
		eventually(t, func() bool { return len(stillOpen(opened[:])) <= 1 }, "several sockets stay open")
		eventually(t, func() bool { return len(connections(t, here, f.tenantID)) <= 1 }, "several sockets are listed")
		left := stillOpen(opened[:])
		require.Len(t, left, 1, "the newest socket was closed")
		for _, s := range opened {
			if s != left[0] {
				require.Equal(t, 4009, s.CloseCode())
			}
		}
		left[0].AwaitWelcome()
		require.Contains(t, connections(t, there, f.tenantID), left[0].ID)
		f.propose(t, auto)
		claimed := commands(t, left[0].Request("claim", object{"waitMs": 10_000}, nil).Data)
		require.Len(t, claimed, 1)
		require.EqualValues(t, "online", f.presence(t))
	}
}

// stillOpen returns the sockets that are not closed.
func stillOpen(sockets []*gatewaytest.Socket) (left []*gatewaytest.Socket) {
	for _, s := range sockets {
		select {
		case <-s.Done():
		default:
			left = append(left, s)
		}
	}
	return left
}

func TestTakeover_FailedHandshakeKeepsOldSocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s, token := f.deviceSocket(t, g), f.Login(t, f.device)
	valid := map[string][]string{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"fieldgate.v1"},
	}
	for name, invalid := range map[string][]string{
		"Connection": nil, "Upgrade": {"h2c"}, "Sec-Websocket-Version": {"8"},
		"Sec-Websocket-Key": {"short"}, "Sec-Websocket-Protocol": {"graphql-ws"},
	} {
		header := map[string][]string{}
		for field, value := range valid {
			header[field] = value
		}
		header[name] = invalid
		response := g.Do(t, gatewaytest.Request{Method: "GET", Path: gatewaytest.DevicePath, Token: token, Header: header})
		require.Equal(t, 400, response.Status, "%s: %s", name, response.Body)
	}
	s.Barrier()
	require.Contains(t, connections(t, g, f.tenantID), s.ID)
	require.Len(t, connections(t, g, f.tenantID), 1)
}
