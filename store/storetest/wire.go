package storetest

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wire is a way to a server that a test can break.
type Wire struct {
	listener net.Listener
	target   string

	fault   atomic.Int32
	Pings   atomic.Int32  // how many requests were for a sign of life
	Asked   chan struct{} // gets one for each request or reply that is lost or held
	Release chan struct{} // lets one held reply go on
	closed  <-chan struct{}
}

// Fault is what happens to the scripts that are asked for, and to their replies.
type Fault int32

// A healthy wire has None of them.
const (
	None    Fault = iota
	Lose          // they run; the reply is lost, and the connection too
	Drop          // they do not arrive, and the connection is lost
	Hold          // they run; the reply waits for Release
	Silence       // nothing at all arrives any more, and nobody is told
)

// NewWire opens a way to a server that is named afterwards, by To.
func NewWire(t testing.TB) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &Wire{listener: listener, Asked: make(chan struct{}, 1000), Release: make(chan struct{}), closed: t.Context().Done()}
	t.Cleanup(func() { _ = listener.Close() })
	return w
}

// To names the server and lets connections through.
func (w *Wire) To(target string) *Wire {
	w.target = target
	go w.accept()
	return w
}

// Addr is where the wire begins.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

// Port is that of Addr.
func (w *Wire) Port() string { return w.Addr()[strings.LastIndexByte(w.Addr(), ':')+1:] }

// Set breaks the wire, or mends it with None.
func (w *Wire) Set(f Fault) { w.fault.Store(int32(f)) }

func (w *Wire) get() Fault { return Fault(w.fault.Load()) }

// Drain forgets what was lost or held so far.
func (w *Wire) Drain() {
	for len(w.Asked) > 0 {
		<-w.Asked
	}
}

func (w *Wire) accept() {
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
		c := &connection{Wire: w, client: client, server: server}
		go c.requests()
		go c.replies()
	}
}

// connection is one connection over the wire.
type connection struct {
	*Wire
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
		if c.get() == Silence {
			c.Asked <- struct{}{}
			_, _ = io.Copy(io.Discard, c.client)
			return
		}
		if bytes.Contains(buffer[:n], []byte("ping")) {
			c.Pings.Add(1)
		}
		if bytes.Contains(buffer[:n], []byte("evalsha")) {
			next := c.get()
			c.next.Store(int32(next))
			if next == Drop {
				_ = c.client.Close()
				return
			}
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
		switch Fault(c.next.Swap(int32(None))) {
		case Lose:
			c.Asked <- struct{}{}
			return
		case Hold:
			c.Asked <- struct{}{}
			select {
			case <-c.Release:
			case <-c.closed:
				return
			}
		}
		if _, err := c.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
