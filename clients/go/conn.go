package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ErrInterrupted is the error of a call over a socket whose connection broke between the
// request and the reply. The gateway may or may not have executed the call. Heartbeat, Extend,
// Release and SubmitResult can be repeated. Claim can be repeated with the same
// [WithIdempotencyKey]. Without a key, the commands of the lost Claim stay claimed until their
// leases end.
var ErrInterrupted = errors.New("fieldgate: the connection broke before the reply arrived: the call may or may not have been executed")

// errNotSent is the error of a request that was not sent because the connection ended first.
// The request can safely be sent over the next connection.
var errNotSent = errors.New("fieldgate: the connection broke before the request was sent")

const (
	// writeTimeout limits the time of a write. closeTimeout limits the time that the gateway
	// has to reply to a close frame.
	writeTimeout = 10 * time.Second
	closeTimeout = time.Second

	// maxInFlight limits the number of requests without a reply. The gateway refuses more than
	// 32. The limit is lower here, because the gateway may still count a request whose reply
	// has already arrived.
	maxInFlight = 24
)

// A conn is one connection of a socket. It begins with the welcome frame.
type conn struct {
	ws          *websocket.Conn
	ctx         context.Context // ends with the connection
	cancel      context.CancelFunc
	addPending  func(int)     // adds to the number of calls that wait for a reply
	id          string        // connection id that the gateway assigned
	readTimeout time.Duration // silence after which the connection counts as lost
	traced      bool          // whether the gateway accepts the traceparent of a frame
	retryAfter  time.Duration // delay that the going_away frame requested; used only by the reader goroutine
	readDone    chan struct{} // closed when the reader goroutine has ended

	pacer    pacer
	writing  chan struct{} // semaphore of capacity 1, held while a frame is written
	inFlight chan struct{} // semaphore with one element for each request without a reply; capacity maxInFlight

	mu    sync.Mutex
	calls map[string]*pendingCall // by request id; nil once the connection has ended
	cause error                   // why the client ended the connection
}

// A request is a request over a socket.
type request struct {
	kind string // the type of the frame
	data json.RawMessage
	wait time.Duration // how long the gateway may wait before it replies

	// onReply, if set, receives the data of the reply. The reader goroutine calls onReply before
	// it reads the next frame.
	onReply func(data json.RawMessage)

	// onLateReply, if set, is called instead of onReply when the caller no longer waits for the
	// reply.
	onLateReply func(c *conn, data json.RawMessage)
}

// A pendingCall is a request that waits for its reply.
type pendingCall struct {
	request
	id        string
	settle    func()     // subtracts the call from the number of waiting calls; may be called twice
	reply     chan reply // capacity 1
	abandoned bool       // whether the caller has stopped waiting
}

type reply struct {
	data json.RawMessage
	err  error
}

// newConn waits for the welcome frame of ws and returns the connection.
func newConn(ctx context.Context, ws *websocket.Conn, timeout time.Duration, addPending func(int)) (*conn, error) {
	c := &conn{
		ws: ws, addPending: addPending, readTimeout: timeout, calls: map[string]*pendingCall{}, readDone: make(chan struct{}),
		writing: make(chan struct{}, 1), inFlight: make(chan struct{}, maxInFlight),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	ws.SetReadLimit(maxReceived)
	ws.SetPingHandler(c.sendPong)
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	first, err := c.readFrame()
	if err == nil {
		err = c.acceptWelcome(first)
	}
	if err != nil {
		c.cancel()
		_ = ws.Close()
		return nil, err
	}
	return c, nil
}

func (c *conn) acceptWelcome(first frame) error {
	var w welcome
	if first.Type != frameWelcome || json.Unmarshal(first.Data, &w) != nil {
		return errors.New("fieldgate: opening the socket: the first frame is not a welcome")
	}
	c.id, c.readTimeout, c.traced = w.ConnectionID, w.readTimeout(), slices.Contains(w.Accepts, traceparentHeader)
	return nil
}

// sendPong replies to a ping. It ignores write errors, because the reader goroutine then fails
// too.
func (c *conn) sendPong(payload string) error {
	_ = c.ws.SetReadDeadline(time.Now().Add(c.readTimeout))
	_ = c.ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(writeTimeout))
	return nil
}

// serve reads frames until the connection ends, and returns the reason for the end. It calls
// handle for each frame that is not a reply.
func (c *conn) serve(handle func(*conn, frame) error) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-c.ctx.Done()
		c.close()
	}()
	err := c.readLoop(handle)
	err = c.end(err)
	<-closed
	return err
}

func (c *conn) readLoop(handle func(*conn, frame) error) error {
	for {
		f, err := c.readFrame()
		if err != nil {
			return err
		}
		if f.Type == frameReply || f.Type == frameError {
			c.deliver(f)
		} else if err := handle(c, f); err != nil {
			return err
		}
	}
}

func (c *conn) readFrame() (frame, error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(c.readTimeout))
	kind, text, err := c.ws.ReadMessage()
	if err != nil {
		return frame{}, readError(err)
	}
	var f frame
	if kind != websocket.TextMessage || json.Unmarshal(text, &f) != nil {
		return frame{}, errInvalidFrame
	}
	return f, nil
}

