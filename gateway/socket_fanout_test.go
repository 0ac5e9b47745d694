package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// budgetsUsedUp is the metric of tenants whose events are delayed.
const budgetsUsedUp = "fieldgate_event_budgets_used_up"

// startWithEventRate starts a gateway that pushes event frames at a rate.
func startWithEventRate(t *testing.T, perMinute, burst int) (g *gatewaytest.Gateway, url string) {
	t.Helper()
	url = storetest.SharedURL(t)
	return gatewaytest.Start(t, gatewaytest.WithRedis(url), func(cfg *gateway.Config) {
		cfg.EventRate = ratelimit.Limit{PerMinute: perMinute, Burst: burst}
	}), url
}

// subscribers opens n sockets that are subscribed to the tenant's room.
func (f *fleet) subscribers(t *testing.T, g *gatewaytest.Gateway, n int) (sockets []*gatewaytest.Socket) {
	t.Helper()
	for range n {
		s := f.customerSocket(t, g)
		s.Subscribe("tenant", "")
		sockets = append(sockets, s)
	}
	return sockets
}

// requireNoEvent requires that the gateway has sent no event that was not read.
func requireNoEvent(t *testing.T, s *gatewaytest.Socket) {
	t.Helper()
	s.Barrier()
	frame, err := s.TryNext(0)
	require.Error(t, err, "an event was pushed beyond the budget: %+v", frame)
}

// TestFanOut_BudgetDelaysOneTenantOnly uses up the budget of a tenant. Its further events are
// delayed, but its devices are notified at once, and another tenant has a budget of its own.
func TestFanOut_BudgetDelaysOneTenantOnly(t *testing.T) {
	t.Parallel()
	g, _ := startWithEventRate(t, 1, 7)
	greedy, modest := newFleet(t, g), newFleet(t, g)
	watcher := greedy.subscribers(t, g, 1)[0]
	device := greedy.deviceSocket(t, g)
	require.Equal(t, "device.presence", watcher.Event().Type)
	watcher.Close()
	sockets := greedy.subscribers(t, g, 3)
	other := modest.subscribers(t, g, 1)[0]
	for range 2 { // one after the other: events that are read together may exceed the budget once
		greedy.propose(t, auto)
		device.NextOf("commands.available")
		for _, s := range sockets {
			s.Event()
		}
	}
	greedy.propose(t, auto)
	device.NextOf("commands.available")
	eventually(t, func() bool { return g.Metrics(t)[budgetsUsedUp] == 1 }, "the budget is not used up")
	for _, s := range sockets {
		requireNoEvent(t, s)
	}
	require.InDelta(t, 7, g.Metrics(t)["fieldgate_event_frames_total"], 0)
	modest.propose(t, auto)
	require.Equal(t, "command.proposed", other.Event().Type)
	greedy.propose(t, auto)
	device.NextOf("commands.available")
}

// TestFanOut_DelayedEventsArriveInOrder publishes more frames than the budget has. All arrive
// in order, and not faster than the budget allows.
func TestFanOut_DelayedEventsArriveInOrder(t *testing.T) {
	t.Parallel()
	const perSecond, burst, readers, events = 500, 10, 3, 100
	g, url := startWithEventRate(t, 60*perSecond, burst)
	f := newFleet(t, g)
	p := f.publisher(t, url)
	before := len(p.stream())
	sockets := f.subscribers(t, g, readers)
	began := time.Now()
	p.publish(events)
	want := p.stream()[before:]
	for _, s := range sockets {
		require.Equal(t, map[string][]string{"tenant": want}, byRoom(s, events))
	}
	require.GreaterOrEqual(t, time.Since(began), time.Second*(readers*events-2*burst)/perSecond)
	eventually(t, func() bool { return g.Metrics(t)[budgetsUsedUp] == 0 }, "the budget stays used up")
	f.propose(t, auto)
	for _, s := range sockets {
		require.Equal(t, "command.proposed", s.Event().Type)
	}
}

// TestFanOut_MissedEventsUseBudget resumes a room. The missed events use up the budget, so
// that new ones are delayed.
func TestFanOut_MissedEventsUseBudget(t *testing.T) {
	t.Parallel()
	g, url := startWithEventRate(t, 1, 6)
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(20)
	s := f.customerSocket(t, g)
	s.Subscribe("tenant", "0-0")
	require.Equal(t, map[string][]string{"tenant": p.stream()}, byRoom(s, len(p.stream())))
	f.propose(t, auto)
	eventually(t, func() bool { return g.Metrics(t)[budgetsUsedUp] == 1 }, "missed events cost nothing")
	requireNoEvent(t, s)
}

// TestFanOut_LostStreamEndsDelay deletes the stream while its events are delayed. The feed must
// not wait for them for ever.
func TestFanOut_LostStreamEndsDelay(t *testing.T) {
	t.Parallel()
	g, url := startWithEventRate(t, 1200, 2)
	f := newFleet(t, g)
	f.subscribers(t, g, 1)
	p := f.publisher(t, url)
	usedUp := false
	for range 100 { // a slow machine may publish so slowly that the budget suffices
		p.publish(20)
		if usedUp = g.Metrics(t)[budgetsUsedUp] == 1; usedUp {
			break
		}
	}
	require.True(t, usedUp, "the budget is not used up")
	require.NoError(t, p.redis.Del(t.Context(), p.key()).Err())
	eventually(t, func() bool { return g.Metrics(t)[budgetsUsedUp] == 0 }, "the feed waits for lost events")
}
