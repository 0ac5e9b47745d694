// Package admin serves the operator of an instance at an address of its own: its metrics, profiles,
// readiness in detail, and the level of its log.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"

	"github.com/fieldgate/fieldgate/listen"
	"github.com/fieldgate/fieldgate/logs"
)

// Config configures the handler. All fields are required.
type Config struct {
	// Token is the credential of every request. If it is "", no request needs one, which only a
	// listener on this machine may allow: requests must then name this machine as their host.
	Token *Token

	// Metrics serves the metrics of the instance.
	Metrics http.Handler

	// Level is the level of the log.
	Level *slog.LevelVar

	// Readiness returns a description of the instance that is encoded as JSON, and whether the
	// instance is ready.
	Readiness func(ctx context.Context) (detail any, ready bool)

	// Refused is called for each request with a wrong token.
	Refused func(r *http.Request)

	Logger *slog.Logger
}

// Token is a secret that can be replaced while it is in use. The zero Token is "".
type Token struct{ text atomic.Pointer[string] }

// Set replaces the token.
func (t *Token) Set(text string) { t.text.Store(&text) }

func (t *Token) get() string {
	if text := t.text.Load(); text != nil {
		return *text
	}
	return ""
}

// accepts reports whether a request has the token. The comparison takes the same time for each wrong
// token of any length.
func (t *Token) accepts(r *http.Request) bool {
	scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(t.get()))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// New returns the handler of the admin listener.
func New(cfg Config) http.Handler {
	h := handler{cfg}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", cfg.Metrics)
	mux.HandleFunc("GET /readyz", h.readiness)
	mux.HandleFunc("GET /log-level", h.level)
	mux.HandleFunc("PUT /log-level", h.setLevel)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound) // flags may contain secrets
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return h.authenticate(mux)
}

type handler struct{ Config }

// authenticate refuses requests without the token. If there is no token, it refuses requests for
// another host than this machine. Otherwise a web page that the operator visits could send requests
// here, after its own host name was resolved to 127.0.0.1.
func (h handler) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case h.Token.get() == "" && !isThisMachine(r.Host):
			http.Error(w, "The request must name this machine as its host, such as 127.0.0.1 or localhost.", http.StatusForbidden)
		case h.Token.get() != "" && !h.Token.accepts(r):
			h.Refused(r)
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "The request needs the token in FIELDGATE_ADMIN_TOKEN: send it as Authorization: Bearer.", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isThisMachine reports whether the Host header of a request is a loopback address or localhost.
func isThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return listen.IsLoopback(strings.Trim(host, "[]"))
}

func (h handler) readiness(w http.ResponseWriter, r *http.Request) {
	detail, ready := h.Readiness(r.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, detail)
}

// logLevel is the body of the requests and responses for the level of the log.
type logLevel struct {
	Level string `json:"level"` // "debug", "info", "warn" or "error"
}

func (h handler) level(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, logLevel{strings.ToLower(h.Level.Level().String())})
}

// maxLevelBody limits the size of a request body in bytes.
const maxLevelBody = 1 << 10

// setLevel sets the level of the log until the next start or SIGHUP.
func (h handler) setLevel(w http.ResponseWriter, r *http.Request) {
	var body logLevel
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLevelBody)).Decode(&body)
	level, ok := logs.ParseLevel(body.Level)
	if err != nil || !ok {
		http.Error(w, `The body must be a JSON object such as {"level": "debug"}: debug, info, warn or error.`, http.StatusBadRequest)
		return
	}
	before := h.Level.Level()
	h.Level.Set(level)
	h.Logger.WarnContext(r.Context(), "changed the level of the log", "from", before.String(), "to", level.String(), "peer", r.RemoteAddr)
	h.level(w, r)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client is gone
}
