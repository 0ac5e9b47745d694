package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// statusAbandoned stands in log and metrics for an answer that nobody waited for, so
// that clients who hang up do not look like faults. It is never sent.
const statusAbandoned = 499

// How much is logged of a path and of a method that are none of ours, in bytes.
const (
	maxLoggedPath   = 256
	maxLoggedMethod = 32
)

// observe writes one log line and counts one request when it has been served, also
// when it was served by a panic.
func (e *edge) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := e.now()
		recorded := &recorder{ResponseWriter: w}
		defer func() { e.report(r, recorded, e.now().Sub(started)) }()
		next.ServeHTTP(recorded, r)
	})
}

func (e *edge) report(r *http.Request, answer *recorder, took time.Duration) {
	facts := request.Of(r.Context())
	pattern := chi.RouteContext(r.Context()).RoutePattern()
	if facts.Operation == "" {
		facts.Operation = e.contract.operationID(r.Method, pattern)
	}
	status := finalStatus(facts, answer)
	e.metrics.count(facts.Operation, status, took)

	level := logLevel(facts, status)
	if e.logger.Enabled(r.Context(), level) {
		line := logLine(r, facts, pattern, status, answer.bytes, took)
		if facts.Err != nil && level >= slog.LevelWarn {
			line = append(line, slog.String("error", facts.Err.Error()))
		}
		e.logger.LogAttrs(r.Context(), level, "request", line...)
	}
}

// finalStatus is what net/http sends where a handler has sent nothing: 200.
func finalStatus(facts *request.Facts, answer *recorder) int {
	switch {
	case facts.Abandoned:
		return statusAbandoned
	case answer.status == 0:
		return http.StatusOK
	}
	return answer.status
}

// logLevel goes by what went wrong, also if the answer was begun before it did. It
// keeps the probes, which come every few seconds, out of the usual log.
func logLevel(facts *request.Facts, status int) slog.Level {
	if facts.Code != "" && !facts.Abandoned {
		status = max(status, problem.Status(facts.Code))
	}
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case facts.Operation == "getHealth" || facts.Operation == "getReadiness":
		return slog.LevelDebug
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// logLine names what was asked for and what came of it. It has no query and no
// header, which may hold secrets, and no path with ids in it where a pattern says as
// much.
func logLine(r *http.Request, facts *request.Facts, pattern string, status int, bytes int64, took time.Duration) []slog.Attr {
	line := []slog.Attr{
		slog.String("method", shortened(r.Method, maxLoggedMethod)),
		slog.String("route", pattern),
		slog.Int("status", status),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.Int64("bytes", bytes),
		slog.String("requestId", facts.ID),
		slog.String("client", facts.Addr.String()),
	}
	if pattern == "" {
		line[1] = slog.String("path", shortened(r.URL.EscapedPath(), maxLoggedPath))
	}
	if facts.Operation != "" {
		line = append(line, slog.String("operation", facts.Operation))
	}
	if facts.Principal != "" {
		line = append(line, slog.String("principal", facts.Principal))
	}
	if facts.Code != "" {
		line = append(line, slog.String("code", string(facts.Code)))
	}
	return line
}

func shortened(text string, limit int) string {
	return text[:min(len(text), limit)]
}
