package fieldgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ErrInterrupted is the error of a call over a socket whose connection broke between the
// request and the answer: what was asked for may have been done, or not. Heartbeat, Extend,
// Release and SubmitResult can simply be repeated, and Claim with the same WithIdempotencyKey;
// without one, the commands of a Claim stay hidden until their leases run out.
var ErrInterrupted = errors.New("fieldgate: the connection broke before the answer came: it may or may not have been done")

// errNotSent is why a request did not go out over a link: there is no harm in sending it
// over the next one.
var errNotSent = errors.New("fieldgate: the connection broke before the request was sent")

const (
	// writeWithin is how long a write may take, and goodbyeWithin how long the other side
	// may take to answer a close.
	writeWithin   = 10 * time.Second
	goodbyeWithin = time.Second

	// maxAsking bounds the requests that wait for their answers. The gateway refuses more
	// than 32; it may not yet have noticed that one is over when its answer is here.
	maxAsking = 24
)

// A link is one connection of a socket, from its welcome to its end.
type link struct {
	ws      *websocket.Conn
	ctx     context.Context // ends with the link
	cancel  context.CancelFunc
	hurry   func(int)
	id      string        // of the connection
	silence time.Duration // how long the gateway may say nothing
	hint    time.Duration // of going_away; belongs to the reader
	over    chan struct{} // closed when nothing more is read

	pace    pace
	writing chan struct{} // capacity 1: held by who writes
	asking  chan struct{} // holds one for each request without an answer

	mu      sync.Mutex
	waiting map[string]*call // by request id; nil once the link has ended
	cause   error            // why it was ended from here
}

// A request is what is asked over a socket.
type request struct {
	kind string
	data json.RawMessage
	wait time.Duration // how long the gateway may hold the answer back

	// read, if any, is called with the data of the reply by the reader, before anything
	// that comes after the reply is read.
	read func(data json.RawMessage)

	// late, if any, is called in the same way with a reply that nobody waits for any more.
	late func(l *link, data json.RawMessage)
}

// A call is a request on its way.
type call struct {
	request
	id        string
	relax     func()      // the reader need not hurry for it any more
	answer    chan answer // capacity 1
	abandoned bool        // nobody waits for it any more
}

type answer struct {
	data json.RawMessage
	err  error
}

// newLink waits for the welcome.
func newLink(ctx context.Context, ws *websocket.Conn, within time.Duration, hurry func(int)) (*link, error) {
	l := &link{
		ws: ws, hurry: hurry, silence: within, waiting: map[string]*call{}, over: make(chan struct{}),
		writing: make(chan struct{}, 1), asking: make(chan struct{}, maxAsking),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	ws.SetReadLimit(maxReceived)
	ws.SetPingHandler(l.pong)
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	first, err := l.next()
	if err == nil {
		err = l.greeted(first)
	}
	if err != nil {
		l.cancel()
		_ = ws.Close()
		return nil, err
	}
	return l, nil
}

// greeted takes from the first frame what it says about the connection.
func (l *link) greeted(first frame) error {
	var w welcome
	if first.Type != frameWelcome || json.Unmarshal(first.Data, &w) != nil {
		return errors.New("fieldgate: opening the socket: the first frame was no welcome")
	}
	l.id, l.silence = w.ConnectionID, w.silence()
	return nil
}

// pong answers a sign of life. That it cannot be written is for the reader to find out.
func (l *link) pong(payload string) error {
	_ = l.ws.SetReadDeadline(time.Now().Add(l.silence))
	_ = l.ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(writeWithin))
	return nil
}

// serve reads the link to its end, and tells why it ended. Frames that nobody asked for
// go to pushed.
func (l *link) serve(pushed func(*link, frame) error) error {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		<-l.ctx.Done()
		l.goodbye()
	}()
	err := l.readAll(pushed)
	err = l.end(err)
	<-gone
	return err
}

func (l *link) readAll(pushed func(*link, frame) error) error {
	for {
		f, err := l.next()
		if err == nil {
			err = l.take(f, pushed)
		}
		if err != nil {
			return err
		}
	}
}

// next reads a frame.
func (l *link) next() (frame, error) {
	_ = l.ws.SetReadDeadline(time.Now().Add(l.silence))
	kind, text, err := l.ws.ReadMessage()
	if err != nil {
		return frame{}, lost(err)
	}
	var f frame
	if kind != websocket.TextMessage || json.Unmarshal(text, &f) != nil {
		return frame{}, errUnreadable
	}
	return f, nil
}

var errUnreadable = errors.New("fieldgate: the gateway sent a frame that cannot be read")

// lost tells in the words of this package why nothing more can be read.
func lost(err error) error {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		return &CloseError{Code: CloseCode(closed.Code), Reason: closed.Text}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("fieldgate: the gateway gave no sign of life: %w", err)
	}
	return fmt.Errorf("fieldgate: the connection broke: %w", err)
}

