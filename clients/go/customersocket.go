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
	// MaxQueued is the maximum number of events that wait until Events returns them. When the
	// queue is full, the socket stops reading, unless a call waits for its reply. If the queue
	// stays full, the gateway closes the connection. The socket then reconnects and resumes
	// without a gap. Default: 256.
	MaxQueued int

	// OnState is called when a connection is established, will soon be closed, or has ended. It
	// runs on a separate goroutine. OnState is not called for the end of the socket itself: use
	// Done and Err. Default: nil, no call.
	OnState func(SocketState)

	// Transport supplies the certificates, the proxy and the dial functions. Default: the
	// transport of the gateway, see WithTransport.
	Transport *http.Transport
}

const defaultMaxQueued = 256

// A CustomerSocket receives the events of rooms as they happen. It is safe for concurrent use.
//
// It reconnects like a [DeviceSocket]. After a reconnect, each subscription resumes after the
// last received event, so that each event of a room is returned once and in order. If the
// gateway no longer has some of the events, a [RoomEvent] with Gap is returned in their place.
//
// Before its token expires, the socket asks the TokenSource for a new token. If the source
// returns the same token, the socket asks again later. After an error of the source it also
// asks again later, unless the error is a refusal of the gateway.
type CustomerSocket struct {
	socket socket
	events *queue[RoomEvent]
	tokens credentials

	mu    sync.Mutex
	rooms map[string]string // offset of the last queued event, by room
	token string            // newest token that the gateway has accepted
}

// Connect starts a socket and returns immediately. The socket connects in the background, and
// lasts until the context ends or Close is called.
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

// Close closes the socket in the background and returns immediately. Done is closed when the
// socket has ended.
func (s *CustomerSocket) Close() { s.socket.close() }

// Done returns a channel that is closed when the socket and its goroutines have ended.
func (s *CustomerSocket) Done() <-chan struct{} { return s.socket.done }

// Err returns the reason why the socket has ended: [ErrSocketClosed], the cause of its context,
// a [*CloseError] or an [*APIError]. Err returns nil while the socket is open.
func (s *CustomerSocket) Err() error { return s.socket.err() }

// A RoomEvent is an event in a room. If Gap or Err is set, it is not an event but a notice about
// the room.
type RoomEvent struct {
	Room string `json:"room"`

	// Offset is the position of the event. To resume in another process, store the Offset of
	// the last handled event and pass it to Subscribe.
	Offset string `json:"offset"`

	Type      string          `json:"type"`
	Time      time.Time       `json:"time"`
	RequestID string          `json:"requestId"` // id of the request that caused the event
	Actor     Actor           `json:"actor"`
	Data      json.RawMessage `json:"data"`

	// ActorDetails is the Actor with the name and the e-mail address of a user.
	ActorDetails ActorDetails `json:"actorDetails"`

	// Gap is empty unless events are missing. It is the reason why the gateway no longer has
	// the events between the previous event and Offset. Read the current state over HTTP. The
	// events after Offset follow as usual.
	Gap string `json:"-"`

	// Err, if set, is the reason why no more events of the room follow: the gateway refused to
	// renew the subscription after a reconnect.
	Err error `json:"-"`
}

// Events returns the events of the rooms until ctx or the socket ends. Events that were
// received before the socket ended are still returned.
//
// If an error ended the loop, the last element is that error. There is no error if Close was
// called or the context of the socket ended. After a break, a new loop continues with the next
// event. Concurrent loops share the events: each event goes to one of them.
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

// eventsErr returns the error that ended a loop over the events. It returns nil if the program
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

// onFrame handles a frame that is not a reply. It ignores frames of an unknown type, which
// later versions may send.
func (s *CustomerSocket) onFrame(c *conn, f frame) error {
	switch f.Type {
	case "event":
		return s.onEvent(f.Data)
	case "token_expiring":
		s.socket.workers.Go(func() { s.renewToken(c) })
	}
	return nil
}

// progressEvent is the type of the events that the gateway does not keep. They have the offset of the
// event before them.
const progressEvent = "command.progress"

// isWanted reports whether to deliver an event. A repeated event is not delivered.
func (s *CustomerSocket) isWanted(e RoomEvent) bool {
	if e.Type == progressEvent {
		_, subscribed := s.offset(e.Room)
		return subscribed
	}
	return s.advance(e.Room, e.Offset)
}

// onEvent queues an event, unless the event was queued before.
func (s *CustomerSocket) onEvent(data json.RawMessage) error {
	var e RoomEvent
	if json.Unmarshal(data, &e) != nil {
		return errInvalidFrame
	}
	if s.isWanted(e) {
		s.events.push(e)
	}
	return nil
}

// renewRetry is the delay before the token source is called again. The gateway announces the
// expiry of a token one minute in advance.
const renewRetry = 10 * time.Second

// renewToken renews the token of connection c. It retries until it succeeds or c ends.
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
