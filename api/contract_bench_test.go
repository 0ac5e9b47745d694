package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/generated"
)

// BenchmarkContract measures the cost of the contract on a small POST, a POST without
// body fields, and a GET with a query:
//
//	bare      router, generated code and handler
//	contract  the same behind the middleware of the contract; the difference to bare
//	          must stay below 13 us and 130 allocations
//	edge      the same behind everything else too: request id, access log, metrics
//
//	go test ./api -run ^$ -bench Contract -benchmem -count 10
func BenchmarkContract(b *testing.B) {
	for _, request := range benchmarkRequests {
		b.Run(request.name, func(b *testing.B) {
			e, mount := benchmarkEdge(b)
			bare, guarded := benchmarkHandlers(e, mount)
			b.Run("bare", func(b *testing.B) { request.repeat(b, bare) })
			b.Run("contract", func(b *testing.B) { request.repeat(b, guarded) })
			b.Run("edge", func(b *testing.B) { request.repeat(b, e.handler(mount)) })
		})
	}
}

type benchmarkRequest struct {
	name, method, target, body string
	header                     []string
}

var benchmarkRequests = []benchmarkRequest{
	{
		name: "propose", method: http.MethodPost,
		target: "/api/v1/customer/sessions/ses_7k01jd3qb5w8k2r6f0d4s7g1p3en/commands",
		body: `{"type":"service.restart","parameters":{"service":"telemetry","graceSeconds":10},` +
			`"priority":5,"reason":"agreed with the site","maxAttempts":2,"deliverWithinSeconds":3600}`,
		header: []string{jsonLine, authLine, "Idempotency-Key: 4f0c2b7e-8a51-4d0e-9b3c-6d2f1e7a9c58"},
	},
	{
		name: "claim", method: http.MethodPost, target: "/api/v1/device/commands/claim",
		body: `{"limit":1,"waitMs":20000}`, header: []string{jsonLine, authLine},
	},
	{
		name: "list", method: http.MethodGet, target: "/api/v1/customer/devices?status=active&limit=20",
		header: []string{authLine},
	},
}

func (br benchmarkRequest) repeat(b *testing.B, handler http.Handler) {
	send := br.sender(handler)
	b.ReportAllocs()
	for b.Loop() {
		if status := send(); status >= http.StatusBadRequest {
			b.Fatalf("answered %d", status)
		}
	}
}

func (br benchmarkRequest) allocations(handler http.Handler) float64 {
	send := br.sender(handler)
	return testing.AllocsPerRun(100, func() { send() })
}

// sender returns a function that sends the request each time it is called.
func (br benchmarkRequest) sender(handler http.Handler) func() (status int) {
	body := bytes.NewReader(nil)
	r := httptest.NewRequest(br.method, br.target, nil)
	setHeaders(r, br.header)
	return func() int {
		body.Reset([]byte(br.body))
		again, url := *r, *r.URL
		again.URL, again.Body, again.ContentLength = &url, io.NopCloser(body), int64(len(br.body))
		w := discard{header: make(http.Header)}
		handler.ServeHTTP(&w, &again)
		return w.status
	}
}

// benchmarkHandlers returns two handlers of the operations: without and with the middleware of
// the contract. The middleware needs the route, so it is added to a chi group.
func benchmarkHandlers(e *edge, mount func(chi.Router)) (bare, guarded *chi.Mux) {
	bare, guarded = chi.NewRouter(), chi.NewRouter()
	mount(bare)
	guarded.Group(func(r chi.Router) {
		r.Use(e.contract.middleware)
		mount(r)
	})
	return bare, guarded
}

// discard is a ResponseWriter that discards the response.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) Write(data []byte) (int, error) { return len(data), nil }
func (d *discard) WriteHeader(status int)         { d.status = status }

func benchmarkEdge(b testing.TB) (*edge, func(chi.Router)) {
	served := server{
		propose: func(context.Context, generated.ProposeCommandRequestObject) (generated.ProposeCommandResponseObject, error) {
			return generated.ProposeCommand201JSONResponse{}, nil
		},
		claim: func(context.Context, generated.ClaimCommandsRequestObject) (generated.ClaimCommandsResponseObject, error) {
			return generated.ClaimCommands200JSONResponse{}, nil
		},
		list: func(context.Context, generated.ListDevicesRequestObject) (generated.ListDevicesResponseObject, error) {
			return generated.ListDevices200JSONResponse{}, nil
		},
	}
	e, err := newEdge(publishedConfig(served))
	require.NoError(b, err)
	return e, func(r chi.Router) {
		strict := generated.NewStrictHandlerWithOptions(served, nil, e.strictOptions())
		generated.HandlerWithOptions(strict, generated.ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: e.refuseBinding})
	}
}
