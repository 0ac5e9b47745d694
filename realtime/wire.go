package realtime

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// wire is the network connection under a WebSocket. Read returns an error when the client
// breaks a rule that the websocket package does not check. Read passes one frame at a
// time to that package, which therefore buffers nothing between two messages. So the
// socket can wait for the next message in awaitMessage, which needs little memory.
type wire struct {
	net.Conn
	framing framing
	broken  error // error for the rule that the client broke; nil if it broke none

	// ahead[from:to] holds bytes that were read from the connection but not yet passed to
	// the websocket package. Most messages from an idle client fit into ahead.
	ahead    [128]byte
	from, to int
}

// awaitMessage waits for the client's next message other than a pong. It calls onPong for
// each pong and skips it, because an idle client sends little else. It must be called
// between two messages.
//
// The goroutine of an idle socket waits here. Nested calls must stay shallow, so that the
// goroutine keeps its initial stack of 2 KiB. The websocket package's reader needs a
// larger stack.
func (w *wire) awaitMessage(onPong func()) error {
	for {
		if w.skipPong() {
			onPong()
			continue
		}
		if w.from < w.to {
			return nil
		}
		if err := w.readAhead(); err != nil {
			return err
		}
	}
}

// skipPong skips the next frame if it is a complete pong that breaks no rule (RFC 6455,
// sections 5.1, 5.2 and 5.5). It reports whether it has skipped one. The websocket
// package handles all other frames.
func (w *wire) skipPong() bool {
	const headerAndMask = 6
	text := w.ahead[w.from:w.to]
	if len(text) < headerAndMask || text[0] != 0x8a || text[1]&0x80 == 0 {
		return false
	}
	length := int(text[1] & 0x7f)
	if length > 125 || len(text) < headerAndMask+length {
		return false
	}
	w.from += headerAndMask + length
	return true
}

func (w *wire) readAhead() error {
	n, err := w.Conn.Read(w.ahead[:])
	w.from, w.to = 0, n
	if n > 0 {
		return nil
	}
	return err
}

// Read reads bytes of at most one frame.
func (w *wire) Read(p []byte) (int, error) {
	switch {
	case w.broken != nil:
		return 0, w.broken
	case w.from == w.to && w.framing.remaining > 0:
		n, err := w.Conn.Read(p[:min(uint64(len(p)), w.framing.remaining)])
		w.framing.remaining -= uint64(n)
		return n, err
	case w.from == w.to:
		if err := w.readAhead(); err != nil {
			return 0, err
		}
	}
	n, err := w.framing.advance(w.ahead[w.from:min(w.to, w.from+len(p))])
	w.broken = err
	copy(p, w.ahead[w.from:w.from+n])
	w.from += n
	return n, err
}

// CloseWrite closes the gateway's side of the connection. It returns
// errors.ErrUnsupported if the connection cannot close only one side.
func (w *wire) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// wireWriter is a response writer whose Hijack wraps the connection in a wire.
type wireWriter struct {
	http.ResponseWriter
	maxFragments int64
	wire         *wire // nil until Hijack succeeds
}

// Hijack implements http.Hijacker.
func (w *wireWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijacking the connection: %w", err)
	}
	limitSendBuffer(conn)
	w.wire = &wire{Conn: conn, framing: framing{maxFragments: w.maxFragments}}
	return w.wire, buffered, nil
}

// sendBuffer is the size of the kernel's send buffer of a connection, in bytes. The
// kernel's default grows to several MiB for a client that does not read.
const sendBuffer = 128 << 10

// limitSendBuffer sets the kernel's send buffer to sendBuffer. A failure is ignored,
// because it only costs memory.
func limitSendBuffer(conn net.Conn) {
	for {
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapped.NetConn()
	}
	if plain, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = plain.SetWriteBuffer(sendBuffer)
	}
}
