package gatewaytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Paths of the device socket and of the customer socket.
const (
	DevicePath   = "/api/v1/device/ws"
	CustomerPath = "/api/v1/customer/ws"
)

// waitTimeout is the time limit for every wait of a Socket.
const waitTimeout = 15 * time.Second

// DialOptions configures Dial. With the zero value, Dial offers the subprotocol fieldgate.v1
// and sends no credentials.
type DialOptions struct {
	Path      string // path with the query
	Token     string // bearer token for the Authorization header; empty means none
	Header    http.Header
	Protocols []string // default: fieldgate.v1

	// NoPong disables replies to pings.
	NoPong bool

	// Stalled disables reading until StartReading is called. Open then does not wait for the
	// welcome frame.
	Stalled bool

	// ReceiveBuffer is the size of the connection's receive buffer in bytes. Zero means the
	// default of the system.
	ReceiveBuffer int
}

// Frame is a frame that the gateway has sent.
type Frame struct {
	Type      string          `json:"type"`
	RequestID string          `json:"requestId"`
	Data      json.RawMessage `json:"data"`
}

// Decode decodes the data of the frame.
func (f Frame) Decode(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(f.Data, into), "%s %s", f.Type, f.Data)
}

// Event is the data of an event frame.
type Event struct {
	Room      string            `json:"room"`
	Offset    string            `json:"offset"`
	Type      string            `json:"type"`
	Time      time.Time         `json:"time"`
	RequestID string            `json:"requestId"`
	Actor     map[string]string `json:"actor"`
	Data      map[string]any    `json:"data"`

	ActorDetails client.ActorDetails `json:"actorDetails"`
}

// Subscribed is the data of the reply to a subscribe frame.
type Subscribed struct {
	Room    string `json:"room"`
	Offset  string `json:"offset"`
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason"`
}

// Socket is the client end of a socket. It validates every received frame against
// asyncapi.yaml. If a request gets more than one reply, the test fails.
type Socket struct {
	t    testing.TB
	conn *websocket.Conn
	path string
	ids  atomic.Int64

	ID              string        // connection id from the welcome frame
	HandshakeHeader http.Header   // header of the handshake response
	PingInterval    time.Duration // ping interval from the welcome frame

	writing sync.Mutex
	reading sync.Once

	mu       sync.Mutex
	requests map[string]pendingRequest // by request id
	pushed   []Frame
	more     chan struct{}
	closed   chan struct{}
	reason   error
}

// pendingRequest is a request that has no reply yet.
type pendingRequest struct {
	kind  string
	reply chan Frame
}

// Dial opens a socket. If the gateway refuses the handshake, Dial returns a nil Socket and the
// response.
func (g *Gateway) Dial(t testing.TB, d DialOptions) (*Socket, *http.Response) {
	t.Helper()
	s, refused, err := g.TryDial(t, d)
	require.NoError(t, err)
	return s, refused
}

// TryDial is like Dial, but returns an error if no connection can be opened.
func (g *Gateway) TryDial(t testing.TB, d DialOptions) (*Socket, *http.Response, error) {
	t.Helper()
	conn, response, err := d.dialer().Dial("ws"+strings.TrimPrefix(g.URL, "http")+d.Path, d.header())
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, response, nil
	case err != nil:
		return nil, nil, err
	}
	path, _, _ := strings.Cut(d.Path, "?")
	s := &Socket{
		t: t, conn: conn, path: path, HandshakeHeader: response.Header, requests: map[string]pendingRequest{},
		more: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	if d.NoPong {
		conn.SetPingHandler(func(string) error { return nil })
	}
	t.Cleanup(s.Drop)
	if !d.Stalled {
		s.StartReading()
	}
	return s, nil, nil
}

// StartReading starts to read from the connection. Only the first call has an effect.
func (s *Socket) StartReading() { s.reading.Do(func() { go s.read() }) }

func (d DialOptions) dialer() *websocket.Dialer {
	if d.Protocols == nil {
		d.Protocols = []string{"fieldgate.v1"}
	}
	dialer := &websocket.Dialer{Subprotocols: d.Protocols, HandshakeTimeout: waitTimeout}
	dialer.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil && d.ReceiveBuffer > 0 {
			err = conn.(*net.TCPConn).SetReadBuffer(d.ReceiveBuffer)
		}
		return conn, err
	}
	return dialer
}

func (d DialOptions) header() http.Header {
	header := d.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if d.Token != "" {
		header.Set("Authorization", "Bearer "+d.Token)
	}
	return header
}

