package schema

import (
	"strconv"
	"unicode/utf8"

	"github.com/fieldgate/fieldgate"
)

// Bounds limit the shape of a JSON text before it is decoded. A text of two megabytes can hold
// a million values, and decoded they take fifty times as much memory.
type Bounds struct {
	Bytes  int64 // maximum length of the whole text in bytes
	Values int   // maximum number of objects, arrays, members, items and scalars together
	String int   // maximum length of a string in bytes, as written with its escapes
	Name   int   // maximum length of a member's name in bytes, as written
	Depth  int   // maximum nesting depth of objects and arrays
}

const (
	// maxDepth is the maximum nesting depth. Every common JSON library supports this depth.
	maxDepth = 32

	// maxName is the maximum length of a member's name. It is far longer than usual names.
	maxName = 1024
)

// scan checks that data is one well-formed JSON value in UTF-8 and within the bounds. It returns
// the memory in bytes that the decoded value takes at most. It decodes nothing. It refuses a lone surrogate, which UTF-8 cannot
// represent (RFC 7493, section 2.1). A decoder would replace the surrogate with U+FFFD, so the
// handler would receive another value than the client sent.
func scan(data []byte, bounds Bounds) (bytes int64, wrong *fieldgate.FieldError) {
	if !utf8.Valid(data) {
		return 0, malformedError("is not UTF-8")
	}
	s := scanner{data: data, bounds: bounds}
	s.space()
	s.value(1)
	s.space()
	if s.wrong == nil && s.at < len(data) {
		s.wrong = malformedError("has more than one JSON value")
	}
	return int64(len(data) + s.values*bytesOfValue + s.objects*bytesOfObject), s.wrong
}

// scanner reads a JSON text once, from left to right. It stops at the first fault.
type scanner struct {
	data    []byte
	bounds  Bounds
	at      int
	values  int
	objects int
	wrong   *fieldgate.FieldError
}

// next returns the byte at the current position, or 0 at the end of the text or after a fault.
func (s *scanner) next() byte {
	if s.wrong != nil || s.at >= len(s.data) {
		return 0
	}
	return s.data[s.at]
}

func (s *scanner) fail() {
	switch {
	case s.wrong != nil:
	case s.at >= len(s.data):
		s.wrong = malformedError("is not complete JSON")
	default:
		s.wrong = malformedError("is not well-formed JSON at byte " + strconv.Itoa(s.at+1))
	}
}

func (s *scanner) exceed(keyword, reason string) {
	if s.wrong == nil {
		s.wrong = &fieldgate.FieldError{Keyword: keyword, Reason: reason}
	}
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// value reads one value. If the value is an object or array, depth is its nesting depth.
func (s *scanner) value(depth int) {
	if s.values++; s.values > s.bounds.Values {
		s.exceed("maxValues", "has more than "+count(uint64(s.bounds.Values), "value"))
		return
	}
	switch c := s.next(); {
	case c == '{':
		s.objects++
		s.container(depth, '}', s.member)
	case c == '[':
		s.container(depth, ']', s.value)
	case c == '"':
		s.text(s.bounds.String, "a string")
	case c == '-' || isDigit(c):
		s.number()
	default:
		s.literal()
	}
}

// container reads the elements of an object or array up to the closing bracket. Commas separate
// the elements.
func (s *scanner) container(depth int, closing byte, element func(depth int)) {
	if depth > s.bounds.Depth {
		s.exceed("maxDepth", "is nested more than "+count(uint64(s.bounds.Depth), "level")+" deep")
		return
	}
	s.at++
	if s.space(); s.next() == closing {
		s.at++
		return
	}
	for s.wrong == nil {
		element(depth + 1)
		s.space()
		switch s.next() {
		case closing:
			s.at++
			return
		case ',':
			s.at++
			s.space()
		default:
			s.fail()
		}
	}
}

func (s *scanner) member(depth int) {
	if s.next() != '"' {
		s.fail()
		return
	}
	s.text(s.bounds.Name, "a name")
	s.space()
	if s.next() != ':' {
		s.fail()
		return
	}
	s.at++
	s.space()
	s.value(depth)
}

// text reads a string. The text was already checked to be UTF-8.
func (s *scanner) text(longest int, what string) {
	start := s.at + 1
	for s.at = start; s.at < len(s.data); {
		switch c := s.data[s.at]; {
		case c == '"':
			if s.at-start > longest {
				s.exceed("maxLength", "has "+what+" of more than "+count(uint64(longest), "byte"))
			}
			s.at++
			return
		case c < ' ':
			s.fail()
			return
		case c == '\\':
			if !s.escape() {
				return
			}
		default:
			s.at++
		}
	}
	s.fail()
}

// escape reads an escape, or both escapes of a surrogate pair. It returns false if an escape is
// invalid.
func (s *scanner) escape() bool {
	if s.at+1 < len(s.data) {
		switch s.data[s.at+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.at += 2
			return true
		case 'u':
			return s.unicode()
		}
	}
	s.at = min(s.at+1, len(s.data))
	s.fail()
	return false
}

func (s *scanner) unicode() bool {
	unit, ok := s.hex(s.at)
	switch {
	case !ok:
		s.at = min(s.at+2, len(s.data))
		s.fail()
		return false
	case unit < 0xd800 || unit > 0xdfff:
		s.at += 6
		return true
	}
	if low, ok := s.hex(s.at + 6); ok && unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff {
		s.at += 12
		return true
	}
	s.wrong = malformedError("has half of a surrogate pair, which stands for no character")
	return false
}

// hex parses the escape \uXXXX that begins at s.data[start] and returns its UTF-16 code unit.
func (s *scanner) hex(start int) (unit rune, ok bool) {
	if start+6 > len(s.data) || s.data[start] != '\\' || s.data[start+1] != 'u' {
		return 0, false
	}
	for _, c := range s.data[start+2 : start+6] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// number reads a number as in RFC 8259, section 6: no leading zeros, and digits on both sides
// of a dot.
func (s *scanner) number() {
	if s.next() == '-' {
		s.at++
	}
	if s.next() == '0' {
		s.at++
	} else {
		s.digits()
	}
	if s.next() == '.' {
		s.at++
		s.digits()
	}
	if c := s.next(); c == 'e' || c == 'E' {
		s.at++
		if c := s.next(); c == '+' || c == '-' {
			s.at++
		}
		s.digits()
	}
}

// digits reads one or more digits.
func (s *scanner) digits() {
	if !isDigit(s.next()) {
		s.fail()
	}
	for isDigit(s.next()) {
		s.at++
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) literal() {
	for _, word := range []string{"true", "false", "null"} {
		if s.wrong == nil && len(s.data)-s.at >= len(word) && string(s.data[s.at:s.at+len(word)]) == word {
			s.at += len(word)
			return
		}
	}
	s.fail()
}
