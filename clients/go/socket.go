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

// ErrSocketClosed is the error of calls over a socket that the program has closed.
var ErrSocketClosed = errors.New("fieldgate: the socket is closed")

// SocketState describes the connection of a socket.
type SocketState struct {
	// Connected reports whether there is a connection.
	Connected bool

	// ConnectionID is the id under which [CustomerClient.Connections] lists the connection.
	ConnectionID string

	// GoingAway reports whether the gateway has announced that it will soon close the
	// connection. Calls still work.
	GoingAway bool

	// Err is the reason why there is no connection. The socket reconnects by itself.
	Err error

	// RetryIn is the time until the socket tries to reconnect.
	RetryIn time.Duration
}

// maxCallbacks is the maximum number of callbacks that wait for a running callback.
const maxCallbacks = 64

// A socketConfig holds the values in which device sockets and customer sockets differ.
type socketConfig struct {
	requester requester
	path      string
	transport *http.Transport
	onState   func(SocketState)

	onConnect func(*conn)              // called by the reader goroutine for each new connection
	onFrame   func(*conn, frame) error // called by the reader goroutine for each frame that is not a reply; an error ends the connection
	queues    []blockingQueue          // other queues that the reader goroutine may wait for, besides the queue of callbacks
}

// A blockingQueue is a queue of items of any type.
type blockingQueue interface {
	addPendingCalls(n int)
	close()
}

// A socket keeps a connection to the gateway until its context ends. One goroutine connects and
// reads. Another goroutine runs the callbacks.
type socket struct {
	socketConfig
	dialer    *dialer
	callbacks *queue[func()]
	parent    context.Context // the context that the program passed to Connect
	ctx       context.Context
	cancel    context.CancelCauseFunc
	workers   sync.WaitGroup // waits for all goroutines except the reader goroutine, which starts them
	done      chan struct{}

	mu      sync.Mutex
	current *conn         // nil while there is no connection
	changed chan struct{} // closed and replaced when current changes
	reason  error         // why there is no connection
}

var errConnecting = errors.New("fieldgate: there was no connection yet")

// start connects in the background and returns immediately.
func (s *socket) start(ctx context.Context, config socketConfig) {
	s.socketConfig = config
	s.callbacks = newQueue[func()](maxCallbacks)
	s.queues = append(s.queues, s.callbacks)
	s.parent = ctx
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.done, s.changed, s.reason = make(chan struct{}), make(chan struct{}), errConnecting
	context.AfterFunc(s.ctx, s.closeQueues)
	s.workers.Go(s.runCallbacks)
	go s.run()
}

// close closes the socket in the background and returns immediately.
func (s *socket) close() { s.cancel(ErrSocketClosed) }

// err returns the reason why the socket has ended, or nil while it is open.
func (s *socket) err() error {
	if s.ctx.Err() == nil {
		return nil
	}
	return context.Cause(s.ctx)
}

// failure returns the reason why the socket has ended. It returns nil if the socket is open or
// the program has ended it.
func (s *socket) failure() error {
	err := s.err()
	if errors.Is(err, ErrSocketClosed) || errors.Is(err, context.Cause(s.parent)) {
		return nil
	}
	return err
}

// run connects and reconnects until the context ends or a final error occurs.
func (s *socket) run() {
	defer close(s.done)
	defer s.workers.Wait()
	defer s.closeQueues()
	dialer, err := newDialer(s.requester, s.path, s.transport)
	if err != nil {
		s.cancel(err)
		return
	}
	s.dialer = dialer
	for backoff := (backoff{}); s.ctx.Err() == nil; {
		attempt := s.connect()
		if isFinal(attempt.err) {
			s.cancel(attempt.err)
		}
		if s.ctx.Err() != nil {
			return
		}
		delay := backoff.delay(attempt)
		s.notify(SocketState{Err: attempt.err, RetryIn: delay})
		sleep(s.ctx, delay)
	}
}

