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

// things is an edge with the small contract of testdata/edge.yaml. Its handler answers
// with what reached it.
type things struct {
	handler  http.Handler
	spec     []byte
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// newThings makes an edge with test authenticators; change adapts its configuration,
// serve stands in for the handler of every operation.
func newThings(t testing.TB, serve http.HandlerFunc, change ...func(*Config)) *things {
	t.Helper()
	config := smallConfig(t, [2]string{})
	it := &things{spec: config.Spec, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	config.Registerer = it.registry
	config.Logger = slog.New(slog.NewJSONHandler(it.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(&config)
	}
	e, err := newEdge(config)
	require.NoError(t, err)
	it.handler = e.handler(func(r chi.Router) {
		for route := range e.contract.operations {
			r.Method(route.method, route.pattern, serve)
		}
	})
	return it
}

// unlogged keeps no log, for what runs many times.
func unlogged(c *Config) { c.Logger = nil }

func authenticate(ctx context.Context, token string) (context.Context, error) {
	if token != goodToken {
		return nil, fieldgate.Refuse(fieldgate.CodeUnauthorized, "The token is not valid.")
	}
	request.NotePrincipal(ctx, "device:dev_1")
	return context.WithValue(ctx, principalKey{}, "dev_1"), nil
}

type principalKey struct{}

func authorize(ctx context.Context, leastRole string) error {
	if ctx.Value(principalKey{}) != "admin" {
		return fieldgate.Refuse(fieldgate.CodeInsufficientRole, "This operation needs the role "+leastRole+".")
	}
	return nil
}

// got is what a handler was given.
type got struct {
	Principal any             `json:"principal"`
	Operation string          `json:"operation"`
	Query     string          `json:"query"`
	Body      json.RawMessage `json:"body,omitempty"`
}

// echo answers with what it was given, bound the way that generated code binds it.
func echo(w http.ResponseWriter, r *http.Request) {
	it := got{
		Principal: r.Context().Value(principalKey{}),
		Operation: request.Operation(r.Context()),
		Query:     r.URL.RawQuery,
	}
	_ = runtime.BindJSONBody(r, &it.Body)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(it)
}

func nothing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// ask sends a request through a real connection, with the answer held against the
// small contract.
func (it *things) ask(t testing.TB, method, target, body string, header ...string) *http.Response {
	t.Helper()
	server := httptest.NewServer(it.handler)
	t.Cleanup(server.Close)
	r, err := http.NewRequest(method, server.URL+target, strings.NewReader(body))
	require.NoError(t, err)
	setHeaders(r, header)
	client := &http.Client{Transport: apitest.Transport(t, it.spec), CheckRedirect: noRedirect}
	response, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// setHeaders adds "Name: value" lines.
func setHeaders(r *http.Request, lines []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
}

const (
	isJSONLine = "Content-Type: application/json"
	authLine   = "Authorization: Bearer " + goodToken
	neededLine = "X-Required: 1"
)

// put is a request that the small contract admits, unless body or headers spoil it.
func (it *things) put(t testing.TB, body string, header ...string) *http.Response {
	t.Helper()
	return it.ask(t, http.MethodPut, "/things/abc", body, append([]string{isJSONLine, authLine, neededLine}, header...)...)
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

// requireProblem checks the code of a refusal and gives the document.
func requireProblem(t testing.TB, response *http.Response, code fieldgate.Code) problem.Document {
	t.Helper()
	require.Equal(t, problem.Status(code), response.StatusCode)
	document := decode[problem.Document](t, response)
	require.Equal(t, code, document.Code)
	return document
}

// clock is a time that moves when it is told to.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// smallConfig is the configuration of an edge with the small contract, in which one
// text was replaced by another.
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

// mountAt adds one route.
func mountAt(method, pattern string, handler http.HandlerFunc) func(chi.Router) {
	return func(r chi.Router) { r.Method(method, pattern, handler) }
}

// reached sends a request without a connection and gives what the handler was given,
// if it was admitted.
func (it *things) reached(t testing.TB, method string, target *url.URL, body string, header ...string) (got, bool) {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL = target
	setHeaders(r, header)
	w := httptest.NewRecorder()
	it.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		requireProblem(t, w.Result(), fieldgate.CodeValidationFailed)
		return got{}, false
	}
	return decode[got](t, w.Result()), true
}

func keys[M ~map[K]V, K comparable, V any](m M) []K { return slices.Collect(maps.Keys(m)) }

// strictly decodes what may have no fields but those of its target.
func strictly(t testing.TB, body []byte, target any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(target))
}
