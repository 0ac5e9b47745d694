package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// maxIdleTime is the time after which an idle connection is not used again. Load balancers and
// firewalls drop idle connections without closing them, some after only a few minutes.
const maxIdleTime = time.Minute

// renewEvery is the minimum interval between two calls of dialer.renew that have an effect.
const renewEvery = time.Second

// errOutdated is the result of probing a connection that is older than the last renewal.
var errOutdated = errors.New("the connection is older than the last failover")

// errPending is the result of probing a connection with unread data. An idle TLS connection
// has some when the server has closed it: the alert that says so.
var errPending = errors.New("the connection has unread data")

// A dialer opens the connections of a store.
type dialer struct {
	epoch   atomic.Uint64 // the number of renewals
	renewed atomic.Int64  // the time of the last renewal, in Unix milliseconds

	replyTimeout time.Duration // limits a read, a write, and the wait for a free connection

	certificates *reloaded[certificates] // nil to use those of the system
	password     *reloaded[string]       // nil to use the password of the URL

	last atomic.Pointer[connInfo] // of the connection that was opened last; nil before the first
}

// connInfo describes a connection.
type connInfo struct {
	addr            net.Addr  // of the server
	certificateEnds time.Time // end of the server's certificate; zero without TLS
	authorityEnds   time.Time // end of the authority's certificate that verified it; zero without TLS
}

func newConnInfo(conn net.Conn) *connInfo {
	info := &connInfo{addr: conn.RemoteAddr()}
	if secured, ok := conn.(*tls.Conn); ok {
		state := secured.ConnectionState()
		info.certificateEnds = state.PeerCertificates[0].NotAfter
		for _, chain := range state.VerifiedChains {
			info.authorityEnds = later(info.authorityEnds, chain[len(chain)-1].NotAfter)
		}
	}
	return info
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// readFiles sets what the files in cfg contain. An error means that a file is not usable.
func (d *dialer) readFiles(cfg Config, log *slog.Logger) (err error) {
	if cfg.hasCertificates() {
		d.certificates = &reloaded[certificates]{read: cfg.readCertificates, log: log}
		_, err = d.certificates.get()
	}
	if err == nil && cfg.PasswordFile != "" {
		d.password = &reloaded[string]{read: cfg.readPassword, log: log}
		_, err = d.password.get()
	}
	return err
}

// credentials returns the function with which the client library gets the credentials for each
// new connection. It returns nil if only the URL has some.
func (d *dialer) credentials(user, password string) (func(context.Context) (string, string, error), error) {
	switch {
	case d.password == nil:
		return nil, nil
	case password != "":
		return nil, errTwoPasswords
	}
	return func(context.Context) (string, string, error) {
		password, err := d.password.get()
		return user, password, err
	}, nil
}

// secure returns config with the certificates that the files contain now.
func (d *dialer) secure(config *tls.Config) (*tls.Config, error) {
	if d.certificates == nil {
		return config, nil
	}
	found, err := d.certificates.get()
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.RootCAs, config.Certificates = found.authorities, found.own
	return config, nil
}

// renew makes every connection that is open now outdated, so that no caller gets it from the
// pool again. A failover behind one address leaves connections to the demoted server open.
// It returns false, and does nothing, if the last renewal was less than renewEvery ago.
func (d *dialer) renew() bool {
	now, last := time.Now().UnixMilli(), d.renewed.Load()
	if now-last < renewEvery.Milliseconds() || !d.renewed.CompareAndSwap(last, now) {
		return false
	}
	d.epoch.Add(1)
	return true
}

// dialWith returns a function that opens connections, with TLS unless config is nil.
func (d *dialer) dialWith(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	network := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, kind, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		epoch := d.epoch.Load()
		if config == nil {
			conn, err := network.DialContext(ctx, kind, addr)
			return d.probed(conn, conn, epoch, err)
		}
		conn, err := d.dialTLS(ctx, &network, config, kind, addr)
		if err != nil {
			return nil, err
		}
		return d.probed(conn, conn.NetConn(), epoch, nil)
	}
}

func (d *dialer) dialTLS(ctx context.Context, network *net.Dialer, config *tls.Config, kind, addr string) (*tls.Conn, error) {
	config, err := d.secure(config)
	if err != nil {
		return nil, err
	}
	conn, err := (&tls.Dialer{NetDialer: network, Config: config}).DialContext(ctx, kind, addr)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

func (d *dialer) probed(conn, transport net.Conn, epoch uint64, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	socket, ok := transport.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("probing a connection of type %T", transport)
	}
	d.last.Store(newConnInfo(conn))
	return &probedConn{Conn: conn, socket: socket, epoch: epoch, dialer: d}, nil
}

// A probedConn is a connection that the client library can probe before it uses it. The
// library probes plain connections by itself, but does not see behind TLS.
type probedConn struct {
	net.Conn
	socket syscall.Conn // the TCP connection
	dialer *dialer
	epoch  uint64 // the value of dialer.epoch when the connection was opened
}

// SyscallConn probes the connection. The library calls it for each connection that it takes
// from a pool, and closes the connection on an error.
//
// The connection that SyscallConn returns shows no data to the library, because the library
// would try to read it, and could wait for ever behind TLS.
func (c *probedConn) SyscallConn() (syscall.RawConn, error) {
	if c.epoch != c.dialer.epoch.Load() {
		return nil, errOutdated
	}
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	return quietConn{raw}, peek(raw)
}

// A quietConn is a connection whose Read does nothing.
type quietConn struct{ syscall.RawConn }

// Read returns nil without calling f.
func (quietConn) Read(f func(fd uintptr) bool) error { return nil }
