package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
)

// startWithoutSweeps starts a gateway that reads event streams only after wake-ups.
func startWithoutSweeps(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.SweepEvery = time.Hour }))
}

// TestDeviceSocket_WakesForItsEventsOnly counts how often the gateway reads the event stream for a
// device that executes a command, and is then notified of one that is ready and one to cancel.
func TestDeviceSocket_WakesForItsEventsOnly(t *testing.T) {
	t.Parallel()
	g := startWithoutSweeps(t)
	f := newFleet(t, g)
	s := f.deviceSocket(t, g)
	reads := func() float64 { return g.Metrics(t)[`fieldgate_redis_duration_seconds_count{name="read_events"}`] }
	claim := func() client.ClaimedCommand {
		f.propose(t, auto)
		s.NextOf("commands.available")
		return commands(t, s.StartRequest("claim", object{})().Data)[0]
	}
	c := claim()
	before := reads()
	s.StartRequest("result", object{"commandId": c.ID, "claimToken": c.ClaimToken, "status": "succeeded"})()
	c = claim()
	_, err := f.alice.Cancel(t.Context(), f.session, c.ID, "not needed")
	require.NoError(t, err)
	s.NextOf("command.cancel")
	require.EqualValues(t, 2, reads()-before, "one read for the ready command, and one for the cancellation")
}

// TestSubscribe_StartsAtNewestEventOfIdleFeed subscribes after events for which the gateway has not
// read the stream.
func TestSubscribe_StartsAtNewestEventOfIdleFeed(t *testing.T) {
	t.Parallel()
	g := startWithoutSweeps(t)
	f := newFleet(t, g)
	f.deviceSocket(t, g)
	for range 3 {
		f.propose(t, auto)
		c := f.claim(t)
		_, err := f.device.SubmitResult(t.Context(), c.ID, client.ResultRequest{ClaimToken: c.ClaimToken, Status: client.ResultStatusSucceeded})
		require.NoError(t, err)
	}
	s := f.customerSocket(t, g, "tenant")
	f.propose(t, auto)
	require.Equal(t, "command.proposed", s.Event().Type)
	c := f.claim(t)
	require.Equal(t, "command.claimed", s.Event().Type, c.ID)
}

// TestSubscribe_ReadsBoundsOfStreamOnce subscribes for the first time on an instance, after an offset.
func TestSubscribe_ReadsBoundsOfStreamOnce(t *testing.T) {
	t.Parallel()
	g := startWithoutSweeps(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	s := f.customerSocket(t, g)
	reads := func() float64 { return g.Metrics(t)[`fieldgate_redis_duration_seconds_count{name="event_bounds"}`] }

	require.True(t, s.Subscribe("tenant", "0-0").Resumed)

	require.EqualValues(t, 1, reads())
	require.Equal(t, "device.registered", s.Event().Type)
}
