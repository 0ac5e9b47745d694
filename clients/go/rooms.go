package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TenantRoom is the room in which all is told that happens to the customer's fleet.
const TenantRoom = "tenant"

// DeviceRoom names the room of a device.
func DeviceRoom(deviceID string) string { return "device:" + deviceID }

// SessionRoom names the room of a session.
func SessionRoom(sessionID string) string { return "session:" + sessionID }

// A Subscription tells where the events of a room begin.
type Subscription struct {
	Room   string `json:"room"`
	Offset string `json:"offset"` // the place behind which they begin

	// Resumed is true if that is the place that was asked for. If it is not, Reason says
	// why; the room begins now then, and what was missed has to be read over HTTP.
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason"`
}

// Subscribe begins to tell what happens in a room: what happens from now on, or, with
// since, what happened after the event with that offset. Once it has returned without an
// error, the room is watched until Unsubscribe, over all reconnects.
//
// A room that does not exist is 404. As long as there is no connection, Subscribe waits.
func (s *CustomerSocket) Subscribe(ctx context.Context, room, since string) (Subscription, error) {
	data, err := encodeData(subscribeFrame{room, since})
	if err != nil {
		return Subscription{}, err
	}
	subscribe := request{kind: "subscribe", data: data, read: s.begin}
	for {
		subscribed, err := ask[Subscription](ctx, &s.socket, subscribe)
		if !errors.Is(err, ErrInterrupted) || s.socket.ctx.Err() != nil {
			return subscribed, err
		}
	}
}

type subscribeFrame struct {
	Room  string `json:"room"`
	Since string `json:"since,omitempty"`
}

// begin notes a new subscription before its first event comes.
func (s *CustomerSocket) begin(data json.RawMessage) {
	var subscribed Subscription
	if json.Unmarshal(data, &subscribed) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms[subscribed.Room] = subscribed.Offset
}

// Unsubscribe leaves a room. Events of it that are queued already still come.
func (s *CustomerSocket) Unsubscribe(ctx context.Context, room string) error {
	s.mu.Lock()
	delete(s.rooms, room)
	s.mu.Unlock()
	data, err := encodeData(subscribeFrame{Room: room})
	if err != nil {
		return err
	}
	l, _, _ := s.socket.now()
	if l == nil {
		return s.socket.err() // without a connection nobody is subscribed to anything
	}
	ctx, cancel := context.WithTimeout(ctx, s.socket.connection.timeout)
	defer cancel()
	_, err = l.ask(ctx, request{kind: "unsubscribe", data: data})
	if errors.Is(err, ErrInterrupted) || errors.Is(err, errNotSent) {
		return nil
	}
	return err
}

// restore subscribes again on a new link, behind the last event of the room.
func (s *CustomerSocket) restore(l *link, room string) {
	offset, wanted := s.offset(room)
	if !wanted {
		return
	}
	data, err := encodeData(subscribeFrame{room, offset})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, s.socket.connection.timeout)
	defer cancel()
	_, err = l.ask(ctx, request{kind: "subscribe", data: data, read: s.resume})
	switch {
	case err == nil, l.ctx.Err() != nil:
	case final(err):
		s.leave(room, err)
	default:
		l.drop(fmt.Errorf("fieldgate: subscribing again: %w", err))
	}
}

// resume tells of events that cannot be had any more.
func (s *CustomerSocket) resume(data json.RawMessage) {
	var subscribed Subscription
	if json.Unmarshal(data, &subscribed) != nil || subscribed.Resumed {
		return
	}
	s.mu.Lock()
	_, wanted := s.rooms[subscribed.Room]
	if wanted {
		s.rooms[subscribed.Room] = subscribed.Offset
	}
	s.mu.Unlock()
	if wanted {
		s.events.push(RoomEvent{Room: subscribed.Room, Offset: subscribed.Offset, Lost: reasonOf(subscribed)})
	}
}

// reasonOf gives a reason even if the gateway gave none.
func reasonOf(s Subscription) string {
	if s.Reason == "" {
		return "unknown"
	}
	return s.Reason
}

// leave gives up a room that the gateway refuses.
func (s *CustomerSocket) leave(room string, err error) {
	s.mu.Lock()
	_, wanted := s.rooms[room]
	delete(s.rooms, room)
	s.mu.Unlock()
	if wanted {
		s.events.push(RoomEvent{Room: room, Err: err})
	}
}

func (s *CustomerSocket) offset(room string) (offset string, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	offset, wanted = s.rooms[room]
	return offset, wanted
}

// advance notes an event, and tells whether it is a new one of a room that is watched.
func (s *CustomerSocket) advance(room, offset string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, wanted := s.rooms[room]
	if !wanted || !behind(offset, last) {
		return false
	}
	s.rooms[room] = offset
	return true
}

// behind tells whether an offset comes after another. They are two numbers with a dash
// between them; of others can only be told whether they are the same.
func behind(offset, last string) bool {
	a, known := parseOffset(offset)
	b, comparable := parseOffset(last)
	if !known || !comparable {
		return offset != last
	}
	return a.ms > b.ms || a.ms == b.ms && a.seq > b.seq
}

type place struct{ ms, seq uint64 }

func parseOffset(text string) (place, bool) {
	ms, seq, ok := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return place{a, b}, ok && err1 == nil && err2 == nil
}
