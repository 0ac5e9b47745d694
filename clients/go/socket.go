package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// ErrSocketClosed is the error of a call over a socket that has been closed.
var ErrSocketClosed = errors.New("fieldgate: the socket is closed")

// SocketState tells whether a socket is connected.
type SocketState struct {
	// Connected is true when there is a new connection, and as long as there is.
	Connected bool

	// ConnectionID names the connection, as the list of connections does.
	ConnectionID string

	// GoingAway is true when the gateway has said that it will end the connection soon.
	// Calls still work.
	GoingAway bool

	// Err is why there is no connection. The socket comes back by itself.
	Err error

	// RetryIn is how long it waits before that.
	RetryIn time.Duration
}

// maxCallbacks is how many callbacks may wait for those before them.
const maxCallbacks = 64

// socketConfig says what a socket is and does.
type socketConfig struct {
	connection connection
	path       string
	transport  *http.Transport
	onState    func(SocketState)

	welcomed func(*link)              // called by the reader when there is a new link
	pushed   func(*link, frame) error // called by the reader for what nobody asked for; an error ends the link
	queues   []socketQueue            // besides the callbacks, what the reader may wait for
}

// A socketQueue is a queue of whatever items.
type socketQueue interface {
	hurry(n int)
	close()
}

// A socket keeps a connection to the gateway for as long as its context lasts. One of its
// goroutines connects and reads, another calls back.
type socket struct {
	socketConfig
	handshake *handshake
	callbacks *queue[func()]
	parent    context.Context // the caller's
	ctx       context.Context
	cancel    context.CancelCauseFunc
	workers   sync.WaitGroup // all goroutines but the reader; begun by the reader alone
	done      chan struct{}

	mu      sync.Mutex
	current *link         // nil while there is none
	changed chan struct{} // closed and replaced when current changes
	reason  error         // why there is none
}

var errConnecting = errors.New("fieldgate: there was no connection yet")

// start begins to connect and returns.
func (s *socket) start(ctx context.Context, config socketConfig) {
	s.socketConfig = config
	s.callbacks = newQueue[func()](maxCallbacks)
	s.queues = append(s.queues, s.callbacks)
	s.parent = ctx
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.done, s.changed, s.reason = make(chan struct{}), make(chan struct{}), errConnecting
	context.AfterFunc(s.ctx, s.closeQueues)
	s.workers.Go(s.callBack)
	go s.run()
}

// close ends the socket and does not wait for it.
func (s *socket) close() { s.cancel(ErrSocketClosed) }

// err tells why the socket has ended, nil while it has not.
func (s *socket) err() error {
	if s.ctx.Err() == nil {
		return nil
	}
	return context.Cause(s.ctx)
}

// failure tells why the socket has ended, nil if that was wanted on this side.
func (s *socket) failure() error {
	err := s.err()
	if errors.Is(err, ErrSocketClosed) || errors.Is(err, context.Cause(s.parent)) {
		return nil
	}
	return err
}

// run connects again and again, until the context ends or there is no use in it.
func (s *socket) run() {
	defer close(s.done)
	defer s.workers.Wait()
	defer s.closeQueues()
	handshake, err := newHandshake(s.connection, s.path, s.transport)
	if err != nil {
		s.cancel(err)
		return
	}
	s.handshake = handshake
	for wait := (backoff{}); s.ctx.Err() == nil; {
		e := s.connect()
		if final(e.err) {
			s.cancel(e.err)
		}
		if s.ctx.Err() != nil {
			return
		}
		delay := wait.delay(e)
		s.tell(SocketState{Err: e.err, RetryIn: delay})
		pause(s.ctx, delay)
	}
}

// connect makes a connection and serves it to its end.
func (s *socket) connect() ending {
	l, err := s.open()
	if err != nil {
		s.set(nil, err)
		return ending{err: err, hint: hintOf(err)}
	}
	since := time.Now()
	s.set(l, nil)
	s.tell(SocketState{Connected: true, ConnectionID: l.id})
	s.welcomed(l)
	err = l.serve(s.take)
	s.set(nil, err)
	s.handshake.expired = closedWith(err, CloseExpired)
	return ending{err: err, lasted: time.Since(since), hint: l.hint}
}

// open makes a connection that is good to use.
func (s *socket) open() (*link, error) {
	ws, err := s.handshake.open(s.ctx)
	if err != nil {
		return nil, err
	}
	return newLink(s.ctx, ws, s.connection.timeout, s.hurry)
}

// take deals with a frame that nobody asked for.
func (s *socket) take(l *link, f frame) error {
	if f.Type != frameGoingAway {
		return s.pushed(l, f)
	}
	var leaving struct {
		RetryAfterMs int64 `json:"retryAfterMs"`
	}
	if err := json.Unmarshal(f.Data, &leaving); err != nil {
		return errUnreadable
	}
	l.hint = span(leaving.RetryAfterMs)
	s.tell(SocketState{Connected: true, ConnectionID: l.id, GoingAway: true, RetryIn: l.hint})
	return nil
}

// set makes a link the one to use, or none and why.
func (s *socket) set(l *link, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.reason = l, reason
	close(s.changed)
	s.changed = make(chan struct{})
}

// now gives the link to use, nil while there is none, and what tells of the next one.
func (s *socket) now() (l *link, changed <-chan struct{}, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.ctx.Err() == nil {
		l = s.current
	}
	return l, s.changed, s.reason
}

// link waits until there is one to use.
func (s *socket) link(ctx context.Context) (*link, error) {
	for {
		l, changed, reason := s.now()
		if s.ctx.Err() != nil {
			return nil, s.err()
		}
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return nil, fmt.Errorf("fieldgate: waiting for a connection: %w (%w)", ctx.Err(), reason)
		}
	}
}

// ask sends a request over the connection, once there is one, and waits for the answer.
func (s *socket) ask(ctx context.Context, r request) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connection.timeout+max(r.wait, 0))
	defer cancel()
	for {
		l, err := s.link(ctx)
		if err != nil {
			return nil, err
		}
		data, err := l.ask(ctx, r)
		if !errors.Is(err, errNotSent) {
			return data, err
		}
	}
}

// ask asks for a value over a socket.
func ask[T any](ctx context.Context, s *socket, r request) (T, error) {
	var value, none T
	data, err := s.ask(ctx, r)
	if err != nil {
		return none, err
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return none, fmt.Errorf("fieldgate: reading the reply to %s: %w", r.kind, err)
	}
	return value, nil
}

// tell calls back with the state, after what was to be called before.
func (s *socket) tell(state SocketState) {
	if s.onState != nil {
		s.callbacks.push(func() { s.onState(state) })
	}
}

// callBack calls what is to be called, one after the other.
func (s *socket) callBack() {
	for {
		call, ok := s.callbacks.pop(context.Background())
		if !ok {
			return
		}
		call()
	}
}

func (s *socket) hurry(n int) {
	for _, q := range s.queues {
		q.hurry(n)
	}
}

func (s *socket) closeQueues() {
	for _, q := range s.queues {
		q.close()
	}
}
