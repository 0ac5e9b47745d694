package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// statusAbandoned is the status in logs and metrics for a request whose client closed the
// connection before the response. It distinguishes such requests from failures of the gateway. No
// response has this status.
const statusAbandoned = 499

// These are the maximum numbers of logged bytes: of a path, and of a method that the contract
// does not have.
const (
	maxLoggedPath   = 256
	maxLoggedMethod = 32
)

// observe logs and counts each request after it was served, even if its handler panicked.
func (e *edge) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := e.now()
		recorded := &recorder{ResponseWriter: w}
		r, span := e.startSpan(r)
		defer func() {
			e.logRequest(r, recorded, e.now().Sub(started))
			endSpan(span, r, recorded)
		}()
		next.ServeHTTP(recorded, r)
	})
}

// logRequest counts a request and writes its log line.
func (e *edge) logRequest(r *http.Request, response *recorder, took time.Duration) {
	info := request.Of(r.Context())
	pattern := chi.RouteContext(r.Context()).RoutePattern()
	if info.Operation == "" {
		info.Operation = e.contract.operationID(r.Method, pattern)
	}
	readPathIDs(info, chi.RouteContext(r.Context()))
	status := finalStatus(info, response)
	e.metrics.count(info.Operation, status, took)
	e.metrics.countUnknownKey(info.Reason, status)
	if info.Reason != "" {
		e.unauthenticated(info.Reason)
	}

	level := logLevel(info, status)
	if e.logger.Enabled(r.Context(), level) && e.isLogged(info, status) {
		line := logAttrs(r, info, pattern, status, response.bytes, took)
		if e.logEvery > 1 {
			line = append(line, slog.Uint64("oneOf", e.weight(info, status)))
		}
		if info.Err != nil && level >= slog.LevelWarn {
			line = append(line, slog.String("error", info.Err.Error()))
		}
		e.logger.LogAttrs(context.Background(), level, "request", line...) // the line has the ids of the request
	}
}

// readPathIDs records the ids in the path of a request that no handler has recorded.
func readPathIDs(info *request.Info, route *chi.Context) {
	info.Device = cmp.Or(info.Device, route.URLParam("deviceId"))
	info.Session = cmp.Or(info.Session, route.URLParam("sessionId"))
	info.Command = cmp.Or(info.Command, route.URLParam("commandId"))
}

// isLogged reports whether a request is logged. Of those without an error, it chooses one of
// Config.LogEvery.
func (e *edge) isLogged(info *request.Info, status int) bool {
	return e.weight(info, status) == 1 || e.served.Add(1)%e.logEvery == 0
}

// weight returns the number of requests for which the line of a request stands.
func (e *edge) weight(info *request.Info, status int) uint64 {
	if status >= http.StatusBadRequest || info.Code != "" || info.Reason != "" {
		return 1
	}
	return e.logEvery
}

// finalStatus returns the status to log. If the handler has sent nothing, the status is 200,
// because net/http then sends 200.
func finalStatus(info *request.Info, response *recorder) int {
	switch {
	case info.Abandoned:
		return statusAbandoned
	case response.status == 0:
		return http.StatusOK
	}
	return response.status
}

// logLevel returns the level of a request's log line. For an error after the start of the
// response, the level follows from the error's code, not from the status that was sent.
func logLevel(info *request.Info, status int) slog.Level {
	if info.Code != "" && !info.Abandoned {
		status = max(status, problem.Status(info.Code))
	}
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case isRoutine(info, status):
		return slog.LevelDebug
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// isRoutine reports whether a request is a health probe, or a heartbeat without an error. They arrive
// every few seconds, so they are logged at debug level.
func isRoutine(info *request.Info, status int) bool {
	switch info.Operation {
	case "getHealth", "getReadiness":
		return true
	case "sendHeartbeat":
		return status < http.StatusBadRequest
	}
	return false
}

// logAttrs returns the attributes of a request's log line. It omits the query and the headers,
// because they may contain secrets. If the request has a route, the line has the route's
// pattern instead of the path, because a path contains ids.
func logAttrs(r *http.Request, info *request.Info, pattern string, status int, bytes int64, took time.Duration) []slog.Attr {
	line := []slog.Attr{
		slog.String("method", truncate(r.Method, maxLoggedMethod)),
		slog.String("route", pattern),
		slog.Int("status", status),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.Int64("bytes", bytes),
		slog.String("requestId", info.ID),
		slog.String("client", info.Addr.String()),
	}
	if pattern == "" {
		line[1] = slog.String("path", truncate(r.URL.EscapedPath(), maxLoggedPath))
	}
	if info.Operation != "" {
		line = append(line, slog.String("operation", info.Operation))
	}
	if info.Tenant != "" {
		line = append(line, slog.String("tenant", info.Tenant))
	}
	if info.Principal != "" {
		line = append(line, slog.String("principal", info.Principal))
	}
	line = appendIDs(line, info)
	if info.Code != "" {
		line = append(line, slog.String("code", string(info.Code)))
	}
	if info.Reason != "" {
		line = append(line, slog.String("reason", string(info.Reason)))
	}
	return line
}

// appendIDs appends the ids of what a request concerns, as far as they are known.
func appendIDs(line []slog.Attr, info *request.Info) []slog.Attr {
	for _, id := range [...]struct{ name, value string }{
		{"device", info.Device}, {"user", info.User}, {"session", info.Session}, {"command", info.Command},
		{"traceId", info.TraceID()}, {"amazonTraceId", info.AmazonTraceID},
	} {
		if id.value != "" {
			line = append(line, slog.String(id.name, id.value))
		}
	}
	return line
}

func truncate(text string, limit int) string {
	return text[:min(len(text), limit)]
}
