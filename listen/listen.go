// Package listen opens the listeners of the gateway: at addresses of TCP and at Unix sockets, behind
// a proxy that sends the address of the client, and with a certificate that is replaced while the
// gateway serves.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// unixPrefix begins the address of a Unix socket, such as "unix:/run/fieldgate/api.sock".
const unixPrefix = "unix:"

// maxUnixPath is the maximum length of the path of a Unix socket, in bytes. The address of Linux has
// 108 bytes, and those of other systems 104, with a zero at the end.
const maxUnixPath = 103

// UnixPath returns the path of the Unix socket that an address names. It returns false for an address
// of TCP.
func UnixPath(addr string) (path string, ok bool) { return strings.CutPrefix(addr, unixPrefix) }

// IsLocal reports whether only programs on this machine can connect to an address: that of a Unix
// socket, a loopback address or localhost.
func IsLocal(addr string) bool {
	if _, ok := UnixPath(addr); ok {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	return err == nil && IsLoopback(host)
}

// IsLoopback reports whether a host is a loopback address or localhost.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// IsAmong reports whether an address belongs to one of some networks.
func IsAmong(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// AddrOf returns the address of a listener, in the form that Open takes.
func AddrOf(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return unixPrefix + l.Addr().String()
	}
	return l.Addr().String()
}

// Check returns an error if an address is that of a Unix socket whose path cannot be used.
func Check(addr string) error {
	path, ok := UnixPath(addr)
	if ok && (!strings.HasPrefix(path, "/") || len(path) > maxUnixPath) {
		return fmt.Errorf("the path of a Unix socket must begin with / and have at most %d bytes", maxUnixPath)
	}
	return nil
}

// Open opens a listener at an address: "host:port", or "unix:" and an absolute path. A Unix socket
// gets the permissions of mode. It replaces one that a killed program has left. Open fails if another
// program still listens there, and if the path is that of something else than a socket.
//
// The clients of a Unix socket have the address 127.0.0.1, because they run on this machine.
func Open(ctx context.Context, addr string, mode fs.FileMode) (net.Listener, error) {
	path, ok := UnixPath(addr)
	if !ok {
		return new(net.ListenConfig).Listen(ctx, "tcp", addr)
	}
	if err := Check(addr); err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	return openUnix(ctx, path, mode)
}

// openUnix creates a Unix socket. On Linux, the socket has no more permissions than those of mode at
// any time, because bind creates the file with the mode of the descriptor.
func openUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { restrict(fd, mode) })
	}}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return unixListener{listener.(*net.UnixListener)}, nil
}

// removeStale removes the socket at a path if its program has ended, which only a refused connection
// shows. Everything else at the path stays, and is an error.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket: remove it, or choose another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(&net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("finding out whether another program uses the socket: %w", err)
	}
	return os.Remove(path)
}

// unixListener is the listener of a Unix socket. Close removes the socket.
type unixListener struct{ *net.UnixListener }

// Accept waits for the next connection.
func (l unixListener) Accept() (net.Conn, error) {
	conn, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return unixConn{conn}, nil
}

// unixConn is a connection of a Unix socket.
type unixConn struct{ *net.UnixConn }

// RemoteAddr returns 127.0.0.1. The client of a Unix socket has no address of its own.
func (unixConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
