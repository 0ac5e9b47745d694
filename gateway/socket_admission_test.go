package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
)

// tryOpen opens a socket of a new user. It reports whether the instance has opened it and
// not closed it. A refused handshake must be refused with overloaded.
func (f *fleet) tryOpen(t *testing.T, g *gatewaytest.Gateway) (opened bool) {
	t.Helper()
	token := f.Token(f.tenantID, "alice", "viewer")
	s, response := g.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token})
	if response != nil {
		requireOverloaded(t, response)
		return false
	}
	return s.Next().Type == "welcome"
}

// TestSocket_CapOfInstance opens as many sockets as the instance has. A further handshake is
// refused before its upgrade, until a socket is closed.
func TestSocket_CapOfInstance(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.MaxSockets, cfg.MaxTenantSockets = 4, 2 })
	f, others, late := newFleet(t, g), newFleet(t, g), newFleet(t, g)
	first := f.customerSocket(t, g)
	require.True(t, f.tryOpen(t, g))
	require.True(t, others.tryOpen(t, g))
	require.True(t, others.tryOpen(t, g))
	require.False(t, late.tryOpen(t, g))
	require.InDelta(t, 1, g.Metrics(t)[`fieldgate_handshakes_refused_total{reason="sockets"}`], 0)
	require.Equal(t, 200, g.Do(t, gatewaytest.Request{Method: "GET", Path: "/readyz"}).Status)
	first.Close()
	eventually(t, func() bool { return late.tryOpen(t, g) }, "the closed socket still counts")
}

// TestSocket_ClosingOnesOfTenantLeaveRoom opens sockets of one tenant beyond its maximum, whose
// clients do not answer the close frame. They must not take the sockets of another tenant.
func TestSocket_ClosingOnesOfTenantLeaveRoom(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.MaxSockets, cfg.MaxTenantSockets = 8, 2 })
	f, others := newFleet(t, g), newFleet(t, g)
	token := f.Token(f.tenantID, "alice", "viewer")
	for range 20 {
		_, response := g.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.CustomerPath, Token: token, Stalled: true})
		if response != nil {
			requireOverloaded(t, response)
		}
	}
	require.True(t, others.tryOpen(t, g))
	require.True(t, others.tryOpen(t, g))
}

// TestSocket_HandshakeRate opens sockets faster than the instance admits. Each tenant may use
// half of the rate.
func TestSocket_HandshakeRate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.HandshakeRate = ratelimit.Limit{PerMinute: 1, Burst: 4} })
	greedy, modest, late := newFleet(t, g), newFleet(t, g), newFleet(t, g)
	for range 2 {
		require.True(t, greedy.tryOpen(t, g))
	}
	require.False(t, greedy.tryOpen(t, g), "a tenant uses more than half of the rate")
	for range 2 {
		require.True(t, modest.tryOpen(t, g), "a refused handshake counts")
	}
	require.False(t, late.tryOpen(t, g))
	require.InDelta(t, 2, g.Metrics(t)[`fieldgate_handshakes_refused_total{reason="rate"}`], 0)
}
