// Package logs completes the lines of the log: it adds what is known of the request that caused a line,
// and limits how often the same warning is written.
package logs

import (
	"context"
	"log/slog"

	"github.com/fieldgate/fieldgate/api/request"
)

// WithRequest returns a handler that adds the ids of the request in the context to each line, under the
// names that the access log has for them. It adds no attribute that the line has already.
func WithRequest(next slog.Handler) slog.Handler { return requestHandler{next} }

type requestHandler struct{ slog.Handler }

// Handle adds the ids of the request, and passes the line on.
func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	info := request.Of(ctx)
	if info.ID == "" {
		return h.Handler.Handle(ctx, r)
	}
	r = r.Clone()
	add := func(name, id string) {
		if id != "" && !has(r, name) {
			r.AddAttrs(slog.String(name, id))
		}
	}
	add("requestId", info.ID)
	add("traceId", info.TraceID())
	for name, id := range info.IDs() {
		add(name, id)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler with more attributes.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup returns a handler for a group.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}

// has reports whether a line has an attribute.
func has(r slog.Record, name string) bool { return textOf(r, name) != "" }

// textOf returns the text of an attribute of a line, or "" if it has none.
func textOf(r slog.Record, name string) (text string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == name {
			text = a.Value.String()
		}
		return a.Key != name
	})
	return text
}
