package gateway_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
)

// atOnce makes a device stale as soon as its socket has ended.
var atOnce = withSockets(func(cfg *realtime.Config) { cfg.OnlineFor = time.Millisecond })

// pairAtOnce is an instance, itself again, and another one on the same Redis.
func pairAtOnce(t *testing.T) map[string][2]*gatewaytest.Gateway {
	t.Helper()
	here, there := twoOnOneRedis(t, atOnce)
	return map[string][2]*gatewaytest.Gateway{"the same instance": {here, here}, "another instance": {here, there}}
}

func TestTakeover_NewestSocketReplacesOld(t *testing.T) {
	t.Parallel()
	for name, at := range pairAtOnce(t) {
		f := newFleet(t, at[0])
		old := f.socket(t, at[0])
		newest := f.socket(t, at[1])

		require.Equal(t, 4009, endsWithin(t, old, 2*time.Second), name)
		eventually(t, func() bool { return len(connections(t, at[0], f.customer)) == 1 }, "the old one is still listed: "+name)
		require.Contains(t, connections(t, at[0], f.customer), newest.ID, name)
		f.propose(t, auto)
		newest.NextOf("commands.available")
		require.Len(t, commands(t, newest.Request("claim", nil, nil).Data), 1, name)
	}
}

// The old socket ends after the new one has begun: that must not make the device,
// which is there, look as if it were not.
func TestTakeover_LateCloseOfOldSocketChangesNothing(t *testing.T) {
	t.Parallel()
	for name, at := range pairAtOnce(t) {
		f := newFleet(t, at[0])
		watcher := f.watch(t, at[0])
		old := f.socket(t, at[0])
		eventually(t, func() bool { return f.presence(t) == "online" }, "it is not online")
		watcher.Subscribe(f.deviceRoom(), "")
		newest := f.socket(t, at[1])
		old.CloseCode()
		eventually(t, func() bool { _, listed := connections(t, at[0], f.customer)[old.ID]; return !listed }, "the old one is not gone")

		require.EqualValues(t, "online", f.presence(t), name)
		f.propose(t, auto)
		require.Equal(t, "command.proposed", watcher.Event().Type, "no change of presence came before it: "+name)

		newest.Close()
		eventually(t, func() bool { return f.presence(t) == "stale" }, "the end of the newest is noticed: "+name)
		require.Equal(t, "device.presence", watcher.Event().Type)
	}
}

func TestTakeover_OneOfConcurrentSocketsStays(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
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
		eventually(t, func() bool { return len(open(opened[:])) <= 1 }, "several stay")
		eventually(t, func() bool { return len(connections(t, here, f.customer)) <= 1 }, "several are listed")
		left := open(opened[:])
		require.Len(t, left, 1, "the newest has to stay")
		for _, s := range opened {
			if s != left[0] {
				require.Equal(t, 4009, s.CloseCode())
			}
		}
		left[0].AwaitWelcome()
		require.Contains(t, connections(t, there, f.customer), left[0].ID)
		f.propose(t, auto)
		claimed := commands(t, left[0].Request("claim", object{"waitMs": 10_000}, nil).Data)
		require.Len(t, claimed, 1)
		require.EqualValues(t, "online", f.presence(t))
	}
}

// open are the sockets that have not ended.
func open(some []*gatewaytest.Socket) (left []*gatewaytest.Socket) {
	for _, s := range some {
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
	s, token := f.socket(t, g), f.Login(t, f.device)
	whole := map[string][]string{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"fieldgate.v1"},
	}
	for name, wrong := range map[string][]string{
		"Connection": nil, "Upgrade": {"h2c"}, "Sec-Websocket-Version": {"8"},
		"Sec-Websocket-Key": {"short"}, "Sec-Websocket-Protocol": {"graphql-ws"},
	} {
		header := map[string][]string{}
		for field, value := range whole {
			header[field] = value
		}
		header[name] = wrong
		answer := g.Do(t, gatewaytest.Request{Method: "GET", Path: gatewaytest.DevicePath, Token: token, Header: header})
		require.Equal(t, 400, answer.Status, "%s: %s", name, answer.Body)
	}
	s.Barrier()
	require.Contains(t, connections(t, g, f.customer), s.ID)
	require.Len(t, connections(t, g, f.customer), 1)
}
