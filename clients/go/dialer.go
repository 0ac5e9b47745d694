package fieldgate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// A dialer opens the connections of a socket, one after another.
type dialer struct {
	requester requester // after a 401, its credentials function may be called again
	path      string
	websocket *websocket.Dialer

	token   string // token of the newest connection
	expired bool   // whether the gateway closed the newest connection with CloseExpired
}

// newDialer returns a dialer that uses the certificates, proxy and dial functions of transport.
// If transport is nil, it uses the transport of r.
func newDialer(r requester, path string, transport *http.Transport) (*dialer, error) {
	if transport == nil {
		var ok bool
		if transport, ok = r.transport().(*http.Transport); !ok {
			return nil, errors.New("fieldgate: a socket needs an *http.Transport: set Transport in the configuration of the socket")
		}
	}
	clone := transport.Clone() // a copy, because the fields of a transport must not be read while it is in use
	return &dialer{requester: r, path: path, websocket: &websocket.Dialer{
		Proxy:             clone.Proxy,
		NetDialContext:    clone.DialContext,
		NetDialTLSContext: clone.DialTLSContext,
		TLSClientConfig:   onlyHTTP1(clone.TLSClientConfig),
		Subprotocols:      []string{subprotocol},
	}}, nil
}

// onlyHTTP1 makes a TLS configuration negotiate HTTP/1.1, because the WebSocket handshake
// is an upgrade of HTTP/1.1 (RFC 6455, section 4.1).
func onlyHTTP1(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// dial opens a connection. After a 401 it tries once more, if the credentials return a
// different token.
func (d *dialer) dial(ctx context.Context) (*websocket.Conn, error) {
	token, err := d.credentials(ctx, d.takeExpired())
	if err != nil {
		return nil, err
	}
	ws, err := d.dialWith(ctx, token)
	if !isUnauthorized(err) {
		return ws, err
	}
	renewed, failed := d.credentials(ctx, token)
	if failed != nil {
		return nil, failed
	}
	if renewed == token {
		return nil, err
	}
	return d.dialWith(ctx, renewed)
}

// takeExpired returns the token of the newest connection if that token has expired, and
// otherwise "". It resets expired, so that the next attempt starts normally even if no new
// token can be obtained.
func (d *dialer) takeExpired() string {
	if !d.expired {
		return ""
	}
	d.expired = false
	return d.token
}

func isUnauthorized(err error) bool {
	refusal := asAPIError(err)
	return refusal != nil && refusal.Status == http.StatusUnauthorized
}

// credentials returns a token. It applies the timeout of a request to the call that obtains the
// token.
func (d *dialer) credentials(ctx context.Context, refused string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.requester.timeout)
	defer cancel()
	return d.requester.credentials(ctx, refused)
}

// dialWith opens a connection with the token. It returns when ctx ends, even if the server
// sends nothing. The WebSocket dialer alone would keep waiting for the server.
func (d *dialer) dialWith(ctx context.Context, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.requester.timeout)
	defer cancel()
	bound, release := closeOnDone(ctx, d.websocket)
	ws, resp, err := bound.DialContext(ctx, d.url(), d.header(ctx, token))
	if !release() && err == nil {
		_ = ws.Close()
		err = ctx.Err()
	}
	if err != nil {
		return nil, dialError(ctx, resp, err)
	}
	d.token = token
	return ws, checkHandshake(ws, resp)
}

// closeOnDone returns a copy of dialer whose connection is closed when ctx ends. After a call
// of release, the end of ctx has no effect. release reports whether the connection is still
// open.
func closeOnDone(ctx context.Context, dialer *websocket.Dialer) (bound *websocket.Dialer, release func() bool) {
	stop := func() bool { return true }
	bind := func(dial dialFunc) dialFunc {
		return func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(dialing, network, address)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}
	}
	clone := *dialer
	if clone.NetDialContext == nil {
		clone.NetDialContext = new(net.Dialer).DialContext
	}
	clone.NetDialContext = bind(clone.NetDialContext)
	if clone.NetDialTLSContext != nil {
		clone.NetDialTLSContext = bind(clone.NetDialTLSContext)
	}
	return &clone, func() bool { return stop() }
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// url returns the address of the socket: ws for http, wss for https.
func (d *dialer) url() string {
	return "ws" + strings.TrimPrefix(d.requester.server, "http") + d.path
}

func (d *dialer) header(ctx context.Context, token string) http.Header {
	header := http.Header{"User-Agent": {d.requester.userAgent}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		header.Set(requestIDHeader, id)
	}
	return header
}

// dialError returns the refusal of a handshake, or the reason why there was no response.
func dialError(ctx context.Context, resp *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("fieldgate: opening the socket: %w", ctx.Err())
	case resp == nil:
		return fmt.Errorf("fieldgate: opening the socket: %w", err)
	}
	if err := check(resp, nil); err != nil {
		return err
	}
	return mediaTypeError(resp)
}

// checkHandshake returns an error unless the server selected our subprotocol and no extension.
// The client offers no extension. A server that nevertheless uses one, such as compression,
// could bypass the limit on the size of messages.
func checkHandshake(ws *websocket.Conn, resp *http.Response) error {
	if ws.Subprotocol() == subprotocol && resp.Header.Get("Sec-WebSocket-Extensions") == "" {
		return nil
	}
	_ = ws.Close()
	return errors.New("fieldgate: opening the socket: the server does not speak " + subprotocol + ": it is a proxy or a balancer, or the base URL is wrong")
}
