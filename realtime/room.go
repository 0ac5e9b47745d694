package realtime

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Rooms: what a person may watch. A device's and a session's are followed by the id.
const (
	RoomTenant  = "tenant"
	RoomDevice  = "device:"
	RoomSession = "session:"
)

// maxRooms bounds the rooms of one socket.
const maxRooms = 100

// subscription is a socket's place in a room. All of it belongs to the feed's lock.
type subscription struct {
	socket   *Socket
	room     string
	position streamID // everything up to here was given to the socket
	live     bool     // the feed gives it what comes; until then it reads for itself
	ended    bool     // or replaced
}

// Subscribed tells where a subscription begins.
type Subscribed struct {
	Room    string `json:"room"`
	Offset  string `json:"offset"`
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason,omitempty"`

	// begin starts the delivery, once the client has been told.
	begin func()
}

// Reasons why a subscription could not be resumed where it was. It begins anew
// then: nothing of what was missed is delivered, because a part of it would look
// like all of it.
const (
	reasonTrimmed = "trimmed" // the stream does not reach back that far
	reasonUnknown = "unknown" // the offset is not one of this stream
)

// Subscribe puts a socket into a room. That it may be there is for the caller to
// know. With since, an offset of an earlier event, everything after that event is
// delivered before anything new.
func (s *Socket) Subscribe(ctx context.Context, room, since string) (Subscribed, error) {
	f := s.hub.feedOf(s)
	if f == nil {
		return Subscribed{}, errClosed
	}
	answer := Subscribed{Room: room}
	from := f.place()
	if since != "" {
		var err error
		if from, answer.Reason, err = f.resume(ctx, since, from); err != nil {
			return Subscribed{}, err
		}
		answer.Resumed = answer.Reason == ""
	}
	sub := &subscription{socket: s, room: room, position: from}
	if err := f.put(sub); err != nil {
		return Subscribed{}, err
	}
	answer.Offset = from.String()
	answer.begin = func() { f.catchUp(sub) }
	return answer, nil
}

// Unsubscribe takes a socket out of a room.
func (s *Socket) Unsubscribe(room string) {
	f := s.hub.feedOf(s)
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub := s.in(room); sub != nil {
		f.drop(sub)
	}
}

func (h *Hub) feedOf(s *Socket) *feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[s.ID()] != s {
		return nil
	}
	return h.feeds[s.Tenant]
}

// put registers a subscription, in place of an earlier one in the same room.
func (f *feed) put(sub *subscription) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := sub.socket.in(sub.room)
	switch _, here := f.sockets[sub.socket]; {
	case !here:
		return errClosed
	case old != nil:
		f.drop(old)
	case len(sub.socket.rooms) >= maxRooms:
		return errRooms
	}
	sub.socket.rooms = append(sub.socket.rooms, sub)
	if f.rooms[sub.room] == nil {
		f.rooms[sub.room] = map[*subscription]struct{}{}
	}
	f.rooms[sub.room][sub] = struct{}{}
	return nil
}

// drop forgets a subscription. The feed's lock is held.
func (f *feed) drop(sub *subscription) {
	delete(f.rooms[sub.room], sub)
	if len(f.rooms[sub.room]) == 0 {
		delete(f.rooms, sub.room)
	}
	sub.ended = true
	sub.socket.rooms = slices.DeleteFunc(sub.socket.rooms, func(other *subscription) bool { return other == sub })
}

// in gives the socket's place in a room, if it has one. The feed's lock is held.
func (s *Socket) in(room string) *subscription {
	for _, sub := range s.rooms {
		if sub.room == room {
			return sub
		}
	}
	return nil
}

// resume tells where a subscription with an offset begins: there if the stream
// still has everything behind it, else now, with the reason.
func (f *feed) resume(ctx context.Context, since string, now streamID) (from streamID, reason string, err error) {
	from, ok := parseStreamID(since)
	first, last, length, err := f.hub.bounds(ctx, f.tenant)
	if err != nil {
		return streamID{}, "", err
	}
	fromNothing := from == streamID{} && length < neverTrimmed
	switch {
	case !ok || from.after(last):
		return now, reasonUnknown, nil
	case first.after(from) && !fromNothing:
		return now, reasonTrimmed, nil
	}
	return from, "", nil
}

