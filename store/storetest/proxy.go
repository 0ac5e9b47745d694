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

// Proxy is a way to a server that a test can break.
type Proxy struct {
	// Faulted gets one for each request or reply that is lost or held.
	Faulted chan struct{}

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
	NoFault     Fault = iota
	LoseReply         // they run; the reply is lost, and the connection too
	CutReply          // they run; half of the reply arrives, then the connection is lost
	HoldReply         // they run; the reply waits for Release
	HoldRequest       // they wait for Release before they are sent
	DropRequest       // they do not arrive, and the connection is lost
	Blackhole         // nothing at all arrives any more, and nobody is told
)

// order is a fault, and the words of which a request must have one to suffer it.
type order struct {
	fault Fault
	words [][]byte
}

// NewProxy opens a way to a server that is named afterwards, by To.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &Proxy{
		listener: listener, closed: t.Context().Done(),
		Faulted: make(chan struct{}, 100_000), Release: make(chan struct{}),
	}
	w.Inject(NoFault)
	t.Cleanup(func() { _ = listener.Close() })
	return w
}

// ForwardTo connects the wire to a server.
func (w *Proxy) ForwardTo(target string) *Proxy {
	w.target = target
	go w.accept()
	return w
}

// Addr is where the wire begins.
func (w *Proxy) Addr() string { return w.listener.Addr().String() }

// Port is that of Addr.
func (w *Proxy) Port() string { return w.Addr()[strings.LastIndexByte(w.Addr(), ':')+1:] }

// Inject breaks the wire, or mends it. With scripts, only those suffer: each is named
// as the server knows it, by store.Script.SHA.
func (w *Proxy) Inject(f Fault, scripts ...string) {
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
func (w *Proxy) Pings() int { return int(w.pings.Load()) }

// Drain forgets what was lost or held so far.
func (w *Proxy) Drain() {
	for len(w.Faulted) > 0 {
		<-w.Faulted
	}
}

// ReleaseAll releases all that is held.
func (w *Proxy) ReleaseAll() {
	for {
		select {
		case w.Release <- struct{}{}:
		default:
			return
		}
	}
}

func (w *Proxy) accept() {
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
		c := &connection{Proxy: w, client: client, server: server}
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
	return NoFault
}

// wait tells that something is held, and waits until it may go on.
func (w *Proxy) wait() bool {
	w.Faulted <- struct{}{}
	select {
	case <-w.Release:
		return true
	case <-w.closed:
		return false
	}
}

// connection is one connection over the wire.
type connection struct {
	*Proxy
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
	if order.fault == Blackhole {
		c.Faulted <- struct{}{}
		_, _ = io.Copy(io.Discard, c.client)
		return false
	}
	if bytes.Contains(part, []byte("ping")) {
		c.pings.Add(1)
	}
	switch fault := order.suffers(part); {
	case fault == DropRequest, fault == HoldRequest && !c.wait():
		return false
	case fault != NoFault && fault != HoldRequest:
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
	switch Fault(c.next.Swap(int32(NoFault))) {
	case LoseReply:
		c.Faulted <- struct{}{}
		return false
	case CutReply:
		c.Faulted <- struct{}{}
		_, _ = c.client.Write(part[:len(part)/2])
		return false
	case HoldReply:
		if !c.wait() {
			return false
		}
	}
	_, err := c.client.Write(part)
	return err == nil
}
