package realtime

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// wire is the network connection under a WebSocket. It returns an error when the client
// breaks a rule that the websocket package does not check. It passes that package one
// frame at a time. The package therefore buffers nothing between two messages, and the
// socket can wait for the next message in awaitMessage, which needs little memory.
type wire struct {
	net.Conn
	framing framing
	broken  error // the rule that the client broke

	// ahead[from:to] holds bytes that were read from the connection and not yet passed
	// on. Most messages of an idle client fit into it.
	ahead    [128]byte
	from, to int
}

// awaitMessage waits until the client sends a message for the websocket package. It
// calls onPong for each pong before that and does not pass it on, because pongs are
// nearly all that an idle client sends. It must be called between two messages.
//
// The goroutine of an idle socket waits here. The calls must stay shallow: then the
// goroutine keeps its initial stack of 2 KiB. The reader of the websocket package
// needs more.
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

// skipPong skips a pong that is complete and breaks no rule (RFC 6455, sections 5.1,
// 5.2 and 5.5), and reports whether it did. Any other frame is left to the websocket
// package.
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

// Read reads bytes of one frame.
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

// CloseWrite closes the gateway's side of the connection. The error is
// errors.ErrUnsupported for a connection that cannot close one side.
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

// limitSendBuffer limits the kernel's send buffer. A failure costs memory only, so it
// is ignored.
func limitSendBuffer(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if plain, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = plain.SetWriteBuffer(sendBuffer)
	}
}
