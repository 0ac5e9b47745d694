package realtime

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// The websocket package holds a client to nearly all of RFC 6455. The few rules that
// it lets pass are held here, under it: what breaks one of them never gets there.

// violation is a broken rule, and the code that says so.
type violation struct {
	code   CloseCode
	reason string
}

func (v *violation) Error() string { return v.reason }

var (
	errLength   = &violation{closeProtocol, "a length is not written in the fewest bytes"}
	errHalfCode = &violation{closeProtocol, "a close frame has half a code"}
	errParts    = &violation{CloseFlood, "a message has more parts than bytes"}
)

// framing follows the frames of a client through the bytes of its connection. It
// looks at their heads alone, which may come in pieces.
type framing struct {
	maxParts int64

	head  [10]byte // of the frame that begins, without its key
	have  int      // bytes of it
	rest  uint64   // bytes until the next head
	parts int64    // of the message that goes on
}

// follow tells how many bytes come before the first frame that breaks a rule.
func (f *framing) follow(p []byte) (good int, err error) {
	for at := 0; at < len(p); {
		if f.rest > 0 {
			n := min(f.rest, uint64(len(p)-at))
			f.rest -= n
			at += int(n)
			continue
		}
		if f.have == 0 {
			good = at
		}
		f.head[f.have] = p[at]
		f.have++
		at++
		if f.have == f.headLength() {
			if err := f.begin(); err != nil {
				return good, err
			}
		}
	}
	return len(p), nil
}

func (f *framing) headLength() int {
	switch {
	case f.have < 2:
		return 2
	case f.head[1]&0x7f == 126:
		return 4
	case f.head[1]&0x7f == 127:
		return 10
	}
	return 2
}

// begin holds a frame against the rules (RFC 6455, sections 5.2 and 5.5.1) and goes
// on to the next.
func (f *framing) begin() error {
	length, ok := f.length()
	opcode := f.head[0] & 0x0f
	switch {
	case !ok:
		return errLength
	case opcode == websocket.CloseMessage && length == 1:
		return errHalfCode
	}
	f.have, f.rest = 0, length
	if masked := f.head[1]&0x80 != 0; masked {
		f.rest += 4
	}
	return f.count(opcode)
}

// length reads the length. It must be written in as few bytes as it fits into, and
// its highest bit must not be set.
func (f *framing) length() (length uint64, ok bool) {
	switch length = uint64(f.head[1] & 0x7f); length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
		return length, length > 125
	case 127:
		length = binary.BigEndian.Uint64(f.head[2:])
		return length, length > 0xffff && length>>63 == 0
	}
	return length, true
}

// count counts the parts of a message. A limit on its bytes ends none whose parts
// are empty.
func (f *framing) count(opcode byte) error {
	switch opcode {
	case 0: // continuation
		f.parts++
	case websocket.TextMessage, websocket.BinaryMessage:
		f.parts = 1
	}
	if f.parts > f.maxParts {
		return errParts
	}
	return nil
}

// strictConn is a connection that ends where the client breaks a rule.
type strictConn struct {
	net.Conn
	framing framing
	broken  error
}

func (c *strictConn) Read(p []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	n, err := c.Conn.Read(p)
	good, broken := c.framing.follow(p[:n])
	switch {
	case broken == nil:
		return n, err
	case good == 0:
		err = broken
	}
	c.broken = broken
	return good, err
}

// CloseWrite ends our side of the connection, where it has two.
func (c *strictConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// strictWriter is the answer to a handshake that puts a strictConn under the socket.
type strictWriter struct {
	http.ResponseWriter
	maxParts int64
	taken    bool // the connection is no longer one for answers
}

// Hijack takes the connection over.
func (w *strictWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	w.taken = true
	return &strictConn{Conn: conn, framing: framing{maxParts: w.maxParts}}, buffered, nil
}
