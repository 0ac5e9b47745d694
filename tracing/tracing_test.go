package tracing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/tracing"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"

func newTracer() (tracing.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return tracing.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)), "test"), spans
}

func TestTraceparent_IsOfTheSpan(t *testing.T) {
	t.Parallel()
	tracer, _ := newTracer()
	for _, flag := range []string{"0", "1"} {
		_, span := tracer.Start(tracing.WithParent(context.Background(), parent+flag), "x")
		require.Regexp(t, "^"+parent[:36]+"[0-9a-f]{16}-0"+flag+"$", tracing.Traceparent(span))
		require.NotEqual(t, parent+flag, tracing.Traceparent(span))
	}
	_, none := noop.NewTracerProvider().Tracer("").Start(context.Background(), "x")
	require.Empty(t, tracing.Traceparent(none))
}

func TestNew_WithoutProviderIsNil(t *testing.T) {
	t.Parallel()
	require.Nil(t, tracing.New(nil, "test"))
}

func TestEnd_RefusalIsNoFault(t *testing.T) {
	t.Parallel()
	tracer, spans := newTracer()
	for _, c := range []struct {
		err    error
		status codes.Code
		kind   string
	}{
		{nil, codes.Unset, ""},
		{fieldgate.Refuse(fieldgate.CodeCommandFinished, "It has ended."), codes.Unset, "command_finished"},
		{context.Canceled, codes.Unset, "cancelled"},
		{fieldgate.Refuse(fieldgate.CodeStoreUnavailable, "The store is down."), codes.Error, "store_unavailable"},
		{errors.New("a secret of a client"), codes.Error, "internal"},
	} {
		spans.Reset()
		_, span := tracer.Start(context.Background(), "x")
		tracing.End(span, c.err)
		ended := spans.Ended()[0]
		require.Equal(t, c.status, ended.Status().Code, c.err)
		var kind string
		for _, a := range ended.Attributes() {
			require.NotContains(t, a.Value.Emit(), "secret")
			kind = a.Value.AsString()
		}
		require.Equal(t, c.kind, kind)
	}
}

func TestDeliver_LinksTheTwoTraces(t *testing.T) {
	t.Parallel()
	tracer, spans := newTracer()
	ctx, claim := tracer.Start(context.Background(), "claim")
	ahead := time.Now().Add(time.Hour)
	delivered := tracing.Deliver(ctx, tracer, parent+"1", ahead, tracing.Message{Command: "cmd_1", Type: "diagnostic.dns"})
	claim.End()

	require.Len(t, spans.Ended(), 2)
	delivery, claimed := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, delivered, "00-"+delivery.SpanContext().TraceID().String()+"-"+delivery.SpanContext().SpanID().String()+"-01")
	require.Equal(t, parent[36:52], delivery.Parent().SpanID().String())
	require.Equal(t, claim.SpanContext(), delivery.Links()[0].SpanContext)
	require.Equal(t, parent[3:35], claimed.Links()[0].SpanContext.TraceID().String())
	require.False(t, delivery.StartTime().After(delivery.EndTime()), "the store's clock is ahead")
}
