package realtime

import (
	"context"
	"runtime"
	"slices"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// These are the rooms that a user can subscribe to. RoomDevice and RoomSession are
// prefixes: the id of the device or session follows.
const (
	RoomTenant  = "tenant"
	RoomDevice  = "device:"
	RoomSession = "session:"
)

// maxRooms is the maximum number of rooms that one socket can subscribe to.
const maxRooms = 100

// subscription is a socket's subscription to a room. The feed's lock guards it.
type subscription struct {
	socket   *Socket
	room     string
	position store.StreamID // id of the last event that was queued for the socket
	live     bool           // the feed delivers new events; while it is false, catchUp reads them
	ended    bool           // the subscription was removed or replaced
}

// Subscribed is the reply to a subscribe frame. It has the position at which the
// subscription starts.
type Subscribed struct {
	Room    string `json:"room"`
	Offset  string `json:"offset"`
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason,omitempty"`

	// start starts the delivery of events. Call it after the reply was queued.
	start func()
}

// These are the reasons why a subscription could not be resumed. Such a subscription
// starts after the newest event. It gets none of the earlier events, because the client
// could not detect that some of them are missing.
const (
	reasonTrimmed = "trimmed" // events after the offset were trimmed from the stream
	reasonUnknown = "unknown" // the stream never had this offset, or it is malformed
)

// Subscribe subscribes a socket to a room. The caller must have checked that the
// principal may read the room. The argument since is the offset of an earlier event, or
// empty. If it is not empty, all events after that offset are delivered before any new
// event.
func (s *Socket) Subscribe(ctx context.Context, room, since string) (Subscribed, error) {
	f := s.hub.feedOf(s)
	if f == nil {
		return Subscribed{}, errClosed
	}
	result := Subscribed{Room: room}
	from, reason, first, err := f.startPosition(ctx, since)
	if err != nil {
		return Subscribed{}, err
	}
	result.Reason, result.Resumed = reason, since != "" && reason == ""
	sub := &subscription{socket: s, room: room, position: from}
	if err := f.subscribe(sub); err != nil {
		return Subscribed{}, err
	}
	if first {
		f.wake()
	}
	result.Offset = from.String()
	result.start = func() { f.catchUp(sub) }
	return result, nil
}

// startPosition returns the position at which a new subscription starts: the offset since if the
// subscription can be resumed there, and otherwise that of the feed. If since is not empty and the
// subscription cannot be resumed, startPosition returns the reason.
//
// A feed without subscriptions is woken only by events of its devices, and may be far behind. The
// first subscription therefore advances the feed to the end of the stream. The caller must then wake
// the feed once it is subscribed, because it may have missed wake-ups since. If the store fails, a
// first subscription that does not resume starts at most one sweep earlier.
func (f *feed) startPosition(ctx context.Context, since string) (from store.StreamID, reason string, first bool, err error) {
	first = !f.isWatched()
	if since == "" && !first {
		return f.currentPosition(), "", false, nil
	}
	bounds, err := f.hub.streamBounds(ctx, f.tenant)
	switch {
	case err == nil && first:
		f.advanceUnwatched(bounds.last)
	case err != nil && since != "":
		return store.StreamID{}, "", false, err
	}
	if from = f.currentPosition(); since != "" {
		from, reason = bounds.resume(since, from)
	}
	return from, reason, first, nil
}

// advanceUnwatched advances the position of the rooms unless a socket is subscribed.
func (f *feed) advanceUnwatched(to store.StreamID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rooms) == 0 && to.After(f.position) {
		f.position = to
	}
}

// Unsubscribe removes the socket's subscription to a room. It does nothing if there is no
// such subscription.
func (s *Socket) Unsubscribe(room string) {
	f := s.hub.feedOf(s)
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub := s.subscriptionTo(room); sub != nil {
		f.unsubscribe(sub)
	}
}

// feedOf returns the feed of a socket's tenant, or nil if the socket is closed.
func (h *Hub) feedOf(s *Socket) *feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[s.ID()] != s {
		return nil
	}
	return h.feeds[s.Tenant]
}

// subscribe adds the subscription sub. If the socket is already subscribed to the room,
// sub replaces that subscription.
func (f *feed) subscribe(sub *subscription) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := sub.socket.subscriptionTo(sub.room)
	switch _, open := f.sockets[sub.socket]; {
	case !open:
		return errClosed
	case old != nil:
		f.unsubscribe(old)
	case len(sub.socket.subscriptions) >= maxRooms:
		return errTooManyRooms
	}
	sub.socket.subscriptions = append(sub.socket.subscriptions, sub)
	if f.rooms[sub.room] == nil {
		f.rooms[sub.room] = map[*subscription]struct{}{}
	}
	f.rooms[sub.room][sub] = struct{}{}
	return nil
}

// unsubscribe removes a subscription. The caller holds f.mu.
func (f *feed) unsubscribe(sub *subscription) {
	delete(f.rooms[sub.room], sub)
	if len(f.rooms[sub.room]) == 0 {
		delete(f.rooms, sub.room)
	}
	sub.ended = true
	sub.socket.subscriptions = slices.DeleteFunc(sub.socket.subscriptions, func(other *subscription) bool { return other == sub })
}

