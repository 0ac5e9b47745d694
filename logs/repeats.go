package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// repeatsWindow is the time in which repeated warnings are counted.
	repeatsWindow = 10 * time.Second

	// maxRepeats is the number of equal warnings in a window that are written.
	maxRepeats = 50

	// maxKinds is the number of kinds of warnings that are counted. Further ones count as one kind.
	maxKinds = 256
)

// LimitRepeats returns a handler that writes at most 50 equal warnings or errors in ten seconds. In an
// outage, every request of a fleet fails with the same one. At the end of the ten seconds, a line says
// how many were left out. Lines are equal if level, message, operation, code, reason and type are; the
// ids may differ. Lines below the level warn are not limited.
func LimitRepeats(next slog.Handler) slog.Handler {
	return repeatsHandler{next, &repeats{summary: next, counts: map[kind]int{}}}
}

type repeatsHandler struct {
	slog.Handler
	repeats *repeats
}

// Handle passes the line on unless too many equal ones were written.
func (h repeatsHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && !h.repeats.allow(kindOf(r)) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler with more attributes and the same counts.
func (h repeatsHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return repeatsHandler{h.Handler.WithAttrs(attrs), h.repeats}
}

// WithGroup returns a handler for a group and with the same counts.
func (h repeatsHandler) WithGroup(name string) slog.Handler {
	return repeatsHandler{h.Handler.WithGroup(name), h.repeats}
}

// kind is what equal lines have in common. The zero kind stands for all lines beyond maxKinds.
type kind struct {
	level                                    slog.Level
	message, operation, code, reason, socket string
}

func kindOf(r slog.Record) kind {
	return kind{r.Level, r.Message, textOf(r, "operation"), textOf(r, "code"), textOf(r, "reason"), textOf(r, "type")}
}

// repeats counts the lines of the current window. Its size is bounded.
type repeats struct {
	summary slog.Handler // for the lines that say what was left out

	mu     sync.Mutex
	counts map[kind]int // empty outside of a window
}

// allow counts a line, and reports whether it may be written. The first line begins the window.
func (r *repeats) allow(k kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counts) == 0 {
		time.AfterFunc(repeatsWindow, r.endWindow)
	}
	if _, known := r.counts[k]; !known && len(r.counts) >= maxKinds {
		k = kind{}
	}
	r.counts[k]++
	return r.counts[k] <= maxRepeats
}

// endWindow writes how many lines were left out in the window that ends.
func (r *repeats) endWindow() {
	r.mu.Lock()
	counts := r.counts
	r.counts = map[kind]int{}
	r.mu.Unlock()
	for k, n := range counts {
		if n > maxRepeats {
			_ = r.summary.Handle(context.Background(), k.summary(n-maxRepeats))
		}
	}
}

// summary returns the line for lines that were left out.
func (k kind) summary(left int) slog.Record {
	line := slog.NewRecord(time.Now(), max(k.level, slog.LevelWarn), "left out repeated lines", 0)
	line.AddAttrs(slog.Int("lines", left))
	for _, a := range [...]struct{ name, value string }{
		{"message", k.message}, {"operation", k.operation}, {"code", k.code}, {"reason", k.reason}, {"type", k.socket},
	} {
		if a.value != "" {
			line.AddAttrs(slog.String(a.name, a.value))
		}
	}
	return line
}