// connect opens a connection and serves it until it ends.
func (s *socket) connect() attempt {
	c, err := s.open()
	if err != nil {
		s.setConn(nil, err)
		return attempt{err: err, retryAfter: retryAfterOf(err)}
	}
	start := time.Now()
	s.setConn(c, nil)
	s.notify(SocketState{Connected: true, ConnectionID: c.id})
	s.onConnect(c)
	err = c.serve(s.handle)
	s.setConn(nil, err)
	s.dialer.expired = isClosedWith(err, CloseExpired)
	return attempt{err: err, lasted: time.Since(start), retryAfter: c.retryAfter}
}

func (s *socket) open() (*conn, error) {
	ws, err := s.dialer.dial(s.ctx)
	if err != nil {
		return nil, err
	}
	return newConn(s.ctx, ws, s.requester.timeout, s.addPendingCalls)
}

// handle handles a frame that is not a reply.
func (s *socket) handle(c *conn, f frame) error {
	if f.Type != frameGoingAway {
		return s.onFrame(c, f)
	}
	var data struct {
		RetryAfterMs int64 `json:"retryAfterMs"`
	}
	if err := json.Unmarshal(f.Data, &data); err != nil {
		return errInvalidFrame
	}
	c.retryAfter = clampedMilliseconds(data.RetryAfterMs)
	s.notify(SocketState{Connected: true, ConnectionID: c.id, GoingAway: true, RetryIn: c.retryAfter})
	return nil
}

// setConn sets the connection that calls use. If there is no connection, c is nil and reason
// says why.
func (s *socket) setConn(c *conn, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.reason = c, reason
	close(s.changed)
	s.changed = make(chan struct{})
}

// currentConn returns the connection that calls use. If there is no connection, c is nil and
// reason is the cause. The channel changed is closed when the connection changes.
func (s *socket) currentConn() (c *conn, changed <-chan struct{}, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.ctx.Err() == nil {
		c = s.current
	}
	return c, s.changed, s.reason
}

// waitConn waits for a connection.
func (s *socket) waitConn(ctx context.Context) (*conn, error) {
	for {
		c, changed, reason := s.currentConn()
		if s.ctx.Err() != nil {
			return nil, s.err()
		}
		if c != nil {
			return c, nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return nil, fmt.Errorf("fieldgate: waiting for a connection: %w (%w)", ctx.Err(), reason)
		}
	}
}

// call waits for a connection, sends a request over it and waits for the reply.
func (s *socket) call(ctx context.Context, r request) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, s.requester.timeoutFor(int64(len(r.data)))+max(r.wait, 0))
	defer cancel()
	for {
		c, err := s.waitConn(ctx)
		if err != nil {
			return nil, err
		}
		data, err := c.call(ctx, r)
		if !errors.Is(err, errNotSent) {
			return data, err
		}
	}
}

// callSocket makes a call over a socket, and returns the decoded data of the reply.
func callSocket[T any](ctx context.Context, s *socket, r request) (T, error) {
	var value, zero T
	data, err := s.call(ctx, r)
	if err != nil {
		return zero, err
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return zero, fmt.Errorf("fieldgate: decoding the reply to %s: %w", r.kind, err)
	}
	return value, nil
}

// notify queues a call of onState after the other queued callbacks.
func (s *socket) notify(state SocketState) {
	if s.onState != nil {
		s.callbacks.push(func() { s.onState(state) })
	}
}

// runCallbacks runs the queued callbacks one at a time, until the queue is closed.
func (s *socket) runCallbacks() {
	for {
		callback, ok := s.callbacks.pop(context.Background())
		if !ok {
			return
		}
		callback()
	}
}

func (s *socket) addPendingCalls(n int) {
	for _, q := range s.queues {
		q.addPendingCalls(n)
	}
}

func (s *socket) closeQueues() {
	for _, q := range s.queues {
		q.close()
	}
}
