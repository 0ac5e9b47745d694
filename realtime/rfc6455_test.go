package realtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// The tests in the files rfc6455_*_test.go check a running server against each rule of
// RFC 6455. They write raw bytes to the connection, so that no WebSocket library in the
// client hides a fault.

// exchange is a test case: the bytes that a client writes after the handshake, and the
// frames that the server must send.
type exchange struct {
	section string // section of RFC 6455
	name    string
	send    []byte
	want    []string // expected frames in order, as described by the method next; only the last may be a close frame
}

// echo is a server whose sockets reply to each "echo" frame with the frame's data.
type echo struct {
	*httptest.Server
	hub     *realtime.Hub
	store   *store.Store
	metrics *prometheus.Registry

	blocked chan string   // receives the requestId of each "block" frame
	unblock chan struct{} // a test closes it to let the server reply to the "block" frames
}

func newEcho(t *testing.T, limits realtime.Limits, changes ...func(*realtime.Config)) *echo {
	t.Helper()
	e := &echo{
		store: storetest.Connect(t, store.Config{}), metrics: prometheus.NewRegistry(),
		blocked: make(chan string, 64), unblock: make(chan struct{}),
	}
	cfg := realtime.Config{
		Store: e.store, Limits: limits, Registerer: e.metrics, Logger: slog.New(slog.DiscardHandler),
		Problem: func(err error, requestID string) any {
			return map[string]string{"code": string(fieldgate.CodeOf(err)), "requestId": requestID}
		},
	}
	for _, change := range changes {
		change(&cfg)
	}
	e.hub = realtime.New(cfg)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := realtime.OpenRequest{Tenant: storetest.Tenant(), User: "alice", Serve: e.serve, Verify: keepOpen}
		if device := r.Header.Get("X-Device"); device != "" {
			o.Tenant, o.User, o.Device = r.Header.Get("X-Tenant"), "", device
		}
		if err := e.hub.Open(w, r, o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(e.Close)
	go e.hub.Run(t.Context())
	return e
}

func (e *echo) serve(ctx context.Context, _ *realtime.Socket, f realtime.Frame) (any, error) {
	switch f.Type {
	case "echo":
		return f.Data, nil
	case "fault":
		return nil, errors.New("internal fault")
	case "panic":
		panic("internal fault")
	case "hold":
		return nil, f.Hold(int64(len(f.Data)))
	case "block":
		e.blocked <- f.RequestID
		select {
		case <-e.unblock:
		case <-ctx.Done():
		}
		return nil, nil
	}
	return nil, fieldgate.Refuse(fieldgate.CodeValidationFailed, "This socket has no such frame.")
}

// keepOpen is the Verify function of a principal that never loses its rights.
func keepOpen(context.Context) realtime.CloseCode { return 0 }

// run runs each case twice: with all bytes in one write, and byte by byte.
func (e *echo) run(t *testing.T, cases ...exchange) {
	t.Helper()
	for _, x := range cases {
		for way, size := range map[string]int{"one write": max(1, len(x.send)), "byte by byte": 1} {
			if size == 1 && len(x.send) > 4<<10 {
				size = 1000 // one write for each byte would take too long
			}
			t.Run(x.section+" "+x.name+", "+way, func(t *testing.T) {
				t.Parallel()
				w := e.dial(t)
				for piece := range slices.Chunk(x.send, size) {
					w.write(piece)
				}
				w.expect(x.want...)
			})
		}
	}
}

// timeout bounds every wait of a test.
const timeout = 30 * time.Second

// rawClient is a client without a WebSocket library: it reads and writes bytes.
type rawClient struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (e *echo) dial(t *testing.T, header ...string) *rawClient {
	t.Helper()
	w := dialRaw(t, e.Listener.Addr().String())
	w.handshake(header...)
	require.Equal(t, "welcome", w.next())
	return w
}

func dialRaw(t *testing.T, addr string) *rawClient {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
	return &rawClient{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

// write writes bytes. It ignores errors, because the tests check the server's response.
func (w *rawClient) write(p []byte) { _, _ = w.Write(p) }

func (w *rawClient) handshake(header ...string) *http.Response {
	w.t.Helper()
	lines := append([]string{
		"GET / HTTP/1.1", "Host: test", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey,
	}, header...)
	response := w.ask(lines...)
	require.Equal(w.t, http.StatusSwitchingProtocols, response.StatusCode)
	return response
}

// ask writes the lines of a request and reads the header of the response.
func (w *rawClient) ask(lines ...string) *http.Response {
	w.t.Helper()
	w.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	response, err := http.ReadResponse(w.r, nil)
	require.NoError(w.t, err)
	return response
}

// expect requires the given frames in order. If the last one is a close frame, the
// connection must then end without a reset and without more bytes. If it is not, the
// socket must still be open.
func (w *rawClient) expect(want ...string) {
	w.t.Helper()
	last := ""
	for i, wanted := range want {
		last = w.next()
		require.Equal(w.t, wanted, last, "frame %d of %d", i+1, len(want))
	}
	if strings.HasPrefix(last, "close ") {
		w.answer(last)
		w.requireEOF()
		return
	}
	w.write(frame(fin|opPing, "alive?"))
	require.Equal(w.t, pong("alive?"), w.next())
}

// answer sends a close frame if the server has sent one and waits for that of the client.
// The server waits if the client's frame was well-formed and the server closed for another
// reason (section 7.1.2).
func (w *rawClient) answer(last string) {
	for _, code := range []realtime.CloseCode{realtime.CloseBinary, realtime.CloseNotUTF8, realtime.CloseFlood} {
		if last == closed(code) {
			w.write(closeFrame(code, ""))
		}
	}
}

// expectClose reads frames until a close frame, which must equal want. The connection
// must then end.
func (w *rawClient) expectClose(want string) {
	w.t.Helper()
	got := w.next()
	for !strings.HasPrefix(got, "close ") {
		got = w.next()
	}
	require.Equal(w.t, want, got)
	w.answer(got)
	w.requireEOF()
}

// requireEOF requires that the connection ends without a reset. A reset may destroy bytes
// that the client has not read yet (section 7.1.1).
func (w *rawClient) requireEOF() {
	w.t.Helper()
	_, err := w.r.ReadByte()
	require.Equal(w.t, io.EOF, err)
}

// next reads a frame from the server and describes it as text. The frame must follow RFC
// 6455.
func (w *rawClient) next() string {
	w.t.Helper()
	b0, payload := w.read()
	require.Equal(w.t, byte(fin), b0&0xf0, "the server's frame must be unfragmented and use no extension")
	switch b0 & 0x0f {
	case opText:
		return describe(w.t, payload)
	case opPing: // the server may ping at any time
		return w.next()
	case opPong:
		return pong(string(payload))
	case opClose:
		require.GreaterOrEqual(w.t, len(payload), 2)
		return closed(realtime.CloseCode(binary.BigEndian.Uint16(payload)))
	}
	require.Fail(w.t, "the server sent an unexpected frame", "%x %q", b0, payload)
	return ""
}

func (w *rawClient) read() (b0 byte, payload []byte) {
	w.t.Helper()
	head := w.bytes(2)
	require.Less(w.t, head[1], byte(128), "a server must not mask frames (section 5.1)")
	length := uint64(head[1])
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(w.bytes(2)))
		require.Greater(w.t, length, uint64(125), "the length is not minimal (section 5.2)")
	case 127:
		length = binary.BigEndian.Uint64(w.bytes(8))
		require.Greater(w.t, length, uint64(0xffff), "the length is not minimal (section 5.2)")
	}
	require.Less(w.t, length, uint64(1<<20))
	return head[0], w.bytes(int(length))
}

func (w *rawClient) bytes(n int) []byte {
	w.t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(w.r, p)
	require.NoError(w.t, err)
	return p
}

// The functions from pong to short describe frames in the form that the method next
// returns.

func pong(payload string) string            { return fmt.Sprintf("pong %q", payload) }
func closed(code realtime.CloseCode) string { return fmt.Sprintf("close %d", code) }

// reply returns the description of a reply frame with the requestId "r" and the given
// data.
func reply(data string) string { return "reply r " + short(data) }

// refused returns the description of an error frame. The requestID is empty if the error
// frame has none.
func refused(requestID, code string) string {
	return strings.TrimSpace("error "+requestID) + " " + code
}

func describe(t *testing.T, text []byte) string {
	t.Helper()
	var f struct {
		Type, RequestID string
		Data            json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &f))
	switch f.Type {
	case "reply":
		var data string
		if json.Unmarshal(f.Data, &data) != nil {
			data = string(f.Data)
		}
		return "reply " + f.RequestID + " " + short(data)
	case "error":
		var problem struct{ Code string }
		require.NoError(t, json.Unmarshal(f.Data, &problem))
		return refused(f.RequestID, problem.Code)
	}
	return f.Type
}