// take deals with a frame.
func (l *link) take(f frame, pushed func(*link, frame) error) error {
	if f.Type == frameReply || f.Type == frameError {
		l.settle(f)
		return nil
	}
	return pushed(l, f)
}

// settle gives an answer to who waits for it.
func (l *link) settle(f frame) {
	l.mu.Lock()
	c := l.waiting[f.RequestID]
	delete(l.waiting, f.RequestID)
	l.mu.Unlock()
	if c == nil {
		return
	}
	<-l.asking
	err := f.refusal()
	switch {
	case err == nil && c.abandoned && c.late != nil:
		c.late(l, f.Data)
	case err == nil && c.read != nil:
		c.read(f.Data)
	}
	c.relax()
	c.answer <- answer{f.Data, err}
}

// ask sends a request and waits for its answer.
func (l *link) ask(ctx context.Context, r request) (json.RawMessage, error) {
	l.hurry(+1)
	relax := sync.OnceFunc(func() { l.hurry(-1) })
	defer relax()
	select {
	case l.asking <- struct{}{}:
	case <-l.ctx.Done():
		return nil, errNotSent
	case <-ctx.Done():
		return nil, fmt.Errorf("fieldgate: waiting for the answers to other requests: %w", ctx.Err())
	}
	c := &call{request: r, id: requestIDOf(ctx), relax: relax, answer: make(chan answer, 1)}
	if err := l.register(c); err != nil {
		return nil, err
	}
	if err := l.send(ctx, c); err != nil {
		l.withdraw(c)
		return nil, err
	}
	return l.await(ctx, c)
}

// register makes the reader expect the answer to a call. Its id becomes one that no other
// call has.
func (l *link) register(c *call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		return errNotSent
	}
	if l.waiting[c.id] != nil {
		c.id = another(c.id)
	}
	l.waiting[c.id] = c
	return nil
}

// withdraw forgets a call that was not sent.
func (l *link) withdraw(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[c.id] == c {
		delete(l.waiting, c.id)
		<-l.asking
	}
}

// send writes the frame of a call. An error means that nothing was written: what becomes
// of a frame that was written in part is for the end of the link to tell.
func (l *link) send(ctx context.Context, c *call) error {
	text, err := json.Marshal(frame{Type: c.kind, RequestID: c.id, Data: c.data})
	if err != nil {
		return fmt.Errorf("fieldgate: writing a frame: %w", err)
	}
	if err := l.pace.wait(ctx); err != nil {
		return fmt.Errorf("fieldgate: waiting to send: %w", err)
	}
	select {
	case l.writing <- struct{}{}:
		defer func() { <-l.writing }()
	case <-ctx.Done():
		return fmt.Errorf("fieldgate: waiting to send: %w", ctx.Err())
	}
	_ = l.ws.SetWriteDeadline(time.Now().Add(writeWithin))
	if err := l.ws.WriteMessage(websocket.TextMessage, text); err != nil {
		l.drop(fmt.Errorf("fieldgate: writing a frame: %w", err))
	}
	return nil
}

// await waits for the answer to a call that was sent.
func (l *link) await(ctx context.Context, c *call) (json.RawMessage, error) {
	select {
	case a := <-c.answer:
		return a.data, a.err
	case <-ctx.Done():
	}
	if l.abandon(c) {
		return nil, fmt.Errorf("fieldgate: waiting for the answer: %w", ctx.Err())
	}
	a := <-c.answer // it came at the same moment
	return a.data, a.err
}

// abandon tells the reader that nobody waits for a call, unless its answer is there.
func (l *link) abandon(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[c.id] != c {
		return false
	}
	c.abandoned = true
	return true
}

// drop ends the link from here.
func (l *link) drop(cause error) {
	l.mu.Lock()
	if l.cause == nil {
		l.cause = cause
	}
	l.mu.Unlock()
	_ = l.ws.Close()
}

// goodbye closes the connection, with a word while the other side may hear it.
func (l *link) goodbye() {
	defer l.ws.Close()
	select {
	case <-l.over:
		return
	default:
	}
	text := websocket.FormatCloseMessage(int(CloseNormal), "")
	_ = l.ws.WriteControl(websocket.CloseMessage, text, time.Now().Add(goodbyeWithin))
	select {
	case <-l.over:
	case <-time.After(goodbyeWithin):
	}
}

// end tells those who wait that no answer will come, and gives the reason for it.
func (l *link) end(err error) error {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	switch {
	case l.ctx.Err() != nil:
		err = context.Cause(l.ctx)
	case l.cause != nil:
		err = l.cause
	}
	l.mu.Unlock()
	for _, c := range waiting {
		c.answer <- answer{err: fmt.Errorf("%w: %w", ErrInterrupted, err)}
	}
	close(l.over)
	l.cancel()
	return err
}
