package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/fieldgate/fieldgate/listen"
)

// healthTimeout limits the check of a gateway on the same machine.
const healthTimeout = 3 * time.Second

// healthCommand checks the gateway on this machine, for an image that has no other program. It reads
// the settings of serve that decide how the gateway is reached.
type healthCommand struct {
	Addr           string   `env:"FIELDGATE_ADDR" default:"${addr}" help:"Address of the API."`
	TLSCertFile    string   `env:"FIELDGATE_TLS_CERT_FILE" help:"File with the certificate of the API. Default: the API is served without TLS."`
	ProxyProtocol  string   `env:"FIELDGATE_PROXY_PROTOCOL" enum:"on,off" default:"off" help:"Whether connections from the trusted proxies begin with a header of the PROXY protocol (on, off)."`
	TrustedProxies []string `env:"FIELDGATE_TRUSTED_PROXIES" help:"Networks of these proxies."`
	Ready          bool     `help:"Check also whether the gateway is ready: not draining, and Redis and the token issuer can be reached."`
}

// Run returns an error if the gateway does not respond, or is not ready.
func (c *healthCommand) Run(ctx context.Context) error {
	addr, err := c.dialAddr()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(addr), nil)
	if err != nil {
		return fmt.Errorf("checking %s: %w", c.Addr, err)
	}
	transport := &http.Transport{ // without the proxy of the environment
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, addr) },
		// The certificate is for the name that clients use, and this connection stays on the machine.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("checking the gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s returned status %d", request.URL, response.StatusCode)
	}
	return nil
}

// dialAddr returns the address at which the gateway is checked. One that listens on all addresses is
// checked on 127.0.0.1, because an image without /etc/hosts cannot resolve localhost.
func (c *healthCommand) dialAddr() (string, error) {
	if _, ok := listen.UnixPath(c.Addr); ok {
		return c.Addr, nil
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", fmt.Errorf("FIELDGATE_ADDR: %w", err)
	}
	if address := net.ParseIP(host); host == "" || address != nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// url returns the URL of the check.
func (c *healthCommand) url(addr string) string {
	scheme, path := "http://", "/healthz"
	if c.TLSCertFile != "" {
		scheme = "https://"
	}
	if c.Ready {
		path = "/readyz"
	}
	if _, ok := listen.UnixPath(addr); ok {
		addr = "localhost"
	}
	return scheme + addr + path
}

// dial connects to the gateway. If the gateway takes this machine for a proxy, it sends the header of a
// connection that is the proxy's own.
func (c *healthCommand) dial(ctx context.Context, addr string) (net.Conn, error) {
	network := "tcp"
	if path, ok := listen.UnixPath(addr); ok {
		network, addr = "unix", path
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil || c.ProxyProtocol == "off" {
		return conn, err
	}
	trusted, err := parseNetworks(c.TrustedProxies)
	if err == nil && listen.IsAmong(trusted, ownAddr(conn)) {
		_, err = conn.Write([]byte("PROXY UNKNOWN\r\n"))
	}
	return conn, err
}

// ownAddr returns the address that the gateway sees as the client of a connection.
func ownAddr(conn net.Conn) netip.Addr {
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
