package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fieldgate/fieldgate/gateway"
)

func TestTraces_AreOffUnlessTheEnvironmentNamesAnExporter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_SERVICE_NAME": "pumps", "OTEL_TRACES_SAMPLER": "always_on"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics"}, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "console"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, false},
		{map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, false},
	} {
		require.Equal(t, c.want, exportsTraces(func(name string) string { return c.env[name] }), c.env)
	}
}

// TestTraces_EndOfProgramExportsTheLast sets environment variables, so it does not run in parallel.
func TestTraces_EndOfProgramExportsTheLast(t *testing.T) {
	var received collected.ExportTraceServiceRequest
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = proto.Unmarshal(body, &received)
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	cfg := gateway.Config{Logger: slog.New(slog.DiscardHandler)}
	stop, err := startTraces(t.Context(), &cfg)
	require.NoError(t, err)
	_, span := cfg.Traces.Tracer("test").Start(context.Background(), "last")
	span.End()
	stop()
	require.Len(t, received.ResourceSpans, 1)
	described := map[string]string{}
	for _, a := range received.ResourceSpans[0].Resource.Attributes {
		described[a.Key] = a.Value.GetStringValue()
	}
	require.Subset(t, described, map[string]string{"service.name": "fieldgate", "deployment.environment.name": "test"})
	require.Equal(t, "last", received.ResourceSpans[0].ScopeSpans[0].Spans[0].Name)
}

func TestTraces_WrongSettingEndsTheStart(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "telegraph")
	_, err := startTraces(t.Context(), &gateway.Config{Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "preparing the exporter of traces, as OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_* set it: ")
}
