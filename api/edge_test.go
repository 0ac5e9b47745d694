package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/oapi-codegen/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/apitest"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

const goodToken = "good-token"

// testEdge is an edge with the small contract of testdata/edge.yaml.
type testEdge struct {
	handler  http.Handler
	spec     []byte
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// newTestEdge returns an edge with test authenticators. serve handles every operation,
// and change adapts the configuration.
func newTestEdge(t testing.TB, serve http.HandlerFunc, change ...func(*Config)) *testEdge {
	t.Helper()
	config := smallConfig(t, [2]string{})
	te := &testEdge{spec: config.Spec, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	config.Registerer = te.registry
	config.Logger = slog.New(slog.NewJSONHandler(te.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(&config)
	}
	e, err := newEdge(config)
	require.NoError(t, err)
	te.handler = e.handler(func(r chi.Router) {
		for route := range e.contract.operations {
			r.Method(route.method, route.pattern, serve)
		}
	})
	return te
}

// withoutLog discards the log, for tests with many requests.
func withoutLog(c *Config) { c.Logger = nil }

func authenticate(ctx context.Context, token string) (context.Context, error) {
	if token != goodToken {
		return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "The token is not valid.")
	}
	request.SetPrincipal(ctx, "ten_1", "device:dev_1")
	return context.WithValue(ctx, principalKey{}, "dev_1"), nil
}

type principalKey struct{}

func authorize(ctx context.Context, leastRole string) error {
	if ctx.Value(principalKey{}) != "admin" {
		return fieldgate.Refuse(fieldgate.CodeInsufficientRole, "This operation needs the role "+leastRole+".")
	}
	return nil
}

// received is the request as a handler received it.
type received struct {
	Principal any             `json:"principal"`
	Operation string          `json:"operation"`
	Query     string          `json:"query"`
	Body      json.RawMessage `json:"body,omitempty"`
}

// echo responds with the request that it received. It binds the body as the generated code
// does.
func echo(w http.ResponseWriter, r *http.Request) {
	in := received{
		Principal: r.Context().Value(principalKey{}),
		Operation: request.Operation(r.Context()),
		Query:     r.URL.RawQuery,
	}
	_ = runtime.BindJSONBody(r, &in.Body)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(in)
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// ask sends a request over a real connection, and checks the response against the contract of
// testdata/edge.yaml.
func (te *testEdge) ask(t testing.TB, method, target, body string, header ...string) *http.Response {
	t.Helper()
	server := httptest.NewServer(te.handler)
	t.Cleanup(server.Close)
	r, err := http.NewRequest(method, server.URL+target, strings.NewReader(body))
	require.NoError(t, err)
	setHeaders(r, header)
	client := &http.Client{Transport: apitest.Transport(t, te.spec), CheckRedirect: noRedirect}
	response, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// setHeaders adds lines of the form "Name: value".
func setHeaders(r *http.Request, lines []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
}

const (
	jsonLine     = "Content-Type: application/json"
	authLine     = "Authorization: Bearer " + goodToken
	requiredLine = "X-Required: 1"
)

// put sends a request that the small contract admits, unless the given body or headers are
// invalid.
func (te *testEdge) put(t testing.TB, body string, header ...string) *http.Response {
	t.Helper()
	return te.ask(t, http.MethodPut, "/things/abc", body, append([]string{jsonLine, authLine, requiredLine}, header...)...)
}

func read(t testing.TB, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func decode[T any](t testing.TB, response *http.Response) (value T) {
	t.Helper()
	require.NoError(t, json.NewDecoder(response.Body).Decode(&value))
	return value
}

// requireProblem checks the code of a refusal and returns its document.
func requireProblem(t testing.TB, response *http.Response, code fieldgate.Code) problem.Document {
	t.Helper()
	require.Equal(t, problem.Status(code), response.StatusCode)
	document := decode[problem.Document](t, response)
	require.Equal(t, code, document.Code)
	return document
}

// clock is a clock that the test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// smallConfig returns the configuration of an edge with the contract of testdata/edge.yaml. It
// replaces replace[0] with replace[1] in the text of the contract.
func smallConfig(t testing.TB, replace [2]string) Config {
	t.Helper()
	spec, err := os.ReadFile("testdata/edge.yaml")
	require.NoError(t, err)
	require.Contains(t, string(spec), replace[0])
	return Config{
		Spec:           []byte(strings.Replace(string(spec), replace[0], replace[1], 1)),
		Authenticators: map[string]Authenticator{"deviceSession": authenticate, "customerJWT": authenticate},
		Authorize:      authorize,
		Registerer:     prometheus.NewRegistry(),
	}
}

// mountRoute returns a function that adds one route.
func mountRoute(method, pattern string, handler http.HandlerFunc) func(chi.Router) {
	return func(r chi.Router) { r.Method(method, pattern, handler) }
}

// admit serves a request without a network connection. It returns the request that the handler
// received, and reports whether the edge admitted it.
func (te *testEdge) admit(t testing.TB, method string, target *url.URL, body string, header ...string) (received, bool) {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL = target
	setHeaders(r, header)
	w := httptest.NewRecorder()
	te.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		requireProblem(t, w.Result(), fieldgate.CodeValidationFailed)
		return received{}, false
	}
	return decode[received](t, w.Result()), true
}

func keys[M ~map[K]V, K comparable, V any](m M) []K { return slices.Collect(maps.Keys(m)) }

// decodeStrictly decodes JSON that must have no fields other than those of target.
func decodeStrictly(t testing.TB, body []byte, target any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(target))
}
