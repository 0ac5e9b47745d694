package fieldgate_test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A memoryNetwork is a network inside the process. It works in a synctest bubble, which has a
// fake clock. It also implements net.Listener for the server.
type memoryNetwork struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newMemoryNetwork() *memoryNetwork {
	return &memoryNetwork{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *memoryNetwork) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	up, down := newStream(), newStream()
	select {
	case n.incoming <- &memoryConn{in: up, out: down}:
		return &memoryConn{in: down, out: up}, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memoryNetwork) Accept() (net.Conn, error) {
	select {
	case conn := <-n.incoming:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *memoryNetwork) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *memoryNetwork) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "gateway" }

// A memoryConn is one end of a connection.
type memoryConn struct{ in, out *stream }

func (w *memoryConn) Read(p []byte) (int, error)         { return w.in.read(p) }
func (w *memoryConn) Write(p []byte) (int, error)        { return w.out.write(p) }
func (w *memoryConn) LocalAddr() net.Addr                { return address{} }
func (w *memoryConn) RemoteAddr() net.Addr               { return address{} }
func (w *memoryConn) SetReadDeadline(t time.Time) error  { return w.in.setDeadline(&w.in.reading, t) }
func (w *memoryConn) SetWriteDeadline(t time.Time) error { return w.out.setDeadline(&w.out.writing, t) }

func (w *memoryConn) SetDeadline(t time.Time) error {
	_ = w.SetReadDeadline(t)
	return w.SetWriteDeadline(t)
}

// Close closes both directions. The other end can still read data that was written before.
func (w *memoryConn) Close() error {
	w.in.close()
	w.out.close()
	return nil
}

// streamSize is the number of unread bytes above which a write blocks.
const streamSize = 64 << 10

// A stream is one direction of a memoryConn.
type stream struct {
	mu               sync.Mutex
	changed          sync.Cond
	data             []byte
	closed           bool
	reading, writing time.Time // deadlines for reading and writing
}

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case expired(s.reading):
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.changed.Broadcast()
			return n, nil
		case s.closed:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case expired(s.writing):
			return 0, os.ErrDeadlineExceeded
		case len(s.data) < streamSize:
			s.data = append(s.data, p...)
			s.changed.Broadcast()
			return len(p), nil
		}
		s.changed.Wait()
	}
}

func expired(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (s *stream) setDeadline(which *time.Time, deadline time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*which = deadline
	s.changed.Broadcast()
	if !deadline.IsZero() {
		time.AfterFunc(time.Until(deadline), s.wake)
	}
	return nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}
