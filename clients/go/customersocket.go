package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"sync"
	"time"
)

// CustomerSocketConfig says how a customer's socket behaves.
type CustomerSocketConfig struct {
	// MaxQueued is how many events may wait to be read from Events. When they do, nothing
	// more is read from the connection, unless for a call that waits for its answer; and if
	// that lasts, the gateway closes it, and the socket takes up again where it was.
	// Default: 256.
	MaxQueued int

	// OnState is called when a connection comes, is about to go, and has gone, on a
	// goroutine of its own. The end of the socket itself is told by Done and Err.
	// Default: nothing is called.
	OnState func(SocketState)

	// Transport says how to connect: its certificates, proxy and dialers are used.
	// Default: the one of the gateway, see WithTransport.
	Transport *http.Transport
}

const defaultMaxQueued = 256

// A CustomerSocket tells what happens in rooms while it happens. It is safe for concurrent
// use.
//
// It connects again when the connection is lost, like a [DeviceSocket], and takes its
// subscriptions up where they were: each event of a room comes once, and in order; if some
// cannot be had any more, that is said in their place. Before its token expires it asks
// the TokenSource for another one; it goes on asking if it gets the same, and an error of
// the source is a reason to try again later, unless it is a refusal of the gateway.
type CustomerSocket struct {
	socket socket
	events *queue[RoomEvent]
	tokens credentials

	mu    sync.Mutex
	rooms map[string]string // the offset up to which the events of a room are in the queue
	token string            // the one that the gateway has seen last
}

// Connect opens a socket that lasts until the context ends or it is closed. It returns at
// once: the socket connects by itself.
func (c *CustomerClient) Connect(ctx context.Context, config CustomerSocketConfig) *CustomerSocket {
	if config.MaxQueued <= 0 {
		config.MaxQueued = defaultMaxQueued
	}
	s := &CustomerSocket{
		events: newQueue[RoomEvent](config.MaxQueued), rooms: map[string]string{}, tokens: c.handshakes.credentials,
	}
	s.socket.start(ctx, socketConfig{
		connection: c.handshakes, path: "api/v1/customer/ws", transport: config.Transport,
		onState: config.OnState, welcomed: s.welcomed, pushed: s.pushed, queues: []socketQueue{s.events},
	})
	return s
}

// Close says goodbye and ends the socket. It does not wait: Done tells when it is over.
func (s *CustomerSocket) Close() { s.socket.close() }

// Done is closed when the socket has ended, with all that belongs to it.
func (s *CustomerSocket) Done() <-chan struct{} { return s.socket.done }

// Err tells why the socket has ended: [ErrSocketClosed], or the context's cause, or a
// [*CloseError] or [*APIError]. It is nil before.
func (s *CustomerSocket) Err() error { return s.socket.err() }

// A RoomEvent is something that happened, told in a room, or a word about the room.
type RoomEvent struct {
	Room string `json:"room"`

	// Offset is the place of the event. Keep that of the last event that was dealt with to
	// begin behind it in another process.
	Offset string `json:"offset"`

	Type      EventType       `json:"type"`
	Time      time.Time       `json:"time"`
	RequestID string          `json:"requestId"` // of the request that led to it
	Actor     Actor           `json:"actor"`
	Data      json.RawMessage `json:"data"`

	// Lost, if not empty, says that this is no event: those that came after the one before
	// it cannot be had any more, and why. Read over HTTP how things stand; what happens
	// after Offset is told as usual.
	Lost string `json:"-"`

	// Err, if not nil, says that this is no event either, but the last word about the room:
	// the gateway has refused to subscribe again after a reconnect.
	Err error `json:"-"`
}

// Events gives what happens in the rooms, until the context or the socket ends; what was
// read before the socket ended is given first. The last element tells why it is over,
// unless the socket was closed, or its context has ended: then there is none. Whoever
// leaves the loop can begin another, which goes on with the next event. Of several loops
// at a time each gets a part.
func (s *CustomerSocket) Events(ctx context.Context) iter.Seq2[RoomEvent, error] {
	return func(yield func(RoomEvent, error) bool) {
		for {
			event, ok := s.events.pop(ctx)
			if !ok {
				break
			}
			if !yield(event, nil) {
				return
			}
		}
		if err := s.endOf(ctx); err != nil {
			yield(RoomEvent{}, err)
		}
	}
}

// endOf tells why a loop over the events has ended, nil if it is because the socket was
// closed on this side.
func (s *CustomerSocket) endOf(ctx context.Context) error {
	if err := s.socket.failure(); err != nil {
		return err
	}
	return ctx.Err()
}

// welcomed takes up the subscriptions on a new link.
func (s *CustomerSocket) welcomed(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = s.socket.handshake.used
	for room := range s.rooms {
		s.socket.workers.Go(func() { s.restore(l, room) })
	}
}

// pushed deals with a frame that nobody asked for. Kinds that are not known are left to
// later versions.
func (s *CustomerSocket) pushed(l *link, f frame) error {
	switch f.Type {
	case "event":
		return s.event(f.Data)
	case "token_expiring":
		s.socket.workers.Go(func() { s.refresh(l) })
	}
	return nil
}

// event queues an event that was not there yet.
func (s *CustomerSocket) event(data json.RawMessage) error {
	var e RoomEvent
	if json.Unmarshal(data, &e) != nil {
		return errUnreadable
	}
	if s.advance(e.Room, e.Offset) {
		s.events.push(e)
	}
	return nil
}

// refreshAgain is how long to wait before a token source is asked again that gave the
// token that is about to expire. The gateway speaks up a minute before.
const refreshAgain = 10 * time.Second

// refresh renews the token of a link, until it is renewed or the link has ended.
func (s *CustomerSocket) refresh(l *link) {
	for s.renew(l) != nil {
		if !pause(l.ctx, refreshAgain) {
			return
		}
	}
}

var errSameToken = errors.New("fieldgate: the token source gave the token that is about to expire")

func (s *CustomerSocket) renew(l *link) error {
	ctx, cancel := context.WithTimeout(l.ctx, s.socket.connection.timeout)
	defer cancel()
	token, err := s.tokens(ctx, "")
	if err != nil {
		return err
	}
	if token == s.known() {
		return errSameToken
	}
	data, err := encodeData(map[string]string{"token": token})
	if err != nil {
		return err
	}
	_, err = l.ask(ctx, request{kind: "refresh", data: data, read: func(json.RawMessage) { s.know(token) }})
	return err
}

func (s *CustomerSocket) known() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

func (s *CustomerSocket) know(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}
