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

// CustomerSocketConfig configures the socket of a user.
type CustomerSocketConfig struct {
	// MaxQueued is the maximum number of events that wait for Events to return them. When
	// they do, the socket reads no more, except to find the reply to a call. If that lasts,
	// the gateway closes the connection, and the socket reconnects and resumes without a
	// gap. Default: 256.
	MaxQueued int

	// OnState is called when a connection is established, is about to be closed, and has
	// ended, on a goroutine of its own. The end of the socket itself is reported by Done
	// and Err. Default: nil, no call.
	OnState func(SocketState)

	// Transport supplies the certificates, the proxy and the dial functions. Default: the
	// transport of the gateway, see WithTransport.
	Transport *http.Transport
}

const defaultMaxQueued = 256

// A CustomerSocket receives the events of rooms as they happen. It is safe for concurrent
// use.
//
// It reconnects like a [DeviceSocket], and resumes each subscription after the last event
// that it received: it returns each event of a room once and in order. If the gateway no
// longer has some of them, a [RoomEvent] with Gap marks the place.
//
// Before its token expires, the socket asks the TokenSource for another one, and asks again
// if it gets the same. After an error of the source it tries again later, unless the error
// is a refusal of the gateway.
type CustomerSocket struct {
	socket socket
	events *queue[RoomEvent]
	tokens credentials

	mu    sync.Mutex
	rooms map[string]string // the offset of the last queued event of each room
	token string            // the newest that the gateway has accepted
}

// Connect opens a socket, which lasts until the context ends or Close is called. It returns
// at once, and the socket connects in the background.
func (c *CustomerClient) Connect(ctx context.Context, config CustomerSocketConfig) *CustomerSocket {
	if config.MaxQueued <= 0 {
		config.MaxQueued = defaultMaxQueued
	}
	s := &CustomerSocket{
		events: newQueue[RoomEvent](config.MaxQueued), rooms: map[string]string{}, tokens: c.dialing.credentials,
	}
	s.socket.start(ctx, socketConfig{
		requester: c.dialing, path: "api/v1/customer/ws", transport: config.Transport,
		onState: config.OnState, onConnect: s.onConnect, onFrame: s.onFrame, queues: []blockingQueue{s.events},
	})
	return s
}

// Close starts to close the socket and returns. Done is closed when the socket has ended.
func (s *CustomerSocket) Close() { s.socket.close() }

// Done returns a channel that is closed when the socket and its goroutines have ended.
func (s *CustomerSocket) Done() <-chan struct{} { return s.socket.done }

// Err returns the reason why the socket has ended: [ErrSocketClosed], the cause of its
// context, a [*CloseError] or an [*APIError]. It returns nil before.
func (s *CustomerSocket) Err() error { return s.socket.err() }

// A RoomEvent is an event in a room. If Gap or Err is set, it is not an event but a notice
// about the room.
type RoomEvent struct {
	Room string `json:"room"`

	// Offset is the position of the event. Store that of the last event that was handled,
	// to resume after it in another process.
	Offset string `json:"offset"`

	Type      string          `json:"type"`
	Time      time.Time       `json:"time"`
	RequestID string          `json:"requestId"` // of the request that caused the event
	Actor     Actor           `json:"actor"`
	Data      json.RawMessage `json:"data"`

	// Gap, unless empty, is the reason why events are missing here: the gateway no longer
	// has those between the previous event and Offset. Read the current state over HTTP.
	// The events after Offset follow as usual.
	Gap string `json:"-"`

	// Err, unless nil, is the reason why the room has ended: the gateway refused to
	// subscribe again after a reconnect. No event of the room follows.
	Err error `json:"-"`
}

// Events returns the events of the rooms until the context or the socket ends. Events that
// were received before the socket ended come first.
//
// The last element is the error that ended the loop. There is none if Close was called or
// the context of the socket ended. A loop that was left can be followed by another, which
// continues with the next event. Concurrent loops share the events.
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
		if err := s.eventsErr(ctx); err != nil {
			yield(RoomEvent{}, err)
		}
	}
}

// eventsErr returns the reason why a loop over the events has ended, and nil if this side
// closed the socket.
func (s *CustomerSocket) eventsErr(ctx context.Context) error {
	if err := s.socket.failure(); err != nil {
		return err
	}
	return ctx.Err()
}

// onConnect resumes the subscriptions on a new connection.
func (s *CustomerSocket) onConnect(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = s.socket.dialer.token
	for room := range s.rooms {
		s.socket.workers.Go(func() { s.resubscribe(c, room) })
	}
}

// onFrame handles a frame that is not a reply. It ignores types of later versions.
func (s *CustomerSocket) onFrame(c *conn, f frame) error {
	switch f.Type {
	case "event":
		return s.onEvent(f.Data)
	case "token_expiring":
		s.socket.workers.Go(func() { s.renewToken(c) })
	}
	return nil
}

// onEvent queues an event, unless it was queued before.
func (s *CustomerSocket) onEvent(data json.RawMessage) error {
	var e RoomEvent
	if json.Unmarshal(data, &e) != nil {
		return errInvalidFrame
	}
	if s.advance(e.Room, e.Offset) {
		s.events.push(e)
	}
	return nil
}

// renewRetry is the wait before the token source is asked again. The gateway announces the
// end of a token a minute before.
const renewRetry = 10 * time.Second

// renewToken renews the token of a connection. It tries until it succeeds or the connection
// ends.
func (s *CustomerSocket) renewToken(c *conn) {
	for s.tryRenewToken(c) != nil {
		if !sleep(c.ctx, renewRetry) {
			return
		}
	}
}

var errSameToken = errors.New("fieldgate: the token source returned the token that is about to expire")

func (s *CustomerSocket) tryRenewToken(c *conn) error {
	ctx, cancel := context.WithTimeout(c.ctx, s.socket.requester.timeout)
	defer cancel()
	token, err := s.tokens(ctx, "")
	if err != nil {
		return err
	}
	if token == s.currentToken() {
		return errSameToken
	}
	data, err := encodeData(map[string]string{"token": token})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{kind: "refresh", data: data, onReply: func(json.RawMessage) { s.setToken(token) }})
	return err
}

func (s *CustomerSocket) currentToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

func (s *CustomerSocket) setToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}
