package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/tracing"
)

const sampledTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// tracedRequest returns a request on its way through the router.
func tracedRequest(traceparent string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/things", nil)
	ctx := request.With(r.Context(), &request.Info{ID: "r-1", Traceparent: traceparent})
	return r.WithContext(context.WithValue(ctx, chi.RouteCtxKey, chi.NewRouteContext()))
}

// serveSpan does what the edge does for the span of a request.
func (e *edge) serveSpan(r *http.Request, response *recorder) {
	r, span := e.startSpan(r)
	endSpan(span, r, response)
}

// TestSpan_OffAllocatesNothing does not run in parallel, because other tests would allocate meanwhile.
func TestSpan_OffAllocatesNothing(t *testing.T) {
	off, response, r := &edge{}, &recorder{}, tracedRequest(sampledTraceparent)
	require.Zero(t, testing.AllocsPerRun(100, func() { off.serveSpan(r, response) }))
}

func BenchmarkSpan(b *testing.B) {
	exporter := sdk.NewTracerProvider(sdk.WithSyncer(tracetest.NewNoopExporter()))
	for name, c := range map[string]struct {
		tracer      tracing.Tracer
		traceparent string
	}{
		"off":       {nil, sampledTraceparent},
		"unsampled": {tracing.New(exporter, "test"), sampledTraceparent[:54] + "0"},
		"recorded":  {tracing.New(exporter, "test"), sampledTraceparent},
	} {
		b.Run(name, func(b *testing.B) {
			e, response, r := &edge{tracer: c.tracer}, &recorder{}, tracedRequest(c.traceparent)
			info := request.Of(r.Context())
			b.ReportAllocs()
			for b.Loop() {
				info.Traceparent = c.traceparent
				e.serveSpan(r, response)
			}
		})
	}
}

func TestSpan_ProbesHaveNone(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	e := &edge{tracer: tracing.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)), "test")}
	for path, want := range map[string]int{"/healthz": 0, "/readyz": 0, "/version": 1} {
		r := tracedRequest("")
		r.URL.Path = path
		spans.Reset()
		e.serveSpan(r, &recorder{})
		require.Len(t, spans.Ended(), want, path)
	}
}
