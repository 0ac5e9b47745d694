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

// A station plays the gateway at the other end of a socket.
type station struct {
	// script plays one connection, after its welcome; when it returns, the connection is
	// cut. Connections are counted from 1.
	script func(n int, p *peer)

	// greet says the first word instead of a welcome with the usual ping interval.
	greet func(n int, p *peer)

	// handshake, if it tells true, has answered the handshake.
	handshake func(n int, w http.ResponseWriter, r *http.Request) bool

	// other answers the requests that open no socket.
	other http.HandlerFunc

	playing    sync.WaitGroup
	mu         sync.Mutex
	handshakes []*http.Request
	tries      []time.Time
}

func (s *station) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		s.other(w, r)
		return
	}
	s.playing.Add(1)
	defer s.playing.Done()
	n := s.arrive(r)
	if s.handshake != nil && s.handshake(n, w, r) {
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"fieldgate.v1"}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	p := &peer{ws: ws}
	if s.greet != nil {
		s.greet(n, p)
	} else {
		p.welcome(25_000)
	}
	s.script(n, p)
}

func (s *station) arrive(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshakes, s.tries = append(s.handshakes, r), append(s.tries, time.Now())
	return len(s.tries)
}

// tokens gives those with which sockets were opened.
func (s *station) tokens() (tokens []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.handshakes {
		tokens = append(tokens, r.Header.Get("Authorization"))
	}
	return tokens
}

func (s *station) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries)
}

// waits gives how long it took from one try to the next.
func (s *station) waits() (waits []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.tries); i++ {
		waits = append(waits, s.tries[i].Sub(s.tries[i-1]))
	}
	return waits
}

// bubble gives a gateway on a network of its own, for use in a synctest bubble.
func bubble(t *testing.T, station *station, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	t.Cleanup(station.playing.Wait)
	network := newNetwork()
	server := &httptest.Server{Listener: network, Config: &http.Server{Handler: station}}
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{DialContext: network.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return connect(t, server.URL, append(options, fieldgate.WithTransport(transport))...)
}

// device opens a device's socket that ends with the test.
func device(t *testing.T, gateway *fieldgate.Gateway, config fieldgate.DeviceSocketConfig) *fieldgate.DeviceSocket {
	t.Helper()
	socket := gateway.DeviceWithToken(fieldgate.Bearer("token")).Connect(t.Context(), config)
	t.Cleanup(func() { socket.Close(); <-socket.Done() })
	return socket
}

// customer opens a customer's socket that ends with the test.
func customer(t *testing.T, gateway *fieldgate.Gateway, config fieldgate.CustomerSocketConfig) *fieldgate.CustomerSocket {
	t.Helper()
	socket := gateway.Customer(fieldgate.Bearer("a JWT")).Connect(t.Context(), config)
	t.Cleanup(func() { socket.Close(); <-socket.Done() })
	return socket
}

// A message is a frame as the tests see it.
type message struct {
	Type      string          `json:"type"`
	RequestID string          `json:"requestId,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// A peer is the gateway's end of one connection. It has no errors: a connection that is
// gone takes nothing and gives nothing.
type peer struct {
	ws    *websocket.Conn
	ended error // why nothing more can be read
}

func (p *peer) send(kind, requestID string, data any) {
	_ = p.ws.WriteJSON(map[string]any{"type": kind, "requestId": requestID, "data": data})
}

func (p *peer) push(kind string, data any) { p.send(kind, "", data) }

func (p *peer) welcome(pingIntervalMs int) {
	p.push("welcome", map[string]any{
		"connectionId": "con_" + requestID, "serverTime": "2025-11-22T20:15:04.120Z", "pingIntervalMs": pingIntervalMs,
	})
}

// next reads a frame; it has no type if there is none any more.
func (p *peer) next() (m message) {
	if p.ended = p.ws.ReadJSON(&m); p.ended != nil {
		return message{}
	}
	return m
}

func (p *peer) reply(m message, data any) { p.send("reply", m.RequestID, data) }

func (p *peer) refuse(m message, status int, code string) {
	p.send("error", m.RequestID, map[string]any{
		"type": "/docs/errors/" + code, "title": "Refused", "status": status, "code": code, "requestId": m.RequestID,
	})
}

// serve answers frames until the client is gone.
func (p *peer) serve(serve func(message)) {
	for m := p.next(); m.Type != ""; m = p.next() {
		serve(m)
	}
}

// wait reads to the end and tells with which code the client has closed.
func (p *peer) wait() int {
	p.serve(func(message) {})
	if closed, ok := p.ended.(*websocket.CloseError); ok {
		return closed.Code
	}
	return 0
}

// close says goodbye as the gateway does.
func (p *peer) close(code fieldgate.CloseCode, reason string) {
	_ = p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), reason), time.Now().Add(time.Second))
	p.wait()
}

// beat makes a heartbeat that must succeed.
func beat(t *testing.T, socket *fieldgate.DeviceSocket) {
	t.Helper()
	_, err := socket.Heartbeat(t.Context(), ok)
	require.NoError(t, err)
}

// answering serves heartbeats until the client is gone.
func answering(_ int, p *peer) {
	p.serve(func(m message) { p.reply(m, fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000}) })
}

// notes are what goroutines of a test write down.
type notes[T any] struct {
	mu  sync.Mutex
	all []T
}

func (n *notes[T]) add(one T) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, one)
	return len(n.all)
}

func (n *notes[T]) list() []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// A gauge holds a client to what the gateway takes: 50 messages a second, 100 at once,
// and 32 that are being answered.
type gauge struct {
	tokens              float64
	last                time.Time
	messages            int
	answering           atomic.Int32
	flooded, overloaded bool
}

func (g *gauge) note() {
	g.messages++
	now := time.Now()
	if g.last.IsZero() {
		g.tokens, g.last = 100, now
	}
	g.tokens, g.last = min(100, g.tokens+now.Sub(g.last).Seconds()*50)-1, now
	g.flooded = g.flooded || g.tokens < 0
	g.overloaded = g.overloaded || g.answering.Add(1) > 32
}

func (g *gauge) check(t *testing.T) {
	t.Helper()
	require.False(t, g.flooded, "too many messages")
	require.False(t, g.overloaded, "too many are being answered")
}