// short shortens long data, so that a failure is readable.
func short(data string) string {
	if len(data) <= 200 {
		return data
	}
	return fmt.Sprintf("%s... (%d bytes, sum %x)", data[:20], len(data), crc32.ChecksumIEEE([]byte(data)))
}

// The constants and functions from here on build the bytes that a client writes.

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// mask is the masking key in the example of section 5.7.
var mask = []byte{0x37, 0xfa, 0x21, 0x3d}

// echoFrame returns an "echo" frame, whose reply has the same data.
func echoFrame(data string) string { return `{"type":"echo","requestId":"r","data":"` + data + `"}` }

// frame returns a valid WebSocket frame from a client. b0 is the frame's first byte.
func frame(b0 byte, payload string) []byte {
	switch {
	case len(payload) <= 125:
		return sized(b0, 1, payload)
	case len(payload) <= 0xffff:
		return sized(b0, 2, payload)
	}
	return sized(b0, 8, payload)
}

// sized returns a frame that encodes its payload length in the given number of bytes.
func sized(b0 byte, bytesOfLength int, payload string) []byte {
	p := []byte{b0}
	switch bytesOfLength {
	case 1:
		p = append(p, 0x80|byte(len(payload)))
	case 2:
		p = binary.BigEndian.AppendUint16(append(p, 0x80|126), uint16(len(payload)))
	case 8:
		p = binary.BigEndian.AppendUint64(append(p, 0x80|127), uint64(len(payload)))
	}
	return append(append(p, mask...), masked(payload)...)
}

// headerOnly returns the header of a frame without its payload.
func headerOnly(b0 byte, length uint64) []byte {
	p := binary.BigEndian.AppendUint64([]byte{b0, 0x80 | 127}, length)
	return append(p, mask...)
}

func masked(payload string) []byte {
	p := []byte(payload)
	for i := range p {
		p[i] ^= mask[i%4]
	}
	return p
}

// unmasked returns a frame without a mask, which only a server may send.
func unmasked(b0 byte, payload string) []byte {
	return append([]byte{b0, byte(len(payload))}, payload...)
}

func message(data string) []byte { return frame(fin|opText, echoFrame(data)) }

// closeFrame returns a close frame with a code and a reason.
func closeFrame(code realtime.CloseCode, reason string) []byte {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// fragments splits a message into frames of the given size. It adds an empty last frame.
func fragments(size int, payload string) (frames []byte) {
	op := byte(opText)
	for piece := range slices.Chunk([]byte(payload), size) {
		frames = append(frames, frame(op, string(piece))...)
		op = opContinuation
	}
	return append(frames, frame(fin|opContinuation, "")...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
