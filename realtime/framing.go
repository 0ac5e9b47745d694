package realtime

import (
	"encoding/binary"

	"github.com/gorilla/websocket"
)

// violation is a broken rule of RFC 6455, with the code and the reason for the close
// frame. The websocket package checks most rules. This file checks the others, before the
// websocket package gets the bytes.
type violation struct {
	code   CloseCode
	reason string
}

func (v *violation) Error() string { return v.reason }

var (
	errLengthNotMinimal = &violation{closeProtocol, "a length is not written in the fewest bytes"}
	errTruncatedCode    = &violation{closeProtocol, "a close frame has half a code"}
	errTooManyFragments = &violation{CloseFlood, "a message has more fragments than bytes"}
)

// framing tracks where WebSocket frames begin and end in the bytes that a client sends.
// It parses only the frame headers. A header may arrive in several pieces.
type framing struct {
	maxFragments int64

	header    [10]byte // header of the current frame, without the mask
	headerLen int      // number of header bytes that have arrived
	remaining uint64   // number of bytes before the next header
	fragments int64    // number of fragments of the current message so far
}

// advance parses p, the next bytes from the client. It returns how many bytes of p belong
// to the current frame. If the frame breaks a rule, advance returns an error, and the
// caller must pass on no more bytes. Some bytes of the frame's header may already have
// been passed on after earlier calls.
func (f *framing) advance(p []byte) (n int, err error) {
	for f.remaining == 0 && n < len(p) {
		f.header[f.headerLen] = p[n]
		f.headerLen++
		n++
		if f.headerLen < f.wantedHeaderLen() {
			continue
		}
		if err := f.endHeader(); err != nil {
			return 0, err
		}
		if f.remaining == 0 {
			return n, nil
		}
	}
	payload := min(f.remaining, uint64(len(p)-n))
	f.remaining -= payload
	return n + int(payload), nil
}

// wantedHeaderLen returns the length of the current header, without the mask. It returns
// 2 until the byte that determines the length has arrived.
func (f *framing) wantedHeaderLen() int {
	switch {
	case f.headerLen < 2:
		return 2
	case f.header[1]&0x7f == 126:
		return 4
	case f.header[1]&0x7f == 127:
		return 10
	}
	return 2
}

// endHeader checks a complete header (RFC 6455, sections 5.2 and 5.5.1) and starts the
// payload.
func (f *framing) endHeader() error {
	length, ok := f.payloadLen()
	opcode := f.header[0] & 0x0f
	switch {
	case !ok:
		return errLengthNotMinimal
	case opcode == websocket.CloseMessage && length == 1:
		return errTruncatedCode
	}
	f.headerLen, f.remaining = 0, length
	if masked := f.header[1]&0x80 != 0; masked {
		f.remaining += 4
	}
	return f.countFragment(opcode)
}

// payloadLen returns the payload length in the header. It returns false if the length
// could be written in fewer bytes, or if its highest bit is set.
func (f *framing) payloadLen() (length uint64, ok bool) {
	switch length = uint64(f.header[1] & 0x7f); length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.header[2:]))
		return length, length > 125
	case 127:
		length = binary.BigEndian.Uint64(f.header[2:])
		return length, length > 0xffff && length>>63 == 0
	}
	return length, true
}

// countFragment counts the fragments of a message. It returns an error if the message has
// more than maxFragments. The size limit alone is not enough, because empty fragments do
// not count towards it.
func (f *framing) countFragment(opcode byte) error {
	switch opcode {
	case 0: // continuation
		f.fragments++
	case websocket.TextMessage, websocket.BinaryMessage:
		f.fragments = 1
	}
	if f.fragments > f.maxFragments {
		return errTooManyFragments
	}
	return nil
}