// neverTrimmed is a length below which nothing was ever taken from a stream
// (lua/event.lua trims at ten thousand entries).
const neverTrimmed = 9_000

// catchUp gives a subscription what the stream has behind its place, until it is
// where the feed is; from then on the feed delivers. It does not go faster than
// the client reads, and waits for a store that is away.
func (f *feed) catchUp(sub *subscription) {
	conn := sub.socket.conn
	for conn.Context().Err() == nil {
		from, behind := f.goLive(sub)
		if !behind {
			return
		}
		missing, gap, err := f.missing(conn.Context(), sub, from)
		switch {
		case err != nil:
			pause(conn.Context(), f.hub.cfg.SweepEvery)
		case gap:
			conn.Close(CloseTooSlow, missed)
		}
		for _, l := range missing {
			if !f.give(sub, l) {
				return
			}
		}
	}
}

// letter is an event as a room is told of it; without a text if it is of another room.
type letter struct {
	id   streamID
	text []byte
}

// missing reads what a subscription's room was told of behind a place, a page at most.
// Only so many do at a time: those that are where the feed is must not be kept waiting
// by ever so many that come back. Whoever reads has one of the tenant's places before it
// waits for one of all, so that a tenant with ever so many keeps another waiting for a
// few pages. One that ended while it waited reads nothing.
func (f *feed) missing(ctx context.Context, sub *subscription, from streamID) (letters []letter, gap bool, err error) {
	for _, p := range []places{f.catching, f.hub.catching} {
		if err := p.take(ctx); err != nil {
			return nil, false, err
		}
		defer p.giveBack()
		if f.hasEnded(sub) {
			return nil, false, nil
		}
	}
	events, gap, err := f.hub.events(ctx, f.tenant, from)
	for _, e := range events {
		l := letter{id: e.id}
		if slices.Contains(e.rooms(), sub.room) {
			l.text = e.text(sub.room)
		}
		letters = append(letters, l)
	}
	return letters, gap, err
}

func (f *feed) hasEnded(sub *subscription) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sub.ended
}

// places bound how many do the same at a time. Who waits longest is next.
type places chan struct{}

// newPlaces leaves half of the processors to others.
func newPlaces() places { return make(places, max(1, runtime.GOMAXPROCS(0)/2)) }

func (p places) take(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p places) giveBack() { <-p }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// goLive hands a subscription that is where the feed is over to it. One that is
// behind learns its place instead; one that has ended is not behind.
func (f *feed) goLive(sub *subscription) (from streamID, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub.ended {
		return streamID{}, false
	}
	sub.live = !f.last.after(sub.position)
	return sub.position, !sub.live
}

// give delivers an event to a subscription that catches up, as soon as the client
// has read what came before. It answers false when the subscription has ended.
func (f *feed) give(sub *subscription, l letter) bool {
	for {
		if l.text != nil && !sub.socket.conn.AwaitRead() {
			return false
		}
		if given, over := f.offer(sub, l); given || over {
			return given
		}
	}
}

// offer gives a subscription its next event, or none of its room, if it has not
// ended meanwhile and there is room for it.
func (f *feed) offer(sub *subscription, l letter) (given, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if sub.ended {
		return false, true
	}
	if given = l.text == nil || sub.socket.conn.Offer(l.text); given {
		sub.position = l.id
	}
	return given, false
}

var errRooms = &fieldgate.Error{
	Code: fieldgate.CodeValidationFailed, Detail: "A socket may watch a hundred rooms.",
	Fields: []fieldgate.FieldError{{Pointer: "/room", Keyword: "maxItems", Reason: "too many rooms: unsubscribe from some"}},
}
