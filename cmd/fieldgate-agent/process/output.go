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

// tail keeps the beginning and the end of what is written to it.
type tail struct {
	head, end []byte
	total     int
}

// Write keeps what it has room for. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.total += len(p)
	n := min(len(p), keepHead-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.end = append(t.end, p[n:]...)
	if len(t.end) > 2*keepTail {
		t.end = append(t.end[:0], t.end[len(t.end)-keepTail:]...)
	}
	return len(p), nil
}

// String gives what was kept, with a line where something is left out.
func (t *tail) String() string {
	end := t.end[max(0, len(t.end)-keepTail):]
	left := t.total - len(t.head) - len(end)
	if left == 0 {
		return strings.ToValidUTF8(string(t.head)+string(end), string(utf8.RuneError))
	}
	text := fmt.Sprintf("%s\n[cut, %d bytes are left out]\n%s", t.head, left, end)
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
