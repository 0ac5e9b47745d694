package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/admin"
)

const token = "a-token-of-an-operator-with-40-characters"

// instance is the admin handler of an instance.
type instance struct {
	http.Handler
	token   admin.Token
	level   slog.LevelVar
	ready   bool
	refused int
}

func newInstance(token string) *instance {
	i := &instance{ready: true}
	i.token.Set(token)
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "fieldgate_test_total"}))
	i.Handler = admin.New(admin.Config{
		Token: &i.token, Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Level: &i.level, Logger: slog.New(slog.DiscardHandler),
		Readiness: func(context.Context) (any, bool) { return map[string]bool{"ready": i.ready}, i.ready },
		Refused:   func(*http.Request) { i.refused++ },
	})
	return i
}

// do sends a request to 127.0.0.1 with an Authorization header, if it is not empty.
func (i *instance) do(method, path, authorization, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:9095"+path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	return w
}

var paths = []string{"/metrics", "/readyz", "/log-level", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine", "/debug/pprof/symbol"}

func TestAdmin_EveryPathNeedsToken(t *testing.T) {
	t.Parallel()
	i := newInstance(token)
	wrong := []string{
		"", token, "Bearer", "Bearer ", "Bearer " + token[:20], "Bearer " + token + "x", "Bearer  " + token, "Basic " + token,
		"Bearer " + strings.ToUpper(token),
	}
	for _, path := range append(paths, "/", "/unknown", "/debug/pprof/cmdline") {
		for _, authorization := range wrong {
			w := i.do(http.MethodGet, path, authorization, "")
			require.Equal(t, http.StatusUnauthorized, w.Code, "%s %q", path, authorization)
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
		}
	}
	require.Equal(t, http.StatusUnauthorized, i.do(http.MethodPut, "/log-level", "", `{"level":"debug"}`).Code)
	require.Equal(t, slog.LevelInfo, i.level.Level())
	require.NotZero(t, i.refused)
	for _, path := range paths {
		require.Equal(t, http.StatusOK, i.do(http.MethodGet, path, "Bearer "+token, "").Code, path)
	}
}

func TestAdmin_TokenIsReplaced(t *testing.T) {
	t.Parallel()
	i := newInstance(token)
	i.token.Set("another" + token)
	require.Equal(t, http.StatusUnauthorized, i.do(http.MethodGet, "/metrics", "Bearer "+token, "").Code)
	require.Equal(t, http.StatusOK, i.do(http.MethodGet, "/metrics", "bearer another"+token, "").Code)
}

// TestAdmin_WithoutTokenServesThisMachine sends the host names that a web page could have resolved to
// 127.0.0.1.
func TestAdmin_WithoutTokenServesThisMachine(t *testing.T) {
	t.Parallel()
	i := newInstance("")
	for host, want := range map[string]int{
		"127.0.0.1:9095": 200, "127.0.0.1": 200, "localhost:9095": 200, "localhost": 200, "[::1]:9095": 200, "[::1]": 200,
		"attacker.example.com:9095": 403, "attacker.example.com": 403, "localhost.example.com": 403, "127.0.0.1.example.com": 403, "": 403,
		"10.0.0.1:9095": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/readyz", nil)
		r.Host = host
		w := httptest.NewRecorder()
		i.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}

func TestAdmin_LevelOfLog(t *testing.T) {
	t.Parallel()
	i := newInstance("")
	for _, level := range []string{"debug", "warn", "error", "info"} {
		w := i.do(http.MethodPut, "/log-level", "", `{"level":"`+level+`"}`)
		require.Equal(t, http.StatusOK, w.Code)
		require.JSONEq(t, `{"level":"`+level+`"}`, w.Body.String())
		require.Equal(t, strings.ToUpper(level), i.level.Level().String())
		require.JSONEq(t, w.Body.String(), i.do(http.MethodGet, "/log-level", "", "").Body.String())
	}
	for _, body := range []string{"", "debug", `{"level":"loud"}`, `{"level":"DEBUG"}`, `{"level":7}`, "{}", `{"level":"debug"`, strings.Repeat(" ", 2000) + `{"level":"debug"}`} {
		require.Equal(t, http.StatusBadRequest, i.do(http.MethodPut, "/log-level", "", body).Code, body)
	}
	require.Equal(t, slog.LevelInfo, i.level.Level())
	require.Equal(t, http.StatusMethodNotAllowed, i.do(http.MethodPost, "/log-level", "", `{"level":"debug"}`).Code)
}

func TestAdmin_Readiness(t *testing.T) {
	t.Parallel()
	i := newInstance("")
	require.Equal(t, http.StatusOK, i.do(http.MethodGet, "/readyz", "", "").Code)
	i.ready = false
	w := i.do(http.MethodGet, "/readyz", "", "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	var detail map[string]any
	require.NoError(t, json.NewDecoder(w.Body).Decode(&detail))
	require.Equal(t, map[string]any{"ready": false}, detail)
}

// TestAdmin_HidesCommandLine requires that nothing shows the flags, which may contain secrets.
func TestAdmin_HidesCommandLine(t *testing.T) {
	t.Parallel()
	i := newInstance("")
	require.Equal(t, http.StatusNotFound, i.do(http.MethodGet, "/debug/pprof/cmdline", "", "").Code)
	content, err := io.ReadAll(i.do(http.MethodGet, "/metrics", "", "").Body)
	require.NoError(t, err)
	require.Contains(t, string(content), "fieldgate_test_total")
}
