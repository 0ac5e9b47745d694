package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// TenantRoom is the room that has all events of the tenant.
const TenantRoom = "tenant"

// DeviceRoom returns the room with the events of a device.
func DeviceRoom(deviceID string) string { return "device:" + deviceID }

// SessionRoom returns the room with the events of a session.
func SessionRoom(sessionID string) string { return "session:" + sessionID }

// A Subscription describes where the events of a subscribed room start.
type Subscription struct {
	Room   string `json:"room"`
	Offset string `json:"offset"` // position after which the events start

	// Resumed reports whether the events follow after the offset that Subscribe was called with.
	// If it is false although an offset was requested, Reason says why. In that case only new
	// events follow, and earlier ones have to be read over HTTP.
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason"`
}

// Subscribe subscribes to a room. If since is empty, only new events follow. Otherwise, the
// events after the offset since follow. After success, the subscription lasts until
// Unsubscribe, also across reconnects.
//
// If the room does not exist, the error is an *APIError with status 404. While there is no
// connection, Subscribe waits.
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
		return s.socket.err() // the subscription ended together with the connection
	}
	ctx, cancel := context.WithTimeout(ctx, s.socket.requester.timeout)
	defer cancel()
	_, err = c.call(ctx, request{kind: "unsubscribe", data: data})
	if errors.Is(err, ErrInterrupted) || errors.Is(err, errNotSent) {
		return nil
	}
	return err
}

// resubscribe subscribes to a room again on the new connection c. The subscription continues
// after the last queued event.
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

// onResubscribed queues a RoomEvent with Gap if the gateway could not resume.
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

// gapReason returns the reason for a gap. It is never empty.
func gapReason(s Subscription) string {
	if s.Reason == "" {
		return "unknown"
	}
	return s.Reason
}

// drop ends a subscription that the gateway refused to resume, and queues a RoomEvent with Err.
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

// advance records the offset of an event. It reports whether to deliver the event: the room must
// be subscribed, and the event must be newer than the last one.
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

// isAfter reports whether offset is after last. An offset consists of two numbers separated by
// a dash. If an offset has another form, isAfter reports whether the two offsets differ.
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