var errInvalidFrame = errors.New("fieldgate: the gateway sent a frame that cannot be parsed")

// readError converts an error of the WebSocket library to an error of this package.
func readError(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		return &CloseError{Code: CloseCode(closed.Code), Reason: closed.Text}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("fieldgate: the gateway sent nothing for too long: %w", err)
	}
	return fmt.Errorf("fieldgate: the connection broke: %w", err)
}

// deliver passes a reply to the call that waits for it. It drops a reply that belongs to no
// call.
func (c *conn) deliver(f frame) {
	c.mu.Lock()
	p := c.calls[f.RequestID]
	delete(c.calls, f.RequestID)
	c.mu.Unlock()
	if p == nil {
		return
	}
	<-c.inFlight
	err := f.err()
	switch {
	case err == nil && p.abandoned && p.onLateReply != nil:
		p.onLateReply(c, f.Data)
	case err == nil && p.onReply != nil:
		p.onReply(f.Data)
	}
	p.settle()
	p.reply <- reply{f.Data, err}
}

// call sends a request and waits for its reply.
func (c *conn) call(ctx context.Context, r request) (json.RawMessage, error) {
	c.addPending(+1)
	settle := sync.OnceFunc(func() { c.addPending(-1) })
	defer settle()
	select {
	case c.inFlight <- struct{}{}:
	case <-c.ctx.Done():
		return nil, errNotSent
	case <-ctx.Done():
		return nil, fmt.Errorf("fieldgate: waiting for the replies to other requests: %w", ctx.Err())
	}
	p := &pendingCall{request: r, id: requestIDOf(ctx), settle: settle, reply: make(chan reply, 1)}
	if err := c.register(p); err != nil {
		return nil, err
	}
	if err := c.send(ctx, p); err != nil {
		c.unregister(p)
		return nil, err
	}
	return c.await(ctx, p)
}

// register adds p to the calls that wait for a reply. If another call has the same request id,
// register changes the id of p.
func (c *conn) register(p *pendingCall) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		return errNotSent
	}
	if c.calls[p.id] != nil {
		p.id = withSuffix(p.id)
	}
	c.calls[p.id] = p
	return nil
}

// unregister removes p from the calls that wait for a reply, because its request was not sent.
func (c *conn) unregister(p *pendingCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[p.id] == p {
		delete(c.calls, p.id)
		<-c.inFlight
	}
}

// send writes the frame of p. It returns an error only if nothing was written. A failed write
// ends the connection, and the end of the connection fails the call.
func (c *conn) send(ctx context.Context, p *pendingCall) error {
	f := frame{Type: p.kind, RequestID: p.id, Data: p.data}
	if c.traced {
		f.Traceparent = traceparentOf(ctx)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("fieldgate: encoding a frame: %w", err)
	}
	if err := c.pacer.wait(ctx); err != nil {
		return fmt.Errorf("fieldgate: waiting to send: %w", err)
	}
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return fmt.Errorf("fieldgate: waiting to send: %w", ctx.Err())
	}
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := c.ws.WriteMessage(websocket.TextMessage, text); err != nil {
		c.fail(fmt.Errorf("fieldgate: writing a frame: %w", err))
	}
	return nil
}

// await waits for the reply to p after the request of p was sent.
func (c *conn) await(ctx context.Context, p *pendingCall) (json.RawMessage, error) {
	select {
	case r := <-p.reply:
		return r.data, r.err
	case <-ctx.Done():
	}
	if c.abandon(p) {
		return nil, fmt.Errorf("fieldgate: waiting for the reply: %w", ctx.Err())
	}
	r := <-p.reply // the reader goroutine has already removed the call
	return r.data, r.err
}

// abandon marks p as abandoned by its caller. It returns false if the reply has already
// arrived.
func (c *conn) abandon(p *pendingCall) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[p.id] != p {
		return false
	}
	p.abandoned = true
	return true
}

// fail ends the connection from this side. Waiting calls return the cause.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	_ = c.ws.Close()
}

// close closes the connection. If the reader goroutine has not ended, close first sends a close
// frame and waits up to closeTimeout for the close frame of the gateway (RFC 6455, section
// 7.1.2).
func (c *conn) close() {
	defer c.ws.Close()
	select {
	case <-c.readDone:
		return
	default:
	}
	text := websocket.FormatCloseMessage(int(CloseNormal), "")
	_ = c.ws.WriteControl(websocket.CloseMessage, text, time.Now().Add(closeTimeout))
	select {
	case <-c.readDone:
	case <-time.After(closeTimeout):
	}
}

// end fails the calls that wait for a reply, and returns the reason why the connection ended.
// The reason is the cause of the ended context, the cause passed to fail, or else err, the error
// of the reader goroutine.
func (c *conn) end(err error) error {
	c.mu.Lock()
	calls := c.calls
	c.calls = nil
	switch {
	case c.ctx.Err() != nil:
		err = context.Cause(c.ctx)
	case c.cause != nil:
		err = c.cause
	}
	c.mu.Unlock()
	for _, p := range calls {
		p.reply <- reply{err: fmt.Errorf("%w: %w", ErrInterrupted, err)}
	}
	close(c.readDone)
	c.cancel()
	return err
}
