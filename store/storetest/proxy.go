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

// Proxy is a TCP proxy in front of a server. It injects faults.
type Proxy struct {
	// Faulted receives a value for each request or reply that the proxy loses or holds.
	Faulted chan struct{}

	// Release accepts values. Each value lets one held request or reply continue.
	Release chan struct{}

	listener net.Listener
	target   atomic.Pointer[string]
	closed   <-chan struct{}
	fault    atomic.Pointer[injection]
}

// Fault is a fault that the proxy injects when it receives a request or a reply.
type Fault int

// These are the faults that a Proxy injects.
const (
	NoFault     Fault = iota
	LoseReply         // the server runs the request; the connection breaks before the reply
	CutReply          // the server runs the request; the connection breaks in the middle of the reply
	HoldReply         // the server runs the request; the reply waits for Release
	HoldRequest       // the request waits for Release before the server gets it
	DropRequest       // the connection breaks before the server gets the request
	Blackhole         // no byte is forwarded any more, while the connection stays open
)

// injection is a fault with the words that select its requests. The fault applies to each
// request that contains at least one of the words.
type injection struct {
	fault Fault
	words [][]byte
}

// NewProxy starts a proxy that listens on a free port. Call ForwardTo to set its server.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{
		listener: listener, closed: t.Context().Done(),
		Faulted: make(chan struct{}, 100_000), Release: make(chan struct{}),
	}
	p.Inject(NoFault)
	t.Cleanup(func() { _ = listener.Close() })
	return p
}

// ForwardTo starts forwarding connections to target, the address of a server. It returns
// the proxy.
func (p *Proxy) ForwardTo(target string) *Proxy {
	p.Redirect(target)
	go p.accept()
	return p
}

// Redirect forwards new connections to target. Open connections keep their server.
func (p *Proxy) Redirect(target string) { p.target.Store(&target) }

// Addr returns the address that the proxy listens on.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Port returns the port of Addr.
func (p *Proxy) Port() string { return p.Addr()[strings.LastIndexByte(p.Addr(), ':')+1:] }

// Inject sets the fault of all requests that contain at least one of the words. A word
// is, for example, the SHA of a script (store.Script.SHA) or the beginning of the name of its
// function. Without words, the fault applies to all scripts. NoFault ends the previous fault.
func (p *Proxy) Inject(f Fault, words ...string) {
	in := &injection{fault: f}
	for _, word := range words {
		in.words = append(in.words, []byte(word))
	}
	if len(words) == 0 {
		in.words = [][]byte{[]byte("evalsha"), []byte("fcall")}
	}
	p.fault.Store(in)
}

// Drain empties Faulted.
func (p *Proxy) Drain() {
	for len(p.Faulted) > 0 {
		<-p.Faulted
	}
}

// ReleaseAll lets all held requests and replies continue.
func (p *Proxy) ReleaseAll() {
	for {
		select {
		case p.Release <- struct{}{}:
		default:
			return
		}
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", *p.target.Load())
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &connection{Proxy: p, client: client, server: server}
		go c.forwardRequests()
		go c.forwardReplies()
	}
}

// faultOf returns the fault that applies to a request.
func (in *injection) faultOf(request []byte) Fault {
	for _, word := range in.words {
		if bytes.Contains(request, word) {
			return in.fault
		}
	}
	return NoFault
}

// hold announces a held request or reply on Faulted and waits for its release. It returns
// false if the test ends first.
func (p *Proxy) hold() bool {
	p.Faulted <- struct{}{}
	select {
	case <-p.Release:
		return true
	case <-p.closed:
		return false
	}
}

// connection is a client's connection to the server through the proxy.
type connection struct {
	*Proxy
	client, server net.Conn
	next           atomic.Int32 // the fault to inject into the next reply
}

func (c *connection) forwardRequests() {
	defer c.server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buffer)
		if err != nil || !c.forwardRequest(buffer[:n]) {
			return
		}
	}
}

// forwardRequest forwards part from the client to the server. The part may be an
// incomplete request. It returns false if the connection has ended.
func (c *connection) forwardRequest(part []byte) bool {
	in := c.fault.Load()
	if in.fault == Blackhole {
		c.Faulted <- struct{}{}
		_, _ = io.Copy(io.Discard, c.client)
		return false
	}
	switch fault := in.faultOf(part); {
	case fault == DropRequest, fault == HoldRequest && !c.hold():
		return false
	case fault != NoFault && fault != HoldRequest:
		c.next.Store(int32(fault))
	}
	_, err := c.server.Write(part)
	return err == nil
}

func (c *connection) forwardReplies() {
	defer c.client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil || !c.forwardReply(buffer[:n]) {
			return
		}
	}
}

// forwardReply forwards part from the server to the client. The part may be an incomplete
// reply. It returns false if the connection has ended.
func (c *connection) forwardReply(part []byte) bool {
	switch Fault(c.next.Swap(int32(NoFault))) {
	case LoseReply:
		c.Faulted <- struct{}{}
		return false
	case CutReply:
		c.Faulted <- struct{}{}
		_, _ = c.client.Write(part[:len(part)/2])
		return false
	case HoldReply:
		if !c.hold() {
			return false
		}
	}
	_, err := c.client.Write(part)
	return err == nil
}
