package gateway_test

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is a server that receives spans with OTLP over HTTP.
type collector struct {
	provider *sdk.TracerProvider // exports to the server

	mu    sync.Mutex
	spans []*otlp.Span
}

func startCollector(t testing.TB) *collector {
	t.Helper()
	c := new(collector)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(server.URL+"/v1/traces"))
	require.NoError(t, err)
	c.provider = sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	t.Cleanup(func() { _ = c.provider.Shutdown(context.Background()) })
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request collected.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err != nil || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// received returns the spans that have ended.
func (c *collector) received(t testing.TB) []*otlp.Span {
	t.Helper()
	require.NoError(t, c.provider.ForceFlush(t.Context()))
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*otlp.Span(nil), c.spans...)
}

// await waits for a span with a name in a trace, and returns it.
func (c *collector) await(t testing.TB, traceID, name string) (found *otlp.Span) {
	t.Helper()
	eventually(t, func() bool {
		for _, s := range c.received(t) {
			if hex.EncodeToString(s.TraceId) == traceID && s.Name == name {
				found = s
			}
		}
		return found != nil
	}, "the collector has no span "+name+" of the trace")
	return found
}

// attributesOf returns the text attributes of a span.
func attributesOf(s *otlp.Span) map[string]string {
	texts := map[string]string{}
	for _, a := range s.Attributes {
		texts[a.Key] = a.Value.GetStringValue()
	}
	return texts
}
