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

// The tests in the files rfc6455_*_test.go hold a live server against RFC 6455 rule
// by rule. They write bytes on a connection of their own, so that no library of ours
// stands between the rule and the server.

// exchange is one case: what a client writes after the handshake, and what comes back.
type exchange struct {
	section string // of RFC 6455
	name    string
	send    []byte
	want    []string // as heard describes it, in this order; a close is the last
}

// echo is a server whose sockets answer.
type echo struct {
	*httptest.Server
	hub     *realtime.Hub
	store   *store.Store
	metrics *prometheus.Registry

	held chan string   // requestIds of the frames "hold", as they arrive
	free chan struct{} // closed to let them be answered
}

func newEcho(t *testing.T, limits realtime.Limits) *echo {
	t.Helper()
	e := &echo{
		store: storetest.Connect(t, store.Config{}), metrics: prometheus.NewRegistry(),
		held: make(chan string, 64), free: make(chan struct{}),
	}
	e.hub = realtime.New(realtime.Config{
		Store: e.store, Limits: limits, Registerer: e.metrics, Logger: slog.New(slog.DiscardHandler),
		Problem: func(err error, requestID string) any {
			return map[string]string{"code": string(fieldgate.CodeOf(err)), "requestId": requestID}
		},
	})
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := realtime.OpenRequest{Tenant: storetest.Tenant(), User: "alice", Serve: e.serve}
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
		return nil, errors.New("a fault of ours")
	case "panic":
		panic("a fault of ours")
	case "hold":
		e.held <- f.RequestID
		select {
		case <-e.free:
		case <-ctx.Done():
		}
		return nil, nil
	}
	return nil, fieldgate.Refuse(fieldgate.CodeValidationFailed, "There is no such type of frame.")
}

// play runs the cases, each twice: written at once, and byte by byte.
func (e *echo) play(t *testing.T, cases ...exchange) {
	t.Helper()
	for _, x := range cases {
		for way, size := range map[string]int{"at once": max(1, len(x.send)), "by bytes": 1} {
			if size == 1 && len(x.send) > 4<<10 {
				size = 1000 // each write is a system call
			}
			t.Run(x.section+" "+x.name+", "+way, func(t *testing.T) {
				t.Parallel()
				w := e.dial(t)
				for piece := range slices.Chunk(x.send, size) {
					w.write(piece)
				}
				w.hear(x.want...)
			})
		}
	}
}

// patience is how long anything may take before it counts as not coming.
const patience = 30 * time.Second

// wire is a client that knows no protocol.
type wire struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (e *echo) dial(t *testing.T, header ...string) *wire {
	t.Helper()
	w := newWire(t, e.Listener.Addr().String())
	w.handshake(header...)
	require.Equal(t, "welcome", w.next())
	return w
}

