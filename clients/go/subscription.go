package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TenantRoom is the room with all events of the tenant.
const TenantRoom = "tenant"

// DeviceRoom returns the room with the events of a device.
func DeviceRoom(deviceID string) string { return "device:" + deviceID }

// SessionRoom returns the room with the events of a session.
func SessionRoom(sessionID string) string { return "session:" + sessionID }

// A Subscription is the start of the events of a room.
type Subscription struct {
	Room   string `json:"room"`
	Offset string `json:"offset"` // the events after this offset follow

	// Resumed reports whether Offset is the one that was asked for. Otherwise Reason is the
	// reason, if one was asked for. The room then starts now, and earlier events have to be
	// read over HTTP.
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason"`
}

// Subscribe subscribes to a room: to the events from now on, or to those after the event
// with the offset since. When it returns without an error, the subscription lasts until
// Unsubscribe, over all reconnects.
//
// A room that does not exist is a 404. Subscribe waits while there is no connection.
func (s *CustomerSocket) Subscribe(ctx context.Context, room, since string) (Subscription, error) {
	data, err := encodeData(subscribeData{room, since})
	if err != nil {
		return Subscription{}, err
	}
	subscribe := request{kind: "subscribe", data: data, onReply: s.onSubscribed}
	for {
		subscribed, err := callSocket[Subscription](ctx, &s.socket, subscribe)
		if !errors.Is(err, ErrInterrupted) || s.socket.ctx.Err() != nil {
			return subscribed, err
		}
	}
}

type subscribeData struct {
	Room  string `json:"room"`
	Since string `json:"since,omitempty"`
}

// onSubscribed records a new subscription before its first event is read.
func (s *CustomerSocket) onSubscribed(data json.RawMessage) {
	var subscribed Subscription
	if json.Unmarshal(data, &subscribed) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms[subscribed.Room] = subscribed.Offset
}

// Unsubscribe ends the subscription to a room. Events that are already queued are still returned.
func (s *CustomerSocket) Unsubscribe(ctx context.Context, room string) error {
	s.mu.Lock()
	delete(s.rooms, room)
	s.mu.Unlock()
	data, err := encodeData(subscribeData{Room: room})
	if err != nil {
		return err
	}
	c, _, _ := s.socket.currentConn()
	if c == nil {
		return s.socket.err() // the gateway has no subscriptions of a closed connection
	}
	ctx, cancel := context.WithTimeout(ctx, s.socket.requester.timeout)
	defer cancel()
	_, err = c.call(ctx, request{kind: "unsubscribe", data: data})
	if errors.Is(err, ErrInterrupted) || errors.Is(err, errNotSent) {
		return nil
	}
	return err
}

// resubscribe subscribes to a room on a new connection, after the last event that was
// queued.
func (s *CustomerSocket) resubscribe(c *conn, room string) {
	offset, subscribed := s.offset(room)
	if !subscribed {
		return
	}
	data, err := encodeData(subscribeData{room, offset})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, s.socket.requester.timeout)
	defer cancel()
	_, err = c.call(ctx, request{kind: "subscribe", data: data, onReply: s.onResubscribed})
	switch {
	case err == nil, c.ctx.Err() != nil:
	case isFinal(err):
		s.drop(room, err)
	default:
		c.fail(fmt.Errorf("fieldgate: resubscribing: %w", err))
	}
}

// onResubscribed queues a notice of a gap if the gateway could not resume.
func (s *CustomerSocket) onResubscribed(data json.RawMessage) {
	var resumed Subscription
	if json.Unmarshal(data, &resumed) != nil || resumed.Resumed {
		return
	}
	s.mu.Lock()
	_, subscribed := s.rooms[resumed.Room]
	if subscribed {
		s.rooms[resumed.Room] = resumed.Offset
	}
	s.mu.Unlock()
	if subscribed {
		s.events.push(RoomEvent{Room: resumed.Room, Offset: resumed.Offset, Gap: gapReason(resumed)})
	}
}

// gapReason returns the reason of a gap, which is never empty.
func gapReason(s Subscription) string {
	if s.Reason == "" {
		return "unknown"
	}
	return s.Reason
}

// drop ends a subscription that the gateway refuses, and queues a notice.
func (s *CustomerSocket) drop(room string, err error) {
	s.mu.Lock()
	_, subscribed := s.rooms[room]
	delete(s.rooms, room)
	s.mu.Unlock()
	if subscribed {
		s.events.push(RoomEvent{Room: room, Err: err})
	}
}

func (s *CustomerSocket) offset(room string) (offset string, subscribed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	offset, subscribed = s.rooms[room]
	return offset, subscribed
}

// advance records the offset of an event. It reports whether the room is subscribed to and
// the event is newer than the last one.
func (s *CustomerSocket) advance(room, offset string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, subscribed := s.rooms[room]
	if !subscribed || !isAfter(offset, last) {
		return false
	}
	s.rooms[room] = offset
	return true
}

// isAfter reports whether an offset is after another. An offset is two numbers with a dash
// between them. For offsets of another form, it reports whether they differ.
func isAfter(offset, last string) bool {
	a, ok := parseOffset(offset)
	b, comparable := parseOffset(last)
	if !ok || !comparable {
		return offset != last
	}
	return a.ms > b.ms || a.ms == b.ms && a.seq > b.seq
}

type streamOffset struct{ ms, seq uint64 }

func parseOffset(text string) (streamOffset, bool) {
	ms, seq, ok := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return streamOffset{a, b}, ok && err1 == nil && err2 == nil
}
