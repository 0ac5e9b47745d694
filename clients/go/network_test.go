package fieldgate_test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A network lies inside the process, so that a test can own the clock.
type network struct {
	coming chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newNetwork() *network {
	return &network{coming: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	there, back := newStream(), newStream()
	select {
	case n.coming <- &wire{in: there, out: back}:
		return &wire{in: back, out: there}, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.coming:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "gateway" }

// A wire is one end of a connection.
type wire struct{ in, out *stream }

func (w *wire) Read(p []byte) (int, error)         { return w.in.read(p) }
func (w *wire) Write(p []byte) (int, error)        { return w.out.write(p) }
func (w *wire) LocalAddr() net.Addr                { return address{} }
func (w *wire) RemoteAddr() net.Addr               { return address{} }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.in.limit(&w.in.reading, t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.out.limit(&w.out.writing, t) }

func (w *wire) SetDeadline(t time.Time) error {
	_ = w.SetReadDeadline(t)
	return w.SetWriteDeadline(t)
}

// Close ends both directions; what is on its way still arrives.
func (w *wire) Close() error {
	w.in.close()
	w.out.close()
	return nil
}

// streamSize is how much may be on its way before writing waits for reading.
const streamSize = 64 << 10

// A stream is one direction of a connection.
type stream struct {
	mu               sync.Mutex
	changed          sync.Cond
	data             []byte
	closed           bool
	reading, writing time.Time // deadlines
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
		case over(s.reading):
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
		case over(s.writing):
			return 0, os.ErrDeadlineExceeded
		case len(s.data) < streamSize:
			s.data = append(s.data, p...)
			s.changed.Broadcast()
			return len(p), nil
		}
		s.changed.Wait()
	}
}

func over(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (s *stream) limit(which *time.Time, deadline time.Time) error {
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
