package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// headerWithin is the time within which a proxy must send its header. It sends the header at once,
// so that only a network that loses packets needs some of it.
const headerWithin = 5 * time.Second

// Proxied returns a listener behind proxies that send the address of the client with the PROXY
// protocol, version 1 or 2. A connection whose peer is trusted must begin with a header. It is closed
// if it does not, because the protocol forbids guessing: a client could otherwise send a header of
// its own through a proxy that sends none. No header is expected from the other peers.
//
// The header is read when the connection is served, so that a slow proxy does not keep the listener
// from accepting others. Proxied calls refused for each connection that is closed because of its
// header.
func Proxied(l net.Listener, trusted func(netip.Addr) bool, refused func(peer net.Addr, err error)) net.Listener {
	return proxiedListener{Listener: l, trusted: trusted, refused: refused}
}

type proxiedListener struct {
	net.Listener
	trusted func(netip.Addr) bool
	refused func(peer net.Addr, err error)
}

// Accept waits for the next connection.
func (l proxiedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || !l.trusts(conn.RemoteAddr()) {
		return conn, err
	}
	return &proxiedConn{Conn: conn, refused: l.refused}, nil
}

func (l proxiedListener) trusts(peer net.Addr) bool {
	tcp, ok := peer.(*net.TCPAddr)
	return ok && l.trusted(tcp.AddrPort().Addr().Unmap())
}

// proxiedConn is a connection that begins with a header of the PROXY protocol.
type proxiedConn struct {
	net.Conn
	refused func(peer net.Addr, err error)

	once   sync.Once
	client net.Addr // the address in the header, or that of the peer; set by once
	err    error    // why the header was refused; set by once
}

// RemoteAddr returns the address of the client. It waits for the header.
func (c *proxiedConn) RemoteAddr() net.Addr {
	c.once.Do(c.readHeader)
	return c.client
}

// Read reads what follows the header.
func (c *proxiedConn) Read(p []byte) (int, error) {
	c.once.Do(c.readHeader)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// NetConn returns the connection of the proxy.
func (c *proxiedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite closes the gateway's side of the connection.
func (c *proxiedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// readHeader reads the header. It closes the connection if the header is wrong, or late.
func (c *proxiedConn) readHeader() {
	c.client = c.Conn.RemoteAddr()
	_ = c.Conn.SetReadDeadline(time.Now().Add(headerWithin)) // a connection that is closed fails to read
	client, err := parseHeader(c.Conn)
	if err == nil {
		err = c.Conn.SetReadDeadline(time.Time{})
	}
	switch {
	case err != nil:
		c.err = fmt.Errorf("reading the header of the PROXY protocol: %w", err)
		_ = c.Conn.Close()
		c.refused(c.client, c.err)
	case client.IsValid():
		c.client = net.TCPAddrFromAddrPort(client)
	}
}
