package realtime

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// wire is the connection under a socket. It ends where the client breaks a rule that
// the websocket package lets pass, and gives that package one frame at a time: so
// nothing is left in there when a message was read, and the socket can wait here for
// the next one, where waiting costs little.
type wire struct {
	net.Conn
	framing framing
	broken  error

	// What was read and not given away yet is ahead[from:to]. Most of what an idle
	// client sends fits.
	ahead    [128]byte
	from, to int
}

// wait returns when the client says something that is for the websocket package. The
// pongs before that are only told of: they are nearly all that an idle client sends.
// It must be called between messages.
//
// The goroutine of an idle socket is in here. As long as what it calls stays shallow,
// as it does in the package's own reader not, its stack stays at the 2 KiB that it
// begins with.
func (w *wire) wait(pong func()) error {
	for {
		if w.skipPong() {
			pong()
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

// skipPong drops a pong that is there as a whole and breaks no rule (RFC 6455,
// sections 5.1, 5.2 and 5.5). One of which a part is there is not worth waiting for.
func (w *wire) skipPong() bool {
	const headAndKey = 6
	text := w.ahead[w.from:w.to]
	if len(text) < headAndKey || text[0] != 0x8a || text[1]&0x80 == 0 {
		return false
	}
	length := int(text[1] & 0x7f)
	if length > 125 || len(text) < headAndKey+length {
		return false
	}
	w.from += headAndKey + length
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

// Read gives what there is of one frame.
func (w *wire) Read(p []byte) (int, error) {
	switch {
	case w.broken != nil:
		return 0, w.broken
	case w.from == w.to && w.framing.rest > 0:
		n, err := w.Conn.Read(p[:min(uint64(len(p)), w.framing.rest)])
		w.framing.rest -= uint64(n)
		return n, err
	case w.from == w.to:
		if err := w.readAhead(); err != nil {
			return 0, err
		}
	}
	n, err := w.framing.follow(w.ahead[w.from:min(w.to, w.from+len(p))])
	w.broken = err
	copy(p, w.ahead[w.from:w.from+n])
	w.from += n
	return n, err
}

// CloseWrite ends our side of the connection, where it has two.
func (w *wire) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// wireWriter is the answer to a handshake that puts a wire under the socket.
type wireWriter struct {
	http.ResponseWriter
	maxParts int64
	wire     *wire // once the connection is no longer one for answers
}

// Hijack takes the connection over.
func (w *wireWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	boundSending(conn)
	w.wire = &wire{Conn: conn, framing: framing{maxParts: w.maxParts}}
	return w.wire, buffered, nil
}

// sendBuffer is what the kernel holds of what a client has not taken yet, in bytes. Left
// alone it holds several MiB for one that reads nothing.
const sendBuffer = 128 << 10

func boundSending(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if plain, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = plain.SetWriteBuffer(sendBuffer) // a bound that is not there costs memory, and no more
	}
}
