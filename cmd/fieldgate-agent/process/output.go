package process

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits on the kept output, in bytes. The head shows how the program started. The tail shows
// how it ended.
const (
	maxHead = 64 << 10
	maxTail = 128 << 10
)

// An outputBuffer keeps the head and the tail of the bytes written to it. A program that does not
// stop may still write to it while its output is read.
type outputBuffer struct {
	mu         sync.Mutex
	head, tail []byte
	total      int // number of bytes written
}

// Write appends p, and drops bytes from the middle of the output if it is too long. It never
// fails.
func (b *outputBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total += len(p)
	n := min(len(p), maxHead-len(b.head))
	b.head = append(b.head, p[:n]...)
	b.tail = append(b.tail, p[n:]...)
	if len(b.tail) > 2*maxTail {
		b.tail = append(b.tail[:0], b.tail[len(b.tail)-maxTail:]...)
	}
	return len(p), nil
}

// String returns the kept output as valid UTF-8, with a line in place of omitted bytes.
func (b *outputBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	tail := b.tail[max(0, len(b.tail)-maxTail):]
	omitted := b.total - len(b.head) - len(tail)
	if omitted == 0 {
		return strings.ToValidUTF8(string(b.head)+string(tail), string(utf8.RuneError))
	}
	text := fmt.Sprintf("%s\n[cut, %d bytes are left out]\n%s", b.head, omitted, tail)
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
