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
	// Asked gets one for each request or reply that is lost or held.
	Asked chan struct{}

	// Release lets one held request or reply go on.
	Release chan struct{}

	listener net.Listener
	target   string
	closed   <-chan struct{}
	fault    atomic.Pointer[order]
	pings    atomic.Int32
}

// Fault is what happens to the scripts that are asked for, and to their replies.
type Fault int

// The faults of a wire.
const (
	None    Fault = iota
	Lose          // they run; the reply is lost, and the connection too
	Cut           // they run; half of the reply arrives, then the connection is lost
	Hold          // they run; the reply waits for Release
	Keep          // they wait for Release before they are sent
	Drop          // they do not arrive, and the connection is lost
	Silence       // nothing at all arrives any more, and nobody is told
)

// order is a fault, and the words of which a request must have one to suffer it.
type order struct {
	fault Fault
	words [][]byte
}

// NewWire opens a way to a server that is named afterwards, by To.
func NewWire(t testing.TB) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &Wire{
		listener: listener, closed: t.Context().Done(),
		Asked: make(chan struct{}, 100_000), Release: make(chan struct{}),
	}
	w.Set(None)
	t.Cleanup(func() { _ = listener.Close() })
	return w
}

// To connects the wire to a server.
func (w *Wire) To(target string) *Wire {
	w.target = target
	go w.accept()
	return w
}

// Addr is where the wire begins.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

// Port is that of Addr.
func (w *Wire) Port() string { return w.Addr()[strings.LastIndexByte(w.Addr(), ':')+1:] }

// Set breaks the wire, or mends it. With scripts, only those suffer: each is named
// as the server knows it, by store.Script.SHA.
func (w *Wire) Set(f Fault, scripts ...string) {
	o := &order{fault: f}
	for _, script := range scripts {
		o.words = append(o.words, []byte(script))
	}
	if len(scripts) == 0 {
		o.words = [][]byte{[]byte("evalsha")}
	}
	w.fault.Store(o)
}

// Pings is how many requests were for a sign of life.
func (w *Wire) Pings() int { return int(w.pings.Load()) }

// Drain forgets what was lost or held so far.
func (w *Wire) Drain() {
	for len(w.Asked) > 0 {
		<-w.Asked
	}
}

// LetGo releases all that is held.
func (w *Wire) LetGo() {
	for {
		select {
		case w.Release <- struct{}{}:
		default:
			return
		}
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

// suffers gives the fault that a request meets.
func (o *order) suffers(request []byte) Fault {
	for _, word := range o.words {
		if bytes.Contains(request, word) {
			return o.fault
		}
	}
	return None
}

// wait tells that something is held, and waits until it may go on.
func (w *Wire) wait() bool {
	w.Asked <- struct{}{}
	select {
	case <-w.Release:
		return true
	case <-w.closed:
		return false
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
		if err != nil || !c.request(buffer[:n]) {
			return
		}
	}
}

// request passes a request on. It answers false when the connection is over.
func (c *connection) request(part []byte) bool {
	order := c.fault.Load()
	if order.fault == Silence {
		c.Asked <- struct{}{}
		_, _ = io.Copy(io.Discard, c.client)
		return false
	}
	if bytes.Contains(part, []byte("ping")) {
		c.pings.Add(1)
	}
	switch fault := order.suffers(part); {
	case fault == Drop, fault == Keep && !c.wait():
		return false
	case fault != None && fault != Keep:
		c.next.Store(int32(fault))
	}
	_, err := c.server.Write(part)
	return err == nil
}

func (c *connection) replies() {
	defer c.client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil || !c.reply(buffer[:n]) {
			return
		}
	}
}

// reply passes a reply on. It answers false when the connection is over.
func (c *connection) reply(part []byte) bool {
	switch Fault(c.next.Swap(int32(None))) {
	case Lose:
		c.Asked <- struct{}{}
		return false
	case Cut:
		c.Asked <- struct{}{}
		_, _ = c.client.Write(part[:len(part)/2])
		return false
	case Hold:
		if !c.wait() {
			return false
		}
	}
	_, err := c.client.Write(part)
	return err == nil
}
