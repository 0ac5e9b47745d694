package gateway

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// boundedListener bounds the number of open connections that it has accepted, so that they
// cannot take the file descriptors that the rest of the process needs. At the bound it closes
// the connection that is idle for the longest time to accept another one, and else waits.
// It also counts connections that were upgraded to sockets.
type boundedListener struct {
	net.Listener
	slots  chan struct{} // holds a value for each open connection
	closed chan struct{} // closed by Close
	once   sync.Once

	mu      sync.Mutex // guards the fields below
	idle    *list.List // of *boundedConn; the first one is idle for the longest time
	waiting bool       // Accept waits until a connection is closed
}

func newBoundedListener(l net.Listener, limit int) *boundedListener {
	return &boundedListener{Listener: l, slots: make(chan struct{}, limit), closed: make(chan struct{}), idle: list.New()}
}

// open returns the number of open connections.
func (l *boundedListener) open() int { return len(l.slots) }

// Accept waits for the next connection, and before that until one more may be open.
func (l *boundedListener) Accept() (net.Conn, error) {
	if err := l.acquire(); err != nil {
		return nil, err
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{stream: conn.(stream), listener: l}, nil
}

func (l *boundedListener) acquire() error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	l.closeIdle()
	select {
	case l.slots <- struct{}{}:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting = false
		return nil
	case <-l.closed:
		return net.ErrClosed
	}
}

// closeIdle closes the connection that is idle for the longest time. If none is idle, the
// next one that becomes idle is closed.
func (l *boundedListener) closeIdle() {
	l.mu.Lock()
	first := l.idle.Front()
	l.waiting = first == nil
	l.mu.Unlock()
	if first != nil {
		_ = first.Value.(*boundedConn).Close()
	}
}

// Close closes the listener. Accepted connections stay open.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// track is the ConnState function of the server. It records which connections are idle.
func (l *boundedListener) track(conn net.Conn, state http.ConnState) {
	c := boundedUnder(conn)
	if c == nil {
		return
	}
	if state != http.StateIdle {
		l.setBusy(c)
	} else if l.setIdle(c) {
		_ = c.Close()
	}
}

// boundedUnder returns the connection of a boundedListener under TLS and the PROXY protocol, or nil.
func boundedUnder(conn net.Conn) *boundedConn {
	for {
		switch c := conn.(type) {
		case *boundedConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// setIdle records that a connection is idle. It reports whether the connection must be closed
// because another one waits for it.
func (l *boundedListener) setIdle(c *boundedConn) (closeNow bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if closeNow = l.waiting; closeNow {
		l.waiting = false
		return true
	}
	if c.idle == nil && !c.closed.Load() {
		c.idle = l.idle.PushBack(c)
	}
	return false
}

func (l *boundedListener) setBusy(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.idle != nil {
		l.idle.Remove(c.idle)
		c.idle = nil
	}
}

// stream is a connection of TCP or of a Unix socket.
type stream interface {
	net.Conn
	CloseWrite() error
	SetWriteBuffer(bytes int) error
}

// boundedConn is a connection of a boundedListener.
type boundedConn struct {
	stream
	listener *boundedListener
	closed   atomic.Bool
	idle     *list.Element // nil unless the connection is idle; guarded by the listener's lock
}

// Close closes the connection. Another one may then be accepted.
func (c *boundedConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	err := c.stream.Close()
	c.listener.setBusy(c)
	<-c.listener.slots
	return err
}
