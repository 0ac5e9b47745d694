package realtime

import (
	"encoding/binary"

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

// follow tells how many bytes belong to the frame that they begin or go on with. None
// do where that frame breaks a rule, but for what came of its head before.
func (f *framing) follow(p []byte) (n int, err error) {
	for f.rest == 0 && n < len(p) {
		f.head[f.have] = p[n]
		f.have++
		n++
		if f.have < f.headLength() {
			continue
		}
		if err := f.begin(); err != nil {
			return 0, err
		}
		if f.rest == 0 {
			return n, nil
		}
	}
	body := min(f.rest, uint64(len(p)-n))
	f.rest -= body
	return n + int(body), nil
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
