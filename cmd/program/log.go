package program

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// maxBuffered is the size of the lines in bytes from which they are written at once.
const maxBuffered = 32 << 10

// Buffered returns a handler that collects the lines of a log and writes them together, at most
// delay after the first. A line of level warn or above is written at once, with all before it. The
// function newHandler creates the handler that formats the lines.
//
// A process that is killed loses the lines of the last delay. FlushLog writes them.
func Buffered(w io.Writer, delay time.Duration, newHandler func(io.Writer) slog.Handler) slog.Handler {
	b := &logBuffer{to: w, delay: delay}
	return bufferedHandler{newHandler(b), b}
}

// FlushLog writes the lines that the handler of the logger has collected, if it is one of Buffered.
func FlushLog(log *slog.Logger) {
	if h, ok := log.Handler().(bufferedHandler); ok {
		h.buffer.flush()
	}
}

// bufferedHandler is a handler that writes to a logBuffer.
type bufferedHandler struct {
	slog.Handler
	buffer *logBuffer
}

// Handle formats a record and, if it is a warning or an error, writes all lines.
func (h bufferedHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.buffer.flush()
	}
	return err
}

// WithAttrs returns a handler with more attributes and the same buffer.
func (h bufferedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bufferedHandler{h.Handler.WithAttrs(attrs), h.buffer}
}

// WithGroup returns a handler for a group and with the same buffer.
func (h bufferedHandler) WithGroup(name string) slog.Handler {
	return bufferedHandler{h.Handler.WithGroup(name), h.buffer}
}

// logBuffer collects lines. Its size is bounded: while the writer blocks, Write blocks too, once
// maxBuffered is reached.
type logBuffer struct {
	to    io.Writer
	delay time.Duration

	mu    sync.Mutex
	lines []byte
	timer *time.Timer // flushes; nil before the first line
}

// Write collects a line. The buffer of the caller may be used again.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		b.startTimer()
	}
	b.lines = append(b.lines, line...)
	if len(b.lines) >= maxBuffered {
		b.write()
	}
	return len(line), nil
}

func (b *logBuffer) startTimer() {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.delay, b.flush)
		return
	}
	b.timer.Reset(b.delay)
}

func (b *logBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

// write writes the collected lines. Like package slog, it ignores an error: there is no other place
// for it.
func (b *logBuffer) write() {
	if len(b.lines) > 0 {
		_, _ = b.to.Write(b.lines)
		b.lines = b.lines[:0]
	}
}
