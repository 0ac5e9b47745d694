package realtime

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// An event of a room is pushed to each of its subscriptions, so that one call of a tenant may
// cause thousands of frames. Each tenant has a budget of frames on each instance. While the
// budget is used up, the feed delivers the events at the budget's pace, from the stream:
// nothing is lost, the order is kept, and other tenants are not delayed. Devices are notified
// at once, because each event concerns one device at most.

// maxPush is the maximum number of frames that are pushed before the budget is checked again.
const maxPush = 250

// deliverNow delivers events that were just read, as long as the budget allows. It starts
// deliverDelayed if events are left. Only readStream calls it.
func (f *feed) deliverNow(events []event) {
	for !f.isDelayed() {
		done, wait := f.deliverSome(events)
		if done {
			return
		}
		if wait > 0 {
			f.delay()
		}
	}
}

func (f *feed) isDelayed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delayed
}

// delay starts deliverDelayed.
func (f *feed) delay() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delayed = true
	f.hub.metrics.delayed.Inc()
	go f.deliverDelayed()
}

// deliverDelayed delivers events from the stream until the rooms have all events that were
// read. At most one goroutine runs it for a feed.
func (f *feed) deliverDelayed() {
	for !f.finishDelayed() {
		seen := f.lastSeen()
		events, err := f.readAfter(context.Background(), f.currentPosition())
		switch {
		case err != nil:
			f.hub.log.Warn("reading delayed events failed", "tenant", f.tenant, "error", err)
			store.Sleep(f.ctx, f.hub.cfg.SweepEvery)
		case len(events) == 0:
			f.skipTo(seen) // the stream has none of the events any more
		default:
			f.deliverPaced(events)
		}
	}
}

// skipTo advances the position of the rooms past events that the stream does not have.
func (f *feed) skipTo(seen store.StreamID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seen.After(f.position) {
		f.position = seen
	}
}

// finishDelayed reports whether deliverDelayed must end: the rooms have all events, or the
// tenant has no more sockets.
func (f *feed) finishDelayed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen.After(f.position) && f.ctx.Err() == nil {
		return false
	}
	f.delayed = false
	f.hub.metrics.delayed.Dec()
	return true
}

// deliverPaced delivers events at the pace of the budget.
func (f *feed) deliverPaced(events []event) {
	for f.ctx.Err() == nil {
		done, wait := f.deliverSome(events)
		if done {
			return
		}
		store.Sleep(f.ctx, wait)
	}
}

// deliverSome pushes at most maxPush frames of the events to the live subscriptions. It
// reports whether all events were delivered, and otherwise returns the time to wait for the
// budget. It changes the feed's position and the positions of the subscriptions under one
// lock. A subscription that becomes live therefore misses no event.
func (f *feed) deliverSome(events []event) (done bool, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if wait := f.budget.wait(now); wait > 0 {
		return false, wait
	}
	most := f.budget.most(maxPush)
	left := most
	for _, e := range events {
		if !e.id.After(f.position) {
			continue
		}
		if left = f.deliver(e, left); left == 0 {
			break // the event may have more subscriptions
		}
		f.position = e.id
	}
	f.push(now, most-left)
	return left > 0, 0
}

// push counts n pushed frames towards the budget. The caller holds f.mu.
func (f *feed) push(now time.Time, n int) {
	f.budget.charge(now, n)
	f.hub.metrics.pushed.Add(float64(n))
}

// deliver pushes an event to at most left of the live subscriptions that do not have it. It
// returns how many it may push more. The caller holds f.mu.
func (f *feed) deliver(e event, left int) int {
	for _, room := range e.rooms() {
		var text []byte
		for sub := range f.rooms[room] {
			if left == 0 {
				return 0
			}
			if !sub.live || !e.id.After(sub.position) {
				continue
			}
			if text == nil {
				text = e.encode(room)
			}
			if f.deliverTo(sub, e, text) {
				left--
			}
		}
	}
	return left
}

// deliverTo sends an event to a subscription, and reports whether it was queued. If the write
// queue of the subscription's socket is full, the subscription is no longer live: it catches
// up from the stream, as fast as the client reads. The caller holds f.mu.
func (f *feed) deliverTo(sub *subscription, e event, text []byte) bool {
	if sub.socket.conn.TrySend(text) {
		sub.position = e.id
		return true
	}
	sub.live = false
	go f.catchUp(sub)
	return false
}

// awaitBudget waits until the budget allows a frame. It returns the context's error if the
// context ends before.
func (f *feed) awaitBudget(ctx context.Context) error {
	for {
		f.mu.Lock()
		wait := f.budget.wait(time.Now())
		f.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		store.Sleep(ctx, wait)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// pushMissed counts the frames of events that a subscription has missed towards the budget.
func (f *feed) pushMissed(missed []pendingEvent) {
	n := 0
	for _, e := range missed {
		if e.text != nil {
			n++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.push(time.Now(), n)
}
