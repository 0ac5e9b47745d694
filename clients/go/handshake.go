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

// A handshake opens the connections of a socket, one after the other.
type handshake struct {
	connection connection // its credentials may be asked again after a refusal
	path       string
	dialer     *websocket.Dialer

	used    string // the token of the newest connection
	expired bool   // the gateway has said that it is no good any more
}

// newHandshake makes connections in the way in which the transport makes them: with its
// certificates, its proxy and its dialers.
func newHandshake(c connection, path string, transport *http.Transport) (*handshake, error) {
	if transport == nil {
		var ok bool
		if transport, ok = c.transport().(*http.Transport); !ok {
			return nil, errors.New("fieldgate: a socket needs an *http.Transport: set it in the configuration of the socket")
		}
	}
	copied := transport.Clone() // which is also safe while the transport is in use
	return &handshake{connection: c, path: path, dialer: &websocket.Dialer{
		Proxy:             copied.Proxy,
		NetDialContext:    copied.DialContext,
		NetDialTLSContext: copied.DialTLSContext,
		TLSClientConfig:   onlyHTTP1(copied.TLSClientConfig),
		Subprotocols:      []string{subprotocol},
	}}, nil
}

// onlyHTTP1 keeps a configuration that was made for HTTP/2 too from agreeing on that,
// for WebSocket is an upgrade of HTTP/1.1.
func onlyHTTP1(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	config.NextProtos = []string{"http/1.1"}
	return config
}

// open opens a connection, with new credentials if can be had after a 401.
func (h *handshake) open(ctx context.Context) (*websocket.Conn, error) {
	token, err := h.token(ctx, h.refused())
	if err != nil {
		return nil, err
	}
	ws, err := h.dial(ctx, token)
	if !unauthorized(err) {
		return ws, err
	}
	renewed, failed := h.token(ctx, token)
	if failed != nil {
		return nil, failed
	}
	if renewed == token {
		return nil, err
	}
	return h.dial(ctx, renewed)
}

// refused gives the token that is known to be no good. It is named once: should getting
// another one fail, then the next try begins like any other.
func (h *handshake) refused() string {
	if !h.expired {
		return ""
	}
	h.expired = false
	return h.used
}

func unauthorized(err error) bool {
	refused, ok := errors.AsType[*APIError](err)
	return ok && refused.Status == http.StatusUnauthorized
}

// token asks for a token, for as long as a request may take.
func (h *handshake) token(ctx context.Context, refused string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.connection.timeout)
	defer cancel()
	return h.connection.credentials(ctx, refused)
}

// dial opens a connection with a token. It ends with the context, also while the other
// side says nothing, which the dialer alone would wait out.
func (h *handshake) dial(ctx context.Context, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.connection.timeout)
	defer cancel()
	dialer, release := endingWith(ctx, h.dialer)
	ws, resp, err := dialer.DialContext(ctx, h.url(), h.header(ctx, token))
	if !release() && err == nil {
		_ = ws.Close()
		err = ctx.Err()
	}
	if err != nil {
		return nil, h.failure(ctx, resp, err)
	}
	h.used = token
	return ws, checkAgreement(ws, resp)
}

// endingWith gives a dialer whose connection is closed when the context ends, until the
// function is called, which tells whether that has not happened.
func endingWith(ctx context.Context, dialer *websocket.Dialer) (*websocket.Dialer, func() bool) {
	release := func() bool { return true }
	watch := func(dial dialFunc) dialFunc {
		return func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(dialing, network, address)
			if err == nil {
				release = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}
	}
	watched := *dialer
	if watched.NetDialContext == nil {
		watched.NetDialContext = new(net.Dialer).DialContext
	}
	watched.NetDialContext = watch(watched.NetDialContext)
	if watched.NetDialTLSContext != nil {
		watched.NetDialTLSContext = watch(watched.NetDialTLSContext)
	}
	return &watched, func() bool { return release() }
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// url gives the address of the socket: ws for http, wss for https.
func (h *handshake) url() string {
	return "ws" + strings.TrimPrefix(h.connection.server, "http") + h.path
}

func (h *handshake) header(ctx context.Context, token string) http.Header {
	header := http.Header{"User-Agent": {h.connection.userAgent}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		header.Set(requestIDHeader, id)
	}
	return header
}

// failure gives the refusal in the answer to a handshake, or why there was no answer.
func (h *handshake) failure(ctx context.Context, resp *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("fieldgate: opening the socket: %w", ctx.Err())
	case resp == nil:
		return fmt.Errorf("fieldgate: opening the socket: %w", err)
	}
	if err := refusal(resp, nil); err != nil {
		return err
	}
	return stranger(resp)
}

// checkAgreement makes sure that the other side speaks what was offered and nothing that
// was not, such as compression, which would get around the limit on messages.
func checkAgreement(ws *websocket.Conn, resp *http.Response) error {
	if ws.Subprotocol() == subprotocol && resp.Header.Get("Sec-WebSocket-Extensions") == "" {
		return nil
	}
	_ = ws.Close()
	return errors.New("fieldgate: opening the socket: who answered does not speak " + subprotocol + ": it is something on the way to the gateway, or the base URL is wrong")
}
