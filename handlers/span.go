package handlers

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/tracing"
)

// startSpan starts the span of a frame, a child of the client's span if the frame names one. There are
// no semantic conventions for frames of WebSockets; the attributes are those of the HTTP edge.
func (s *Server) startSpan(ctx context.Context, info *request.Info) (context.Context, trace.Span) {
	ctx, span := s.tracer.Start(tracing.WithParent(ctx, info.Traceparent), "frame", trace.WithSpanKind(trace.SpanKindServer))
	info.Traceparent = tracing.Traceparent(span)
	return ctx, span
}

// endSpan ends the span of a frame. A type that the contract does not have is not in the name, which
// must have few values.
func endSpan(span trace.Span, info *request.Info, err error) {
	if err != errFrameType {
		span.SetName("frame " + info.Operation)
	}
	span.SetAttributes(attribute.String("fieldgate.request_id", info.ID)) // never empty
	for name, id := range info.IDs() {
		span.SetAttributes(attribute.String("fieldgate."+name, id))
	}
	tracing.End(span, err)
}