func newWire(t *testing.T, addr string) *wire {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &wire{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

// write ignores errors: what counts is what the server says to it.
func (w *wire) write(p []byte) { _, _ = w.Write(p) }

func (w *wire) handshake(header ...string) *http.Response {
	w.t.Helper()
	lines := append([]string{
		"GET / HTTP/1.1", "Host: test", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey,
	}, header...)
	response := w.ask(lines...)
	require.Equal(w.t, http.StatusSwitchingProtocols, response.StatusCode)
	return response
}

// ask writes the lines of a request and reads the head of the answer.
func (w *wire) ask(lines ...string) *http.Response {
	w.t.Helper()
	w.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	response, err := http.ReadResponse(w.r, nil)
	require.NoError(w.t, err)
	return response
}

// hear expects frames in an order. After a close the connection must end, cleanly and
// without more; otherwise it must be alive.
func (w *wire) hear(want ...string) {
	w.t.Helper()
	last := ""
	for i, wanted := range want {
		last = w.next()
		require.Equal(w.t, wanted, last, "frame %d of %d", i+1, len(want))
	}
	if strings.HasPrefix(last, "close ") {
		w.answer(last)
		w.requireEnd()
		return
	}
	w.write(frame(fin|opPing, "alive?"))
	require.Equal(w.t, pong("alive?"), w.next())
}

// answer answers a close where the server waits for that: where the frame of the client
// was well-formed, and the server had other reasons (section 7.1.2).
func (w *wire) answer(last string) {
	for _, code := range []realtime.CloseCode{realtime.CloseBinary, realtime.CloseNotUTF8, realtime.CloseFlood} {
		if last == closed(code) {
			w.write(closing(code, ""))
		}
	}
}

// untilClose skips what comes before a close, and expects the end after it.
func (w *wire) untilClose(want string) {
	w.t.Helper()
	heard := w.next()
	for !strings.HasPrefix(heard, "close ") {
		heard = w.next()
	}
	require.Equal(w.t, want, heard)
	w.answer(heard)
	w.requireEnd()
}

// requireEnd expects the end of the connection. A reset would be none: it may destroy
// what the client has not read yet (section 7.1.1).
func (w *wire) requireEnd() {
	w.t.Helper()
	_, err := w.r.ReadByte()
	require.Equal(w.t, io.EOF, err)
}

// next reads and describes a frame of the server, which has to keep the rules too.
func (w *wire) next() string {
	w.t.Helper()
	b0, payload := w.read()
	require.Equal(w.t, byte(fin), b0&0xf0, "a frame of the server is whole and uses no extension")
	switch b0 & 0x0f {
	case opText:
		return describe(w.t, payload)
	case opPing: // may come at any time
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

func (w *wire) read() (b0 byte, payload []byte) {
	w.t.Helper()
	head := w.bytes(2)
	require.Less(w.t, head[1], byte(128), "a server must not mask (section 5.1)")
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

func (w *wire) bytes(n int) []byte {
	w.t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(w.r, p)
	require.NoError(w.t, err)
	return p
}

// What comes back, in words.

func pong(payload string) string            { return fmt.Sprintf("pong %q", payload) }
func closed(code realtime.CloseCode) string { return fmt.Sprintf("close %d", code) }

// reply is the answer to a frame with the requestId r.
func reply(data string) string { return "reply r " + short(data) }

// refused is an error frame; without an id where the frame had none.
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

// short keeps failures readable.
func short(data string) string {
	if len(data) <= 200 {
		return data
	}
	return fmt.Sprintf("%s... (%d bytes, sum %x)", data[:20], len(data), crc32.ChecksumIEEE([]byte(data)))
}

// What a client writes.

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

// mask is the key of the example in section 5.7.
var mask = []byte{0x37, 0xfa, 0x21, 0x3d}

// said is a frame of ours that is answered with its data.
func said(data string) string { return `{"type":"echo","requestId":"r","data":"` + data + `"}` }

// frame is a frame of a client that keeps the rules.
func frame(b0 byte, payload string) []byte {
	switch {
	case len(payload) <= 125:
		return sized(b0, 1, payload)
	case len(payload) <= 0xffff:
		return sized(b0, 2, payload)
	}
	return sized(b0, 8, payload)
}

// sized writes the length in so many bytes, whether it needs them or not.
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

// announced is the head of a frame of which nothing more comes.
func announced(b0 byte, length uint64) []byte {
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

// unmasked is a frame as only a server may send it.
func unmasked(b0 byte, payload string) []byte {
	return append([]byte{b0, byte(len(payload))}, payload...)
}

func message(data string) []byte { return frame(fin|opText, said(data)) }

// closing is a close frame with a code and a reason.
func closing(code realtime.CloseCode, reason string) []byte {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// parts cuts a message into frames of so many bytes.
func parts(size int, payload string) (frames []byte) {
	op := byte(opText)
	for piece := range slices.Chunk([]byte(payload), size) {
		frames = append(frames, frame(op, string(piece))...)
		op = opContinuation
	}
	return append(frames, frame(fin|opContinuation, "")...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
