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

// The addresses of the two sockets.
const (
	DevicePath   = "/api/v1/device/ws"
	CustomerPath = "/api/v1/customer/ws"
)

// patience is how long a test waits for what has to come.
const patience = 15 * time.Second

// Dialing says how to open a socket. The zero value offers our subprotocol and has
// no credentials.
type Dialing struct {
	Path      string // with its query
	Token     string // a bearer token for the header; empty: none
	Header    http.Header
	Protocols []string // default: fieldgate.v1

	// Silent keeps the client from answering pings.
	Silent bool

	// Stalled keeps the client from reading anything until it is told to Go; Open
	// does not wait for the welcome then.
	Stalled bool

	// ReceiveBuffer is that of the connection, in bytes; zero: as the system has it.
	ReceiveBuffer int
}

// Frame is what came over a socket.
type Frame struct {
	Type      string          `json:"type"`
	RequestID string          `json:"requestId"`
	Data      json.RawMessage `json:"data"`
}

// Into reads the data of a frame.
func (f Frame) Into(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(f.Data, into), "%s %s", f.Type, f.Data)
}

// Event is the data of an event.
type Event struct {
	Room      string            `json:"room"`
	Offset    string            `json:"offset"`
	Type      string            `json:"type"`
	Time      time.Time         `json:"time"`
	RequestID string            `json:"requestId"`
	Actor     map[string]string `json:"actor"`
	Data      map[string]any    `json:"data"`
}

// Subscribed is the answer to a subscription.
type Subscribed struct {
	Room    string `json:"room"`
	Offset  string `json:"offset"`
	Resumed bool   `json:"resumed"`
	Reason  string `json:"reason"`
}

// Socket is the client's end of a socket, frame by frame. Each frame that comes is
// held against asyncapi.yaml, and each answer must be the only one to its question.
type Socket struct {
	t    testing.TB
	conn *websocket.Conn
	path string
	ids  atomic.Int64

	ID       string        // of the connection, as the welcome has it
	Opened   http.Header   // of the answer to the handshake
	Greeting time.Duration // the ping interval, as the welcome has it

	writing sync.Mutex
	going   sync.Once

	mu     sync.Mutex
	asked  map[string]question
	pushed []Frame
	more   chan struct{}
	ended  chan struct{}
	reason error
}

type question struct {
	kind   string
	answer chan Frame
}

// Dial opens a socket. The response is that of a handshake that was refused; one of
// the two is nil.
func (g *Gateway) Dial(t testing.TB, d Dialing) (*Socket, *http.Response) {
	t.Helper()
	s, refused, err := g.TryDial(t, d)
	require.NoError(t, err)
	return s, refused
}

// TryDial opens a socket. The error is that of the connection.
func (g *Gateway) TryDial(t testing.TB, d Dialing) (*Socket, *http.Response, error) {
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
		t: t, conn: conn, path: path, Opened: response.Header, asked: map[string]question{},
		more: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if d.Silent {
		conn.SetPingHandler(func(string) error { return nil })
	}
	t.Cleanup(s.Cut)
	if !d.Stalled {
		s.Go()
	}
	return s, nil, nil
}

// Go begins to read.
func (s *Socket) Go() { s.going.Do(func() { go s.read() }) }

func (d Dialing) dialer() *websocket.Dialer {
	if d.Protocols == nil {
		d.Protocols = []string{"fieldgate.v1"}
	}
	dialer := &websocket.Dialer{Subprotocols: d.Protocols, HandshakeTimeout: patience}
	dialer.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil && d.ReceiveBuffer > 0 {
			err = conn.(*net.TCPConn).SetReadBuffer(d.ReceiveBuffer)
		}
		return conn, err
	}
	return dialer
}

func (d Dialing) header() http.Header {
	header := d.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if d.Token != "" {
		header.Set("Authorization", "Bearer "+d.Token)
	}
	return header
}

