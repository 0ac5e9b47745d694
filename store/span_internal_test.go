package store

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fieldgate/fieldgate/tracing"
)

// TestSpan_OffAllocatesNothing does not run in parallel, because other tests would allocate meanwhile.
func TestSpan_OffAllocatesNothing(t *testing.T) {
	off, ctx := &Store{}, context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() { endSpan(off.startSpan(ctx, "claim"), nil) }))
}

// TestSpan_OnlyOfTracedCallers checks that the background work, whose context has no span, starts no
// trace, and that the calls of a request are its children.
func TestSpan_OnlyOfTracedCallers(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := tracing.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)), "test")
	s := &Store{tracer: tracer}
	require.Nil(t, s.startSpan(context.Background(), "sweep"))

	ctx, request := tracer.Start(context.Background(), "request")
	endSpan(s.startSpan(ctx, "claim"), nil)
	require.Len(t, spans.Ended(), 1)
	require.Equal(t, request.SpanContext().SpanID(), spans.Ended()[0].Parent().SpanID())
}
