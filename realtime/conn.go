package realtime

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Limits limits the resources that one socket can use. A zero field means the default.
type Limits struct {
	// MaxMessage is the maximum size of a client's message, in bytes. Default: 64 KiB.
	MaxMessage int64

	// MessagesPerSecond and Burst limit the rate of a client's messages. Pings and
	// pongs count as messages. Default: 50 and 100.
	MessagesPerSecond int
	Burst             int

	// MaxQueued and MaxQueuedBytes limit the write queue, which grows when the client
	// reads slowly. Default: 256 messages and 1 MiB.
	MaxQueued      int
	MaxQueuedBytes int

	// MaxInFlight is the maximum number of a socket's frames that are served at the same
	// time. A waiting claim counts. Default: 32.
	MaxInFlight int32

	// PingEvery is the interval between two pings. The socket is closed if the client
	// sends nothing within PongWithin after a ping. Default: 25 s and 10 s.
	PingEvery  time.Duration
	PongWithin time.Duration

	// MessageWithin is the maximum time between the first and the last byte of a message. A
	// message of MaxMessage at 1 KiB/s takes 64 s. Default: 100 s.
	MessageWithin time.Duration

	// WriteWithin is the timeout of one write. Default: 10 s.
	WriteWithin time.Duration
}

func (l Limits) withDefaults() Limits {
	l.MaxMessage = cmp.Or(l.MaxMessage, 64<<10)
	l.MessagesPerSecond = cmp.Or(l.MessagesPerSecond, 50)
	l.Burst = cmp.Or(l.Burst, 100)
	l.MaxQueued = cmp.Or(l.MaxQueued, 256)
	l.MaxQueuedBytes = cmp.Or(l.MaxQueuedBytes, 1<<20)
	l.MaxInFlight = cmp.Or(l.MaxInFlight, 32)
	l.PingEvery = cmp.Or(l.PingEvery, 25*time.Second)
	l.PongWithin = cmp.Or(l.PongWithin, 10*time.Second)
	l.MessageWithin = cmp.Or(l.MessageWithin, 100*time.Second)
	l.WriteWithin = cmp.Or(l.WriteWithin, 10*time.Second)
	return l
}

// Conn is one WebSocket connection. One goroutine reads from it. A second goroutine
// writes to it, and runs only while the write queue is not empty.
type Conn struct {
	ID         string
	ws         *websocket.Conn
	wire       *wire // the network connection under ws
	limits     *Limits
	serve      func(*Conn, Frame)     // serves one frame, in a new goroutine; must call frameServed
	onClose    func(*Conn, CloseCode) // is called once, when the socket is closed
	onDone     func()                 // is called once, when the connection is closed
	errorFrame func(err error, f Frame) []byte
	newMemory  func() *memory // returns what counts the bytes of the next message
	overloaded func()         // closes the socket, because the instance cannot hold a message

	ctx         context.Context // ends when the socket starts to close
	cancel      context.CancelFunc
	bucket      tokenBucket  // used by the reading goroutine only
	inFlight    atomic.Int32 // number of frames that are being served
	lastHeardAt atomic.Int64 // time of the client's last message, Unix ns
	begunAt     atomic.Int64 // time at which the message began that is being read, Unix ns; 0 if none is

	mu          sync.Mutex // guards the fields below; see Hub for the lock order
	flushed     sync.Cond  // signals that the writer took the queue, or that the socket is closing
	queue       []outgoing
	queuedBytes int
	writing     bool          // true while a goroutine runs writeQueue
	closing     *closeStatus  // nil until the socket starts to close
	finished    bool          // true once the connection is closed and its goroutines have returned
	done        chan struct{} // closed when finished is set; nil until Done is called
}

// outgoing is a message in the write queue: a text, a ping or a pong.
type outgoing struct {
	kind int
	data []byte
}

func newConn(limits *Limits) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{ID: newConnID(), limits: limits, ctx: ctx, cancel: cancel}
	c.flushed.L = &c.mu
	return c
}

func newConnID() string { return "con_" + rand.Text() }

// Context returns a context that ends when the socket starts to close. The client gets no
// reply after that, so work on a reply, such as a waiting claim, must stop.
func (c *Conn) Context() context.Context { return c.ctx }

// Send queues a text message. It closes the socket with CloseTooSlow if the queue is
// full. An error means that the message was not queued.
func (c *Conn) Send(text []byte) error { return c.enqueue(outgoing{websocket.TextMessage, text}) }