// subscriptionTo returns the socket's subscription to a room, or nil if the socket has
// none. The caller holds the feed's lock.
func (s *Socket) subscriptionTo(room string) *subscription {
	for _, sub := range s.subscriptions {
		if sub.room == room {
			return sub
		}
	}
	return nil
}

// resume returns the position at which a subscription starts if its client asks for the
// events after the given offset. The position is that offset if the stream still has all
// of these events. If it does not, resume returns feedPosition and the reason.
func (b bounds) resume(offset string, feedPosition store.StreamID) (from store.StreamID, reason string) {
	from, ok := store.ParseStreamID(offset)
	untrimmed := from == store.StreamID{} && b.length < neverTrimmed
	switch {
	case !ok || from.After(b.last):
		return feedPosition, reasonUnknown
	case b.first.After(from) && !untrimmed:
		return feedPosition, reasonTrimmed
	}
	return from, ""
}

// neverTrimmed is a stream length, in entries. A stream that is shorter was never
// trimmed, because lua/event.lua trims streams to about 10,000 entries.
const neverTrimmed = 9_000

// catchUp delivers the stream's events to a subscription until the subscription has
// reached the feed's position. The subscription is then live. catchUp waits for a client
// that reads slowly, and retries while the store fails.
func (f *feed) catchUp(sub *subscription) {
	conn := sub.socket.conn
	for conn.Context().Err() == nil {
		from, behind := f.goLive(sub)
		if !behind {
			return
		}
		missed, gap, err := f.readMissed(conn.Context(), sub, from)
		switch {
		case err != nil:
			store.Sleep(conn.Context(), f.hub.cfg.SweepEvery)
		case gap:
			conn.Close(CloseTooSlow, eventsMissed)
		}
		for _, e := range missed {
			if !f.deliverMissed(sub, e) {
				return
			}
		}
	}
}

// pendingEvent is an event that a subscription has not received yet. The text is nil if
// the event belongs to another room. Such an event only advances the subscription's
// position.
type pendingEvent struct {
	id   store.StreamID
	text []byte
}

// readMissed reads the events after the given position, at most one page. It returns no
// events if the subscription has ended.
//
// Two semaphores limit how many subscriptions read at the same time. Otherwise many
// sockets that reconnect at once would delay live subscriptions. A subscription acquires
// its tenant's semaphore before the hub's. A tenant with many sockets therefore delays
// another tenant by only a few pages. While the tenant's budget of event frames is used
// up, no page is read.
func (f *feed) readMissed(ctx context.Context, sub *subscription, position store.StreamID) (missed []pendingEvent, gap bool, err error) {
	if err := f.catchUps.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer f.catchUps.release()
	if err := f.awaitBudget(ctx); err != nil {
		return nil, false, err
	}
	if f.hasEnded(sub) { // the subscription may end while it waits
		return nil, false, nil
	}
	if err := f.hub.catchUps.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer f.hub.catchUps.release()
	if f.hasEnded(sub) {
		return nil, false, nil
	}
	events, gap, err := f.hub.readEvents(ctx, f.tenant, position)
	for _, e := range events {
		pending := pendingEvent{id: e.id}
		if slices.Contains(e.rooms(), sub.room) {
			pending.text = e.encode(sub.room)
		}
		missed = append(missed, pending)
	}
	f.pushMissed(missed)
	return missed, gap, err
}

func (f *feed) hasEnded(sub *subscription) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sub.ended
}

// semaphore limits concurrency. Goroutines acquire it in the order in which they wait.
type semaphore chan struct{}

// newSemaphore returns a semaphore for half as many goroutines as there are processors,
// and for at least one.
func newSemaphore() semaphore { return make(semaphore, max(1, runtime.GOMAXPROCS(0)/2)) }

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) release() { <-s }

// goLive makes a subscription live if the subscription has reached the feed's position.
// Otherwise it returns the subscription's position, and behind is true. For a
// subscription that has ended, behind is false.
func (f *feed) goLive(sub *subscription) (from store.StreamID, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub.ended {
		return store.StreamID{}, false
	}
	sub.live = !f.position.After(sub.position)
	return sub.position, !sub.live
}

// deliverMissed sends an event to a subscription that catches up. It first waits until
// the client has read the earlier events. It returns false if the subscription has ended.
func (f *feed) deliverMissed(sub *subscription, e pendingEvent) bool {
	for {
		if e.text != nil && !sub.socket.conn.AwaitFlush() {
			return false
		}
		if delivered, ended := f.tryDeliver(sub, e); delivered || ended {
			return delivered
		}
	}
}

// tryDeliver queues an event for a subscription and advances the subscription's position.
// It does nothing if the write queue is full or the subscription has ended.
func (f *feed) tryDeliver(sub *subscription, e pendingEvent) (delivered, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub.ended {
		return false, true
	}
	if delivered = e.text == nil || sub.socket.conn.TrySend(e.text); delivered {
		sub.position = e.id
	}
	return delivered, false
}

var errTooManyRooms = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "This socket is subscribed to 100 rooms, which is the maximum: unsubscribe from one first.",
	Fields: []fieldgate.FieldError{{Pointer: "/room", Keyword: "maxItems", Reason: "too many rooms: unsubscribe from some"}},
}
