package fieldgate_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// A socketServer simulates the gateway's end of a socket.
type socketServer struct {
	// script simulates the gateway on connection n, after the welcome frame. Connections are
	// counted from 1. When script returns, the connection is cut.
	script func(n int, c *serverConn)

	// greet, if set, is called instead of sending the usual welcome frame.
	greet func(n int, c *serverConn)

	// handshake, if set, is called before the handshake. It returns true if it has responded
	// itself.
	handshake func(n int, w http.ResponseWriter, r *http.Request) bool

	// other serves all requests that are not a handshake.
	other http.HandlerFunc

	conns      sync.WaitGroup
	mu         sync.Mutex
	handshakes []*http.Request
	dials      []time.Time
}

func (s *socketServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		s.other(w, r)
		return
	}
	s.conns.Add(1)
	defer s.conns.Done()
	n := s.recordDial(r)
	if s.handshake != nil && s.handshake(n, w, r) {
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"fieldgate.v1"}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c := &serverConn{ws: ws}
	if s.greet != nil {
		s.greet(n, c)
	} else {
		c.welcome(25_000)
	}
	s.script(n, c)
}

func (s *socketServer) recordDial(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshakes, s.dials = append(s.handshakes, r), append(s.dials, time.Now())
	return len(s.dials)
}

// tokens returns the Authorization header of each handshake, such as "Bearer token-1".
func (s *socketServer) tokens() (tokens []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.handshakes {
		tokens = append(tokens, r.Header.Get("Authorization"))
	}
	return tokens
}

// count returns the number of handshakes.
func (s *socketServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dials)
}

// delays returns the times between consecutive handshakes.
func (s *socketServer) delays() (delays []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.dials); i++ {
		delays = append(delays, s.dials[i].Sub(s.dials[i-1]))
	}
	return delays
}

// memoryGateway returns a Gateway on a memoryNetwork, for use in a synctest bubble.
func memoryGateway(t *testing.T, handler *socketServer, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	t.Cleanup(handler.conns.Wait)
	network := newMemoryNetwork()
	server := &httptest.Server{Listener: network, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{DialContext: network.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return newGateway(t, server.URL, append(options, fieldgate.WithTransport(transport))...)
}

// connectDevice opens a device socket and closes it at the end of the test.
func connectDevice(t *testing.T, gateway *fieldgate.Gateway, config fieldgate.DeviceSocketConfig) *fieldgate.DeviceSocket {
	t.Helper()
	socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(t.Context(), config)
	t.Cleanup(func() { socket.Close(); <-socket.Done() })
	return socket
}

// connectCustomer opens a customer socket and closes it at the end of the test.
func connectCustomer(t *testing.T, gateway *fieldgate.Gateway, config fieldgate.CustomerSocketConfig) *fieldgate.CustomerSocket {
	t.Helper()
	socket := gateway.Customer(fieldgate.Bearer("a JWT")).Connect(t.Context(), config)
	t.Cleanup(func() { socket.Close(); <-socket.Done() })
	return socket
}

// A message is a frame on the wire.
type message struct {
	Type        string          `json:"type"`
	RequestID   string          `json:"requestId,omitempty"`
	Traceparent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

// A serverConn is the gateway's end of one connection. Its methods return no errors. After the
// connection has ended, the methods do nothing and return zero values.
type serverConn struct {
	ws  *websocket.Conn
	err error // error of the last read
}

func (c *serverConn) send(kind, requestID string, data any) {
	_ = c.ws.WriteJSON(map[string]any{"type": kind, "requestId": requestID, "data": data})
}

func (c *serverConn) push(kind string, data any) { c.send(kind, "", data) }

func (c *serverConn) welcome(pingIntervalMs int) {
	c.push("welcome", map[string]any{
		"connectionId": "con_" + requestID, "serverTime": "2025-11-22T20:15:04.120Z", "pingIntervalMs": pingIntervalMs,
	})
}

// read returns the next message. The message's type is empty if the connection has ended.
func (c *serverConn) read() (m message) {
	if c.err = c.ws.ReadJSON(&m); c.err != nil {
		return message{}
	}
	return m
}

func (c *serverConn) reply(m message, data any) { c.send("reply", m.RequestID, data) }

func (c *serverConn) refuse(m message, status int, code string) {
	c.send("error", m.RequestID, map[string]any{
		"type": "/docs/errors/" + code, "title": "Refused", "status": status, "code": code, "requestId": m.RequestID,
	})
}

// serve calls handle with each message until the connection ends.
func (c *serverConn) serve(handle func(message)) {
	for m := c.read(); m.Type != ""; m = c.read() {
		handle(m)
	}
}

// wait reads until the connection ends, and returns the close code that the client sent,
// or zero.
func (c *serverConn) wait() int {
	c.serve(func(message) {})
	if closed, ok := c.err.(*websocket.CloseError); ok {
		return closed.Code
	}
	return 0
}

// close sends a close frame and waits for the client's close frame.
func (c *serverConn) close(code fieldgate.CloseCode, reason string) {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), reason), time.Now().Add(time.Second))
	c.wait()
}

// heartbeat sends a heartbeat and requires success.
func heartbeat(t *testing.T, socket *fieldgate.DeviceSocket) {
	t.Helper()
	_, err := socket.Heartbeat(t.Context(), alive)
	require.NoError(t, err)
}

// replyToHeartbeats is a script that replies to heartbeats.
func replyToHeartbeats(_ int, c *serverConn) {
	c.serve(func(m message) { c.reply(m, fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000}) })
}

// A recorder collects values from several goroutines of a test.
type recorder[T any] struct {
	mu  sync.Mutex
	all []T
}

// add records a value and returns the number of values recorded so far.
func (r *recorder[T]) add(value T) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, value)
	return len(r.all)
}

func (r *recorder[T]) list() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// A limitChecker checks the limits of the gateway: 50 messages a second, 100 in a burst,
// and 32 requests without a reply.
type limitChecker struct {
	tokens              float64
	last                time.Time
	messages            int
	inFlight            atomic.Int32
	flooded, overloaded bool
}

// receive counts a message. The caller decrements inFlight when it replies.
func (l *limitChecker) receive() {
	l.messages++
	now := time.Now()
	if l.last.IsZero() {
		l.tokens, l.last = 100, now
	}
	l.tokens, l.last = min(100, l.tokens+now.Sub(l.last).Seconds()*50)-1, now
	l.flooded = l.flooded || l.tokens < 0
	l.overloaded = l.overloaded || l.inFlight.Add(1) > 32
}

func (l *limitChecker) check(t *testing.T) {
	t.Helper()
	require.False(t, l.flooded, "the client sent more than 50 messages a second")
	require.False(t, l.overloaded, "the client had more than 32 requests without a reply")
}
