package process

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what is kept of the output of a program, in bytes: its beginning, which says
// what it was about, and its end, which says what became of it.
const (
	keepHead = 64 << 10
	keepTail = 128 << 10
)

// A Tail keeps the beginning and the end of what is written to it.
type Tail struct {
	head, tail []byte
	total      int
}

// Write keeps what it has room for. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.total += len(p)
	n := min(len(p), keepHead-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.tail = append(t.tail, p[n:]...)
	if len(t.tail) > 2*keepTail {
		t.tail = append(t.tail[:0], t.tail[len(t.tail)-keepTail:]...)
	}
	return len(p), nil
}

// String gives what was kept, with a line where something is left out.
func (t *Tail) String() string {
	tail := t.tail[max(0, len(t.tail)-keepTail):]
	left := t.total - len(t.head) - len(tail)
	if left == 0 {
		return strings.ToValidUTF8(string(t.head)+string(tail), string(utf8.RuneError))
	}
	text := fmt.Sprintf("%s\n[cut, %d bytes are left out]\n%s", t.head, left, tail)
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
