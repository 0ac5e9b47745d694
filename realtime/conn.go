package realtime

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Limits bound what one socket may cost.
type Limits struct {
	// MaxMessage is the longest message that a client may send, in bytes.
	// Default: 64 KiB.
	MaxMessage int64

	// MessagesPerSecond and Burst bound how often a client may send; pings and
	// pongs count. Default: 50 and 100.
	MessagesPerSecond int
	Burst             int

	// MaxQueued and MaxQueuedBytes bound what waits for a client that reads
	// slowly. Default: 256 frames, 1 MiB.
	MaxQueued      int
	MaxQueuedBytes int

	// MaxAnswering bounds the frames of a client that are being answered at a
	// time, such as claims that wait. Default: 32.
	MaxAnswering int32

	// PingEvery is how often a client is asked for a sign of life, and PongWithin
	// how long it may take. Default: 25 s and 10 s.
	PingEvery  time.Duration
	PongWithin time.Duration

	// WriteWithin is how long a write may take. Default: 10 s.
	WriteWithin time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxMessage, 64<<10)
	setDefault(&l.MessagesPerSecond, 50)
	setDefault(&l.Burst, 100)
	setDefault(&l.MaxQueued, 256)
	setDefault(&l.MaxQueuedBytes, 1<<20)
	setDefault(&l.MaxAnswering, 32)
	setDefault(&l.PingEvery, 25*time.Second)
	setDefault(&l.PongWithin, 10*time.Second)
	setDefault(&l.WriteWithin, 10*time.Second)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Conn is one socket. It has one goroutine, which reads; another writes as long
// as there is something to write.
type Conn struct {
	ID     string
	ws     *websocket.Conn
	wire   *wire // under ws
	limits *Limits
	serve  func(*Conn, Frame)     // called for each frame, on a goroutine of its own; calls served
	ended  func(*Conn, CloseCode) // called once, at the end
	answer func(err error, f Frame) []byte

	ctx       context.Context // ends as soon as the socket is being closed
	cancel    context.CancelFunc
	bucket    bucket // of the reader alone
	answering atomic.Int32
	heardAt   atomic.Int64 // Unix ns
	mu        sync.Mutex
	emptied   sync.Cond // told when the writer has taken the queue, and at the end
	queue     []outgoing
	queued    int // bytes
	writing   bool
	closing   *goodbye
	closed    bool
	gone      chan struct{} // if somebody waits: closed when nothing is left of the socket
	left      bool          // nothing is left
}

// outgoing is a message to write: a text, a ping or a pong.
type outgoing struct {
	kind int
	data []byte
}

func newConn(limits *Limits) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{ID: newConnID(), limits: limits, ctx: ctx, cancel: cancel}
	c.emptied.L = &c.mu
	return c
}

func newConnID() string { return "con_" + rand.Text() }

// Context ends as soon as the socket is being closed: from then on no answer would
// reach the client, so nothing should be done for one, such as a claim that waits.
func (c *Conn) Context() context.Context { return c.ctx }

// Send queues a text for the client. A client that reads too slowly is closed;
// the error says that nothing was queued.
func (c *Conn) Send(text []byte) error { return c.push(outgoing{websocket.TextMessage, text}) }

// Offer queues a text if there is room for it, and answers false if not.
func (c *Conn) Offer(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves() || c.full(len(text)) {
		return false
	}
	c.enqueue(outgoing{websocket.TextMessage, text})
	return true
}

// AwaitRead waits until all that was queued is being written. It answers false
// when the socket is being closed.
func (c *Conn) AwaitRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && !c.leaves() {
		c.emptied.Wait()
	}
	return !c.leaves()
}

func (c *Conn) push(o outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.leaves():
		return errClosed
	case c.full(len(o.data)):
		c.forget()
		c.close(CloseTooSlow, "")
		return errClosed
	}
	c.enqueue(o)
	return nil
}

// The lock is held in all that follows up to startWriting.

func (c *Conn) leaves() bool { return c.closed || c.closing != nil }

// full tells whether so many bytes more are too many. An empty queue takes any.
func (c *Conn) full(more int) bool {
	return len(c.queue) >= c.limits.MaxQueued || len(c.queue) > 0 && c.queued+more > c.limits.MaxQueuedBytes
}

func (c *Conn) enqueue(o outgoing) {
	c.queue, c.queued = append(c.queue, o), c.queued+len(o.data)
	c.startWriting()
}

// forget drops what is queued.
func (c *Conn) forget() { c.queue, c.queued = nil, 0 }

// Close says goodbye with a code and ends the socket. What is queued is written
// before, unless it is for somebody who may not have it any more.
func (c *Conn) Close(code CloseCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves() {
		return
	}
	if code == CloseExpired || code == CloseWithdrawn {
		c.forget()
	}
	c.close(code, reason)
}

func (c *Conn) close(code CloseCode, reason string) {
	c.closing = &goodbye{code: code, reason: reason}
	c.cancel()
	c.emptied.Broadcast()
	c.startWriting()
}

