package store_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire is a way to a server that a test can break.
type wire struct {
	listener net.Listener
	target   string

	fault   atomic.Int32
	pings   atomic.Int32  // how many requests were for a sign of life
	asked   chan struct{} // gets one for each request or reply that is lost or held
	release chan struct{} // lets one held reply go on
	closed  <-chan struct{}
}

// fault is what happens to the scripts that are asked for, and to their replies.
type fault int32

const (
	none    fault = iota
	lose          // they run; the reply is lost, and the connection too
	hold          // they run; the reply waits for release
	silence       // nothing at all arrives any more, and nobody is told
)

// newWire opens a way to a server that is named afterwards, by to.
func newWire(t *testing.T) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: listener, asked: make(chan struct{}, 1000), release: make(chan struct{}), closed: t.Context().Done()}
	t.Cleanup(func() { _ = listener.Close() })
	return w
}

func (w *wire) to(target string) *wire {
	w.target = target
	go w.accept()
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

func (w *wire) port() string { return w.addr()[strings.LastIndexByte(w.addr(), ':')+1:] }

func (w *wire) set(f fault) { w.fault.Store(int32(f)) }

func (w *wire) get() fault { return fault(w.fault.Load()) }

// drain forgets what was lost or held so far.
func (w *wire) drain() {
	for len(w.asked) > 0 {
		<-w.asked
	}
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &connection{wire: w, client: client, server: server}
		go c.requests()
		go c.replies()
	}
}

// connection is one connection over the wire.
type connection struct {
	*wire
	client, server net.Conn
	next           atomic.Int32 // the fault that awaits the next reply
}

func (c *connection) requests() {
	defer c.server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buffer)
		if err != nil {
			return
		}
		if c.get() == silence {
			c.asked <- struct{}{}
			_, _ = io.Copy(io.Discard, c.client)
			return
		}
		if bytes.Contains(buffer[:n], []byte("ping")) {
			c.pings.Add(1)
		}
		if bytes.Contains(buffer[:n], []byte("evalsha")) {
			c.next.Store(int32(c.get()))
		}
		if _, err := c.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *connection) replies() {
	defer c.client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		switch fault(c.next.Swap(int32(none))) {
		case lose:
			c.asked <- struct{}{}
			return
		case hold:
			c.asked <- struct{}{}
			select {
			case <-c.release:
			case <-c.closed:
				return
			}
		}
		if _, err := c.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
