package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/generated"
)

// NewStarting returns the handler of an instance that has not reached its store yet. The
// instance is alive and not ready. All other requests are refused as in an outage, with
// retryAfter. strictTransport is that of Config.HSTS.
func NewStarting(retryAfter time.Duration, strictTransport string) http.Handler {
	e := edge{hsts: hsts(strictTransport), logger: slog.New(slog.DiscardHandler)}
	r := chi.NewRouter()
	r.Use(e.assignRequestID, recoverPanic, e.hsts.secure)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, generated.Health{Status: generated.HealthStatusOk, Timestamp: fieldgate.At(time.Now())})
	})
	r.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusServiceUnavailable, generated.Readiness{Checks: generated.ReadinessChecks{
			Redis:    generated.DependencyCheck{Error: "the store has not been reached yet"},
			Supabase: generated.DependencyCheck{Error: "not checked before the store has been reached"},
		}})
	})
	refuse := func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, &fieldgate.Error{
			Code:       fieldgate.CodeStoreUnavailable,
			Detail:     "The gateway has just started and cannot reach its store yet. Try again shortly.",
			RetryAfter: retryAfter,
		})
	}
	r.NotFound(refuse)
	r.MethodNotAllowed(refuse)
	return r
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client is gone
}