// forReplies is the number of parts of the write queue of which TrySend leaves one free. A reply that finds no
// room closes the socket, and a burst of events must not do that to a client that reads everything.
const forReplies = 4

// TrySend queues a text message, such as an event, unless the socket is closing or the queue has no room
// beside the share of the replies. It reports whether the message was queued.
func (c *Conn) TrySend(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages, bytes := c.limits.MaxQueued, c.limits.MaxQueuedBytes
	if c.isClosing() || c.queueFull(len(text), messages-messages/forReplies, bytes-bytes/forReplies) {
		return false
	}
	c.addToQueue(outgoing{websocket.TextMessage, text})
	return true
}

// AwaitFlush waits until the writer has taken all queued messages. It returns false
// if the socket is closing.
func (c *Conn) AwaitFlush() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && !c.isClosing() {
		c.flushed.Wait()
	}
	return !c.isClosing()
}

func (c *Conn) enqueue(o outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isClosing():
		return errClosed
	case c.queueFull(len(o.data), c.limits.MaxQueued, c.limits.MaxQueuedBytes):
		c.clearQueue()
		c.startClose(CloseTooSlow, "")
		return errClosed
	}
	c.addToQueue(o)
	return nil
}

// The caller of an unexported function from isClosing to startWriting must hold c.mu.

func (c *Conn) isClosing() bool { return c.closing != nil }

// queueFull reports whether a queue with these limits has no room for a message of the given size, in
// bytes. An empty queue has room for a message of any size.
func (c *Conn) queueFull(size, maxMessages, maxBytes int) bool {
	return len(c.queue) >= maxMessages || len(c.queue) > 0 && c.queuedBytes+size > maxBytes
}

func (c *Conn) addToQueue(o outgoing) {
	c.queue, c.queuedBytes = append(c.queue, o), c.queuedBytes+len(o.data)
	c.startWriting()
}

// clearQueue drops all queued messages.
func (c *Conn) clearQueue() { c.queue, c.queuedBytes = nil, 0 }

// Close closes the socket with a code and a reason. Queued messages are written first.
// They are dropped instead if the principal has lost the right to read them.
func (c *Conn) Close(code CloseCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosing() {
		return
	}
	if code == CloseExpired || code == CloseWithdrawn {
		c.clearQueue()
	}
	c.startClose(code, reason)
}

func (c *Conn) startClose(code CloseCode, reason string) {
	c.closing = &closeStatus{code: code, reason: reason}
	c.cancel()
	c.flushed.Broadcast()
	c.startWriting()
}

func (c *Conn) startWriting() {
	if !c.writing {
		c.writing = true
		go c.writeQueue()
	}
}

// writeQueue writes messages until the queue is empty. At most one goroutine runs it.
func (c *Conn) writeQueue() {
	for {
		batch, status := c.nextBatch()
		for _, o := range batch {
			if err := c.writeMessage(o.kind, o.data); err != nil {
				c.failWrite(err)
				return
			}
		}
		if status != nil {
			c.sendClose(status)
			return
		}
		if batch == nil {
			return
		}
	}
}

