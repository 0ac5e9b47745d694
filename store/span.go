package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate/tracing"
)

// startSpan starts the span of a call of Redis, with the name of a script or of a read. It returns nil
// if no span is recorded for the caller: the sweeper and the reconciler have none, so their calls
// start no traces.
func (s *Store) startSpan(ctx context.Context, name string) trace.Span {
	if s.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return nil
	}
	_, span := s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.DBSystemNameRedis, semconv.DBOperationName(name),
	))
	if server := s.dialer.last.Load(); server != nil {
		span.SetAttributes(semconv.NetworkPeerAddress(server.addr.String()))
	}
	return span
}

// endSpan ends a span that startSpan has returned. A missing key is not an error.
func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	tracing.End(span, err)
}
