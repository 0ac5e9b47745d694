package storetest

import (
	"bytes"
	"sync"
)

// Buffer is what a process or a logger writes, for reading while it does.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what is written.
func (x *Buffer) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

// String is all that was written so far.
func (x *Buffer) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}
