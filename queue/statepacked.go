package queue

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
)

// isPacked reports whether a state is packed, and not JSON. A packed state is a map of MessagePack,
// whose first byte is never that of a JSON object.
func isPacked(raw string) bool { return !strings.HasPrefix(raw, "{") }

// parsePacked decodes a packed state. It returns false for a text that is not one. It ignores
// fields that it does not know, as package encoding/json does for a state in JSON.
func parsePacked(raw string) (s state, ok bool) {
	p := packedParser{rest: raw, ok: true}
	p.object(func(name string) {
		switch name {
		case "approval":
			s.Approval = p.approval()
		case "votes":
			s.Votes = p.votes()
		case "glass":
			s.Glass = new(glassState)
			p.object(func(name string) { p.scalar(s.Glass.field(name)) })
		case "history":
			s.History = p.history()
		default:
			p.scalar(s.field(name))
		}
	})
	return s, p.ok && p.rest == ""
}

// packedParser parses MessagePack as the scripts write it. Once ok is false, nothing that was parsed
// may be used.
type packedParser struct {
	rest string
	ok   bool
}

func (p *packedParser) approval() *approvalState {
	a := new(approvalState)
	p.object(func(name string) { p.scalar(a.field(name)) })
	return a
}

func (p *packedParser) votes() []approvalState {
	all := []approvalState{}
	for range p.length(0x90, 0xdc) {
		a := p.approval()
		if !p.ok {
			break
		}
		all = append(all, *a)
	}
	return all
}

// history parses a list of attempts.
func (p *packedParser) history() []attemptState {
	all := []attemptState{}
	for range p.length(0x90, 0xdc) {
		var a attemptState
		p.object(func(name string) { p.scalar(a.field(name)) })
		if !p.ok {
			break
		}
		all = append(all, a)
	}
	return all
}

// object parses a map. It calls value for each name, which parses the value.
func (p *packedParser) object(value func(name string)) {
	for range p.length(0x80, 0xde) {
		if value(p.text()); !p.ok {
			return
		}
	}
}

// length parses the head of a map or an array. A short one is in the byte `short`, and the bytes
// after `long` hold the length of a longer one.
func (p *packedParser) length(short, long byte) int {
	switch kind := p.byte(); {
	case kind&0xf0 == short:
		return int(kind & 0x0f)
	case kind == long:
		return int(p.unsigned(2))
	}
	p.ok = false
	return 0
}

// scalar parses a value and stores it where to points. It ignores a value if to is nil or unread.
func (p *packedParser) scalar(to any) {
	switch to := to.(type) {
	case *string:
		*to = p.text()
	case *int:
		*to = int(p.number())
	case *int64:
		*to = p.number()
	case *bool:
		*to = p.boolean()
	default:
		p.value(maxPackedDepth)
	}
}

// text parses a string.
func (p *packedParser) text() string {
	switch kind := p.byte(); {
	case kind&0xe0 == 0xa0:
		return p.bytes(uint64(kind & 0x1f))
	case kind >= 0xd9 && kind <= 0xdb:
		return p.bytes(p.unsigned(1 << (kind - 0xd9)))
	}
	p.ok = false
	return ""
}

// number parses an integer that an int64 can hold.
func (p *packedParser) number() int64 {
	switch kind := p.byte(); {
	case kind <= 0x7f || kind >= 0xe0:
		return int64(int8(kind))
	case kind >= 0xcc && kind <= 0xcf:
		n := p.unsigned(1 << (kind - 0xcc))
		p.ok = p.ok && n <= math.MaxInt64
		return int64(n)
	case kind >= 0xd0 && kind <= 0xd3:
		unused := 64 - 8<<(kind-0xd0)
		return int64(p.unsigned(1<<(kind-0xd0))<<unused) >> unused
	}
	p.ok = false
	return 0
}

func (p *packedParser) boolean() bool {
	kind := p.byte()
	p.ok = p.ok && (kind == 0xc2 || kind == 0xc3)
	return kind == 0xc3
}

// maxPackedDepth is the depth of the values that value accepts.
const maxPackedDepth = 5

// value parses any value, such as that of a field which the state lacks.
func (p *packedParser) value(depth int) any {
	if p.rest == "" || depth == 0 {
		p.ok = false
		return nil
	}
	switch kind := p.rest[0]; {
	case kind&0xf0 == 0x80 || kind == 0xde:
		fields := map[string]any{}
		p.object(func(name string) { fields[name] = p.value(depth - 1) })
		return fields
	case kind&0xf0 == 0x90 || kind == 0xdc:
		return p.list(depth - 1)
	case kind&0xe0 == 0xa0 || kind >= 0xd9 && kind <= 0xdb:
		return p.text()
	case kind == 0xc2 || kind == 0xc3:
		return p.boolean()
	case kind == 0xc0 || kind == 0xca || kind == 0xcb:
		return p.odd()
	}
	return p.number()
}

// list parses an array. It returns an empty list for an empty one.
func (p *packedParser) list(depth int) []any {
	all := []any{}
	for range p.length(0x90, 0xdc) {
		one := p.value(depth)
		if !p.ok {
			break
		}
		all = append(all, one)
	}
	return all
}

// odd parses nil or a fraction. No field of a state holds one.
func (p *packedParser) odd() any {
	switch p.byte() {
	case 0xca:
		return math.Float32frombits(uint32(p.unsigned(4)))
	case 0xcb:
		return math.Float64frombits(p.unsigned(8))
	}
	return nil
}

// unpackedState returns a packed state as JSON, for an operator. It returns any other text as it is.
func unpackedState(raw string) string {
	p := packedParser{rest: raw, ok: raw != "" && isPacked(raw)}
	all, isMap := p.value(maxPackedDepth).(map[string]any)
	if text, err := json.Marshal(all); err == nil && isMap && p.ok && p.rest == "" {
		return string(text)
	}
	return raw
}

// unsigned parses a big-endian number of 1, 2, 4 or 8 bytes.
func (p *packedParser) unsigned(size int) uint64 {
	var padded [8]byte
	copy(padded[8-size:], p.bytes(uint64(size)))
	return binary.BigEndian.Uint64(padded[:])
}

func (p *packedParser) byte() byte {
	if one := p.bytes(1); one != "" {
		return one[0]
	}
	return 0
}

// bytes returns the next n bytes. If fewer are left, it returns none and ok is false.
func (p *packedParser) bytes(n uint64) (text string) {
	if n > uint64(len(p.rest)) {
		p.ok = false
		return ""
	}
	text, p.rest = p.rest[:n], p.rest[n:]
	return text
}
