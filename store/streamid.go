package store

import (
	"math"
	"strconv"
	"strings"
)

// StreamID is the id of an entry of a stream: the Unix milliseconds at which Redis added
// the entry, and a sequence number within the millisecond. The zero StreamID is before
// every entry.
type StreamID struct{ Ms, Seq uint64 }

// ParseStreamID parses an id as Redis writes it, "<ms>-<seq>". It returns false
// for any other text.
func ParseStreamID(text string) (id StreamID, ok bool) {
	ms, seq, ok := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return StreamID{a, b}, ok && err1 == nil && err2 == nil
}

// String returns the id as Redis writes it.
func (i StreamID) String() string {
	return strconv.FormatUint(i.Ms, 10) + "-" + strconv.FormatUint(i.Seq, 10)
}

// After reports whether the entry with id i is later than the entry with id other.
func (i StreamID) After(other StreamID) bool {
	return i.Ms > other.Ms || i.Ms == other.Ms && i.Seq > other.Seq
}

// IsLast reports whether i is the greatest possible id. Redis refuses this id as the
// exclusive start of a range.
func (i StreamID) IsLast() bool { return i == StreamID{math.MaxUint64, math.MaxUint64} }