func (c *Conn) startWriting() {
	if !c.writing {
		c.writing = true
		go c.write()
	}
}

// write empties the queue and ends; there is one at a time.
func (c *Conn) write() {
	for {
		batch, last := c.take()
		for _, o := range batch {
			if err := c.writeOne(o.kind, o.data); err != nil {
				c.abandon(err)
				return
			}
		}
		if last != nil {
			c.sayGoodbye(last)
			return
		}
		if batch == nil {
			return
		}
	}
}

// take gives what is to be written now. None at all means that the writer ends.
func (c *Conn) take() (batch []outgoing, last *goodbye) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.queue, c.queued = c.queue, nil, 0
	c.emptied.Broadcast()
	if len(batch) > 0 {
		return batch, nil
	}
	if c.closing != nil && !c.closing.sent {
		c.closing.sent = true
		return nil, c.closing
	}
	c.writing = false
	return nil, nil
}

func (c *Conn) writeOne(kind int, data []byte) error {
	deadline := time.Now().Add(c.limits.WriteWithin)
	if kind != websocket.TextMessage {
		return c.ws.WriteControl(kind, data, deadline)
	}
	_ = c.ws.SetWriteDeadline(deadline)
	return c.ws.WriteMessage(kind, data)
}

// abandon ends a socket that cannot be written to. Where a goodbye was said in the
// meantime, the reader ends it.
func (c *Conn) abandon(err error) {
	if errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	code := closeAbnormal
	if isTimeout(err) {
		code = CloseTooSlow
	}
	c.noteEnd(code, "")
	_ = c.ws.Close()
}

// start begins to read.
func (c *Conn) start() {
	c.heardAt.Store(time.Now().UnixNano())
	c.ws.SetReadLimit(c.limits.MaxMessage)
	c.ws.SetPongHandler(func(string) error { c.heard(); return nil })
	c.ws.SetPingHandler(c.pong)
	c.ws.SetCloseHandler(func(int, string) error { return nil }) // finish answers
	go c.read()
}

// read serves the client's next message. It is the socket's one goroutine, so nothing
// that takes long happens on it. Each message has a fresh one: a stack that has grown
// while it was read does not shrink to what waiting for the next one needs.
func (c *Conn) read() {
	err := c.wire.wait(c.heard)
	if err == nil {
		err = c.readOne()
	}
	if err != nil {
		c.finish(err)
		return
	}
	go c.read()
}

// heard notes a sign of life.
func (c *Conn) heard() {
	now := time.Now()
	c.heardAt.Store(now.UnixNano())
	if !c.bucket.take(now, c.limits) {
		c.Close(CloseFlood, "too many messages")
	}
}

func (c *Conn) pong(payload string) error {
	_ = c.push(outgoing{websocket.PongMessage, []byte(payload)})
	c.heard()
	return nil
}

// ping asks the client for a sign of life.
func (c *Conn) ping() { _ = c.push(outgoing{websocket.PingMessage, nil}) }

// giveUpSilent has the reader end a socket whose client was not heard of since it was
// asked. One that is being closed has what the goodbye leaves it.
func (c *Conn) giveUpSilent(asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaves() && c.heardAt.Load() < asked.UnixNano() {
		_ = c.ws.SetReadDeadline(time.Now())
	}
}

func (c *Conn) readOne() error {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	if kind != websocket.TextMessage {
		c.Close(CloseBinary, "text only")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.heard()
	if kind == websocket.TextMessage {
		c.dispatch(text)
	}
	return nil
}

// dispatch has a frame served. Once a goodbye was said, nothing more is.
func (c *Conn) dispatch(text []byte) {
	switch {
	case c.leaving():
		return
	case !utf8.Valid(text):
		c.Close(CloseNotUTF8, "not UTF-8")
		return
	}
	f, err := parseFrame(text)
	if err != nil {
		_ = c.Send(c.answer(err, f))
		return
	}
	if c.answering.Add(1) > c.limits.MaxAnswering {
		c.served()
		_ = c.Send(c.answer(errBusy, f))
		return
	}
	go c.serve(c, f)
}

// served gives the place of a frame back, before the answer goes out: whoever has that
// may ask again.
func (c *Conn) served() { c.answering.Add(-1) }

// Gone is closed when nothing is left of the socket.
func (c *Conn) Gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil {
		c.gone = make(chan struct{})
		if c.left {
			close(c.gone)
		}
	}
	return c.gone
}

// leave says that nothing is left of the socket.
func (c *Conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left = true; c.gone != nil {
		close(c.gone)
	}
}

func (c *Conn) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing != nil
}

// bucket is the token bucket of one socket.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, l *Limits) bool {
	if b.last.IsZero() {
		b.tokens = float64(l.Burst)
	}
	b.tokens = min(float64(l.Burst), b.tokens+now.Sub(b.last).Seconds()*float64(l.MessagesPerSecond))
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