// nextBatch takes the queued messages. If the queue is empty and the socket is closing,
// it returns the close status to send. If it returns neither messages nor a status, the
// writer must stop.
func (c *Conn) nextBatch() (batch []outgoing, status *closeStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.queue, c.queuedBytes = c.queue, nil, 0
	c.flushed.Broadcast()
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

func (c *Conn) writeMessage(kind int, data []byte) error {
	deadline := time.Now().Add(c.limits.WriteWithin)
	if kind != websocket.TextMessage {
		return c.ws.WriteControl(kind, data, deadline)
	}
	_ = c.ws.SetWriteDeadline(deadline)
	return c.ws.WriteMessage(kind, data)
}

// failWrite closes the connection after a write error. If a close frame was sent before,
// failWrite does nothing, because the reader then closes the connection.
func (c *Conn) failWrite(err error) {
	if errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	code := closeAbnormal
	if isTimeout(err) {
		code = CloseTooSlow
	}
	c.recordClose(code, "")
	_ = c.ws.Close()
}

// start starts the goroutine that reads from the socket.
func (c *Conn) start() {
	c.lastHeardAt.Store(time.Now().UnixNano())
	c.ws.SetReadLimit(c.limits.MaxMessage)
	c.ws.SetPongHandler(func(string) error { c.noteMessage(); return nil })
	c.ws.SetPingHandler(c.handlePing)
	c.ws.SetCloseHandler(func(int, string) error { return nil }) // shutDown sends the close frame
	go c.read()
}

// read handles the client's next message, and then starts a new goroutine that reads the
// message after that. A new goroutine has a small stack, whereas the stack of a waiting
// goroutine never shrinks. Frames are served in other goroutines, because serving may be
// slow.
func (c *Conn) read() {
	err := c.wire.awaitMessage(c.noteMessage)
	if err == nil {
		err = c.readMessage()
	}
	if err != nil {
		c.shutDown(err)
		return
	}
	go c.read()
}

// noteMessage records that the client sent a message, and closes the socket if the
// client exceeds its rate limit.
func (c *Conn) noteMessage() {
	now := time.Now()
	c.lastHeardAt.Store(now.UnixNano())
	if !c.bucket.take(now, c.limits) {
		c.Close(CloseFlood, "too many messages")
	}
}

func (c *Conn) handlePing(payload string) error {
	_ = c.enqueue(outgoing{websocket.PongMessage, []byte(payload)})
	c.noteMessage()
	return nil
}

// ping queues a ping, unless one waits already. It does so even if the queue is full: otherwise a burst of
// events would close the socket of a client that reads everything.
func (c *Conn) ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	isPing := func(o outgoing) bool { return o.kind == websocket.PingMessage }
	if !c.isClosing() && !slices.ContainsFunc(c.queue, isPing) {
		c.addToQueue(outgoing{websocket.PingMessage, nil})
	}
}

// closeIfSilent closes the socket if the client has sent nothing since the given time, or if
// a message takes too long. Otherwise a client that responds to pings could hold memory for a
// message for ever. closeIfSilent expires the read deadline, so that the reader closes the
// socket. A socket that is already closing keeps its read deadline.
func (c *Conn) closeIfSilent(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	silent := c.lastHeardAt.Load() < since.UnixNano()
	begun := c.begunAt.Load()
	endless := begun != 0 && time.Since(time.Unix(0, begun)) > c.limits.MessageWithin
	if !c.isClosing() && (silent || endless) {
		_ = c.ws.SetReadDeadline(time.Now())
	}
}

func (c *Conn) readMessage() error {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	if kind != websocket.TextMessage {
		c.Close(CloseBinary, "text only")
	}
	c.begunAt.Store(time.Now().UnixNano())
	defer c.begunAt.Store(0)
	m := c.newMemory()
	text, err := readText(r, m)
	if errors.Is(err, errNoMemory) {
		c.overloaded()
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		m.release()
		return err
	}
	c.noteMessage()
	if kind != websocket.TextMessage || !c.dispatch(text, m) {
		m.release()
	}
	return nil
}

// dispatch parses a frame and starts to serve it. It ignores frames that arrive while
// the socket is closing. It reports whether the frame is served; serve then releases m.
func (c *Conn) dispatch(text []byte, m *memory) bool {
	switch {
	case c.closeStarted():
		return false
	case !utf8.Valid(text):
		c.Close(CloseNotUTF8, "not UTF-8")
		return false
	}
	f, err := parseFrame(text)
	if err != nil {
		_ = c.Send(c.errorFrame(err, f))
		return false
	}
	if c.inFlight.Add(1) > c.limits.MaxInFlight {
		c.frameServed()
		_ = c.Send(c.errorFrame(errTooManyInFlight, f))
		return false
	}
	f.memory = m
	go c.serve(c, f)
	return true
}

// frameServed decrements inFlight. It must be called before the reply is sent, because a
// client may send its next frame as soon as it has the reply.
func (c *Conn) frameServed() { c.inFlight.Add(-1) }

func (c *Conn) closeStarted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isClosing()
}

// Done returns a channel that is closed when the connection is closed and none of its
// goroutines runs.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.finished {
			close(c.done)
		}
	}
	return c.done
}

// markDone closes the channel that Done returns, and calls onDone.
func (c *Conn) markDone() {
	c.onDone()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished = true; c.done != nil {
		close(c.done)
	}
}

// tokenBucket limits the message rate of one socket. The zero tokenBucket is full.
type tokenBucket struct {
	tokens float64
	last   time.Time
}

// take takes one token, and reports whether the bucket had one.
func (b *tokenBucket) take(now time.Time, l *Limits) bool {
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