// Open opens a socket that has to open, and waits for its welcome.
func (g *Gateway) Open(t testing.TB, d Dialing) *Socket {
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

// AwaitWelcome waits for the first frame.
func (s *Socket) AwaitWelcome() {
	s.t.Helper()
	welcome := s.Next()
	require.Equal(s.t, "welcome", welcome.Type, "the first frame")
	var data struct {
		ConnectionID   string `json:"connectionId"`
		PingIntervalMs int    `json:"pingIntervalMs"`
	}
	welcome.Into(s.t, &data)
	s.ID, s.Greeting = data.ConnectionID, time.Duration(data.PingIntervalMs)*time.Millisecond
}

// OpenDevice opens the socket of a device with a login's token.
func (g *Gateway) OpenDevice(t testing.TB, token string) *Socket {
	t.Helper()
	return g.Open(t, Dialing{Path: DevicePath, Token: token})
}

// OpenCustomer opens the socket of a person with a token.
func (g *Gateway) OpenCustomer(t testing.TB, token string) *Socket {
	t.Helper()
	return g.Open(t, Dialing{Path: CustomerPath, Token: token})
}

// Send sends a frame that asks for no answer.
func (s *Socket) Send(kind string, data any) {
	s.t.Helper()
	s.SendRaw(encode(s.t, kind, "", data))
}

// SendRaw sends a text as it is.
func (s *Socket) SendRaw(text string) {
	s.t.Helper()
	require.NoError(s.t, s.write(websocket.TextMessage, []byte(text)))
}

// SendBinary sends a binary message.
func (s *Socket) SendBinary(data []byte) {
	s.t.Helper()
	require.NoError(s.t, s.write(websocket.BinaryMessage, data))
}

// TrySend sends a text, if the connection takes it.
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

// Pending waits for the answer to a frame.
type Pending func() Frame

// Ask sends a frame that asks for an answer, which may be waited for later.
func (s *Socket) Ask(kind string, data any) Pending {
	s.t.Helper()
	return s.AskAs(fmt.Sprintf("q-%d", s.ids.Add(1)), kind, data)
}

// AskAs is Ask under a requestId.
func (s *Socket) AskAs(requestID, kind string, data any) Pending {
	s.t.Helper()
	q := question{kind: kind, answer: make(chan Frame, 1)}
	s.mu.Lock()
	s.asked[requestID] = q
	s.mu.Unlock()
	s.SendRaw(encode(s.t, kind, requestID, data))
	return func() Frame {
		s.t.Helper()
		select {
		case f := <-q.answer:
			return f
		case <-s.ended:
			require.Fail(s.t, "the socket ended before the answer", "%s %v: %v", kind, data, s.reason)
		case <-time.After(patience):
			require.Fail(s.t, "there is no answer", "%s %v", kind, data)
		}
		return Frame{}
	}
}

// Request sends a frame and reads the data of its reply. Into may be nil.
func (s *Socket) Request(kind string, data, into any) Frame {
	s.t.Helper()
	f := s.Ask(kind, data)()
	require.Equal(s.t, "reply", f.Type, "%s", f.Data)
	if into != nil {
		f.Into(s.t, into)
	}
	return f
}

// Refused sends a frame that has to be refused.
func (s *Socket) Refused(kind string, data any) (problem client.Problem) {
	s.t.Helper()
	f := s.Ask(kind, data)()
	require.Equal(s.t, "error", f.Type, "%s %v was answered %s", kind, data, f.Data)
	f.Into(s.t, &problem)
	require.Equal(s.t, f.RequestID, problem.RequestID)
	return problem
}

// Subscribe enters a room, after an offset if there is one.
func (s *Socket) Subscribe(room, since string) (entered Subscribed) {
	s.t.Helper()
	data := map[string]any{"room": room}
	if since != "" {
		data["since"] = since
	}
	s.Request("subscribe", data, &entered)
	require.Equal(s.t, room, entered.Room)
	return entered
}

// Next waits for the next frame that nobody asked for.
func (s *Socket) Next() Frame {
	s.t.Helper()
	f, err := s.next(patience)
	require.NoError(s.t, err, "no frame came")
	return f
}

// NextOf waits for the next frame of a type; others must not come before it.
func (s *Socket) NextOf(kind string) Frame {
	s.t.Helper()
	f := s.Next()
	require.Equal(s.t, kind, f.Type, "%s", f.Data)
	return f
}

// Event waits for the next event.
func (s *Socket) Event() (e Event) {
	s.t.Helper()
	s.NextOf("event").Into(s.t, &e)
	return e
}

// TryNext gives the next frame if one comes in time; the error tells why not.
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
		case <-s.ended:
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

// Barrier waits until all that was sent before on this instance has come: frames
// are written in their order. What came is kept for Next.
func (s *Socket) Barrier() {
	s.t.Helper()
	s.Request("ping", nil, nil)
}

// Pushed gives what has come so far and was not taken.
func (s *Socket) Pushed() (all []Frame) {
	for f, ok := s.take(); ok; f, ok = s.take() {
		all = append(all, f)
	}
	return all
}

// CloseCode waits for the end of the socket and gives its code: 1006 if it had none.
func (s *Socket) CloseCode() int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		require.Fail(s.t, "the socket is still open")
	}
	return s.Code()
}

// Code is the close code of a socket that has ended, and 1006 if it had none.
func (s *Socket) Code() int {
	if closed, ok := s.reason.(*websocket.CloseError); ok {
		return closed.Code
	}
	return websocket.CloseAbnormalClosure
}

// Reason is what the close said in words.
func (s *Socket) Reason() string {
	if closed, ok := s.reason.(*websocket.CloseError); ok {
		return closed.Text
	}
	return ""
}

// Unanswered is how many questions have no answer yet.
func (s *Socket) Unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// Ended tells when the socket has ended.
func (s *Socket) Ended() <-chan struct{} { return s.ended }

// Goodbye closes the socket as a client does, and waits for the answer.
func (s *Socket) Goodbye() {
	s.t.Helper()
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	require.NoError(s.t, s.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(patience)))
	require.Equal(s.t, websocket.CloseNormalClosure, s.CloseCode())
	s.Cut()
}

// Cut drops the connection without a word.
func (s *Socket) Cut() {
	_ = s.conn.Close()
	s.Go()
	<-s.ended
}

// read takes what comes until the socket ends.
func (s *Socket) read() {
	defer close(s.ended)
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
		s.t.Errorf("what came is no frame: %v: %s", err, text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, asked := s.asked[f.RequestID]
	answers := f.Type == "reply" || f.Type == "error" && f.RequestID != ""
	if answers && !asked {
		s.t.Errorf("an answer to nothing that was asked: %s", text)
		return
	}
	if err := checkFrame(s.path, f.Type, q.kind, text); err != nil {
		s.t.Errorf("a frame is not as asyncapi.yaml says: %v: %s", err, text)
	}
	if answers {
		delete(s.asked, f.RequestID)
		q.answer <- f
		return
	}
	s.pushed = append(s.pushed, f)
	select {
	case s.more <- struct{}{}:
	default:
	}
}
