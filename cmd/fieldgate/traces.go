package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/gateway"
)

// tracesTimeout is the maximum time for which the end of the program waits for the export of the last
// spans.
const tracesTimeout = 5 * time.Second

// startTraces sets the receiver of spans in cfg, as the environment variables of OpenTelemetry configure
// it. It sets none if they name no exporter. The caller must call stop, which exports the last spans.
func startTraces(ctx context.Context, cfg *gateway.Config) (stop func(), err error) {
	if !exportsTraces(os.Getenv) {
		return func() {}, nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing the exporter of traces, as OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_* set it: %w", err)
	}
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("fieldgate"), semconv.ServiceVersion(program.Version())), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	log := cfg.Logger
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("exporting traces failed", "error", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(described))
	cfg.Traces = provider
	return func() { stopTraces(provider, log) }, nil
}

// stopTraces exports the spans that have ended, and stops the exporter.
func stopTraces(provider *sdk.TracerProvider, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), tracesTimeout)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		log.Warn("exporting the last traces failed", "error", err)
	}
}

// exportsTraces reports whether the environment asks for the export of traces. OpenTelemetry exports to
// localhost unless it is told otherwise; the gateway exports only to what the operator names.
func exportsTraces(env func(string) string) bool {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch exporter := env("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false
	case "":
		return env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	}
	return true
}