// Open opens a socket and waits for the welcome frame. If the handshake is refused, the test
// fails.
func (g *Gateway) Open(t testing.TB, d DialOptions) *Socket {
	t.Helper()
	s, refused := g.Dial(t, d)
	if refused != nil {
		require.Fail(t, "the handshake was refused", refused.Status)
	}
	if !d.Stalled {
		s.AwaitWelcome()
	}
	return s
}

// AwaitWelcome waits for the welcome frame, which must be the first frame.
func (s *Socket) AwaitWelcome() {
	s.t.Helper()
	welcome := s.Next()
	require.Equal(s.t, "welcome", welcome.Type, "the first frame")
	var data struct {
		ConnectionID   string `json:"connectionId"`
		PingIntervalMs int    `json:"pingIntervalMs"`
	}
	welcome.Decode(s.t, &data)
	s.ID, s.PingInterval = data.ConnectionID, time.Duration(data.PingIntervalMs)*time.Millisecond
}

// OpenDevice opens a device socket with the login token.
func (g *Gateway) OpenDevice(t testing.TB, token string) *Socket {
	t.Helper()
	return g.Open(t, DialOptions{Path: DevicePath, Token: token})
}

// OpenCustomer opens a customer socket with the token.
func (g *Gateway) OpenCustomer(t testing.TB, token string) *Socket {
	t.Helper()
	return g.Open(t, DialOptions{Path: CustomerPath, Token: token})
}

// Send sends a frame without a request id, so the gateway sends no reply.
func (s *Socket) Send(kind string, data any) {
	s.t.Helper()
	s.SendRaw(encode(s.t, kind, "", data))
}

// SendRaw sends a text message unchanged.
func (s *Socket) SendRaw(text string) {
	s.t.Helper()
	require.NoError(s.t, s.write(websocket.TextMessage, []byte(text)))
}

// SendBinary sends a binary message.
func (s *Socket) SendBinary(data []byte) {
	s.t.Helper()
	require.NoError(s.t, s.write(websocket.BinaryMessage, data))
}

// TrySend is like SendRaw, but returns an error if the connection is closed.
func (s *Socket) TrySend(text string) error { return s.write(websocket.TextMessage, []byte(text)) }

func (s *Socket) write(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.conn.WriteMessage(kind, data)
}

func encode(t testing.TB, kind, requestID string, data any) string {
	t.Helper()
	frame := map[string]any{"type": kind}
	if requestID != "" {
		frame["requestId"] = requestID
	}
	if data != nil {
		frame["data"] = data
	}
	text, err := json.Marshal(frame)
	require.NoError(t, err)
	return string(text)
}

// PendingReply waits for the reply to a request and returns it. The reply may be an error
// frame.
type PendingReply func() Frame

// StartRequest sends a request and does not wait for its reply.
func (s *Socket) StartRequest(kind string, data any) PendingReply {
	s.t.Helper()
	return s.StartRequestAs(fmt.Sprintf("q-%d", s.ids.Add(1)), kind, data)
}

// StartRequestAs is like StartRequest, but with the given request id.
func (s *Socket) StartRequestAs(requestID, kind string, data any) PendingReply {
	s.t.Helper()
	request := pendingRequest{kind: kind, reply: make(chan Frame, 1)}
	s.mu.Lock()
	s.requests[requestID] = request
	s.mu.Unlock()
	s.SendRaw(encode(s.t, kind, requestID, data))
	return func() Frame {
		s.t.Helper()
		select {
		case f := <-request.reply:
			return f
		case <-s.closed:
			require.Fail(s.t, "the socket was closed before the reply", "%s %v: %v", kind, data, s.reason)
		case <-time.After(waitTimeout):
			require.Fail(s.t, "no reply arrived", "%s %v", kind, data)
		}
		return Frame{}
	}
}

// Request sends a request and waits for the reply. Unless into is nil, the data of the reply is
// decoded into it. If the reply is an error frame, the test fails.
func (s *Socket) Request(kind string, data, into any) Frame {
	s.t.Helper()
	f := s.StartRequest(kind, data)()
	require.Equal(s.t, "reply", f.Type, "%s", f.Data)
	if into != nil {
		f.Decode(s.t, into)
	}
	return f
}

// RequestError sends a request that the gateway must refuse, and returns the problem.
func (s *Socket) RequestError(kind string, data any) (problem client.Problem) {
	s.t.Helper()
	f := s.StartRequest(kind, data)()
	require.Equal(s.t, "error", f.Type, "%s %v got the reply %s", kind, data, f.Data)
	f.Decode(s.t, &problem)
	require.Equal(s.t, f.RequestID, problem.RequestID)
	return problem
}

