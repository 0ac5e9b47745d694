package realtime

import (
	"errors"
	"io"
	"slices"
)

// firstRead is the initial size in bytes of the buffer for a message. Most messages fit.
const firstRead = 512

// memory counts the bytes that a frame holds: its text while it is read, and the values that
// are decoded from it, until its reply is queued. A client may open many sockets and send
// the longest frame on each. Only one goroutine at a time uses a memory.
type memory struct {
	tenant string
	take   func(tenant string, bytes int64) error // Config.Hold; nil: nothing is counted
	free   func(tenant string, bytes int64)       // Config.Free
	bytes  int64
}

// hold adds bytes to those that the frame holds, or returns overloaded.
func (m *memory) hold(bytes int64) error {
	if m == nil || m.take == nil {
		return nil
	}
	if err := m.take(m.tenant, bytes); err != nil {
		return err
	}
	m.bytes += bytes
	return nil
}

// release removes all bytes that the frame holds.
func (m *memory) release() {
	if m != nil && m.bytes > 0 {
		m.free(m.tenant, m.bytes)
		m.bytes = 0
	}
}

// Hold adds bytes to those that the frame holds while it is served, for the values that are
// decoded from it. It returns overloaded if the tenant or the instance holds too much.
func (f Frame) Hold(bytes int64) error { return f.memory.hold(bytes) }

// errNoMemory is the error for a message that the instance cannot hold.
var errNoMemory = errors.New("the instance holds as many bytes as it can")

// readText reads a message. Its buffer grows as the message arrives, and the bytes are
// counted in m. The error is errNoMemory if m may not hold them.
func readText(r io.Reader, m *memory) (text []byte, err error) {
	for size := firstRead; ; size = cap(text) {
		if m.hold(int64(size)) != nil {
			return nil, errNoMemory
		}
		text = slices.Grow(text, size)
		for len(text) < cap(text) {
			n, err := r.Read(text[len(text):cap(text)])
			text = text[:len(text)+n]
			if err == io.EOF {
				return text, nil
			}
			if err != nil {
				return nil, err
			}
		}
	}
}