// Subscribe subscribes to a room. If since is not empty, the events after that offset follow.
func (s *Socket) Subscribe(room, since string) (subscribed Subscribed) {
	s.t.Helper()
	data := map[string]any{"room": room}
	if since != "" {
		data["since"] = since
	}
	s.Request("subscribe", data, &subscribed)
	require.Equal(s.t, room, subscribed.Room)
	return subscribed
}

// Next waits for the next frame that is not a reply.
func (s *Socket) Next() Frame {
	s.t.Helper()
	f, err := s.next(waitTimeout)
	require.NoError(s.t, err, "no frame arrived")
	return f
}

// NextOf waits for the next frame that is not a reply. If its type is not kind, the test fails.
func (s *Socket) NextOf(kind string) Frame {
	s.t.Helper()
	f := s.Next()
	require.Equal(s.t, kind, f.Type, "%s", f.Data)
	return f
}

// Event waits for the next event.
func (s *Socket) Event() (e Event) {
	s.t.Helper()
	s.NextOf("event").Decode(s.t, &e)
	return e
}

// TryNext is like Next, but with a time limit. If no frame arrives in time, it returns
// context.DeadlineExceeded. If the socket is closed, it returns the reason for the close.
func (s *Socket) TryNext(within time.Duration) (Frame, error) { return s.next(within) }

func (s *Socket) next(within time.Duration) (Frame, error) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		if f, ok := s.take(); ok {
			return f, nil
		}
		select {
		case <-s.more:
		case <-s.closed:
			if f, ok := s.take(); ok {
				return f, nil
			}
			return Frame{}, s.reason
		case <-deadline.C:
			return Frame{}, context.DeadlineExceeded
		}
	}
}

func (s *Socket) take() (f Frame, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pushed) == 0 {
		return Frame{}, false
	}
	f, s.pushed = s.pushed[0], s.pushed[1:]
	return f, true
}

// Barrier waits until all frames that the gateway has sent so far have arrived. It sends a
// ping, because the reply comes after these frames. The frames are kept for Next.
func (s *Socket) Barrier() {
	s.t.Helper()
	s.Request("ping", nil, nil)
}

// TakePushed returns the frames that have arrived and that Next has not returned.
func (s *Socket) TakePushed() (all []Frame) {
	for f, ok := s.take(); ok; f, ok = s.take() {
		all = append(all, f)
	}
	return all
}

// CloseCode waits until the socket is closed and returns the close code. Without a close frame,
// it returns 1006.
func (s *Socket) CloseCode() int {
	s.t.Helper()
	select {
	case <-s.closed:
	case <-time.After(waitTimeout):
		require.Fail(s.t, "the socket is still open")
	}
	return s.Code()
}

// Code returns the close code of a closed socket. Without a close frame, it returns 1006.
func (s *Socket) Code() int {
	if closed, ok := s.reason.(*websocket.CloseError); ok {
		return closed.Code
	}
	return websocket.CloseAbnormalClosure
}

// Reason returns the reason from the close frame.
func (s *Socket) Reason() string {
	if closed, ok := s.reason.(*websocket.CloseError); ok {
		return closed.Text
	}
	return ""
}

// PendingRequests returns the number of requests without a reply.
func (s *Socket) PendingRequests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// Done returns a channel that is closed when the socket is closed.
func (s *Socket) Done() <-chan struct{} { return s.closed }

// Close sends a close frame and waits for the gateway's close frame.
func (s *Socket) Close() {
	s.t.Helper()
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	require.NoError(s.t, s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(waitTimeout)))
	require.Equal(s.t, websocket.CloseNormalClosure, s.CloseCode())
	s.Drop()
}

// Drop closes the connection without a close frame.
func (s *Socket) Drop() {
	_ = s.conn.Close()
	s.StartReading()
	<-s.closed
}

// read receives frames until the socket is closed.
func (s *Socket) read() {
	defer close(s.closed)
	for {
		_, text, err := s.conn.ReadMessage()
		if err != nil {
			s.reason = err
			return
		}
		s.receive(text)
	}
}

func (s *Socket) receive(text []byte) {
	var f Frame
	if err := json.Unmarshal(text, &f); err != nil {
		s.t.Errorf("received a message that is not a frame: %v: %s", err, text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request, found := s.requests[f.RequestID]
	isReply := f.Type == "reply" || f.Type == "error" && f.RequestID != ""
	if isReply && !found {
		s.t.Errorf("received a reply without a request: %s", text)
		return
	}
	if err := checkFrame(s.path, f.Type, request.kind, text); err != nil {
		s.t.Errorf("received a frame that violates asyncapi.yaml: %v: %s", err, text)
	}
	if isReply {
		delete(s.requests, f.RequestID)
		request.reply <- f
		return
	}
	s.pushed = append(s.pushed, f)
	select {
	case s.more <- struct{}{}:
	default:
	}
}
