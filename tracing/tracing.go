// Package tracing connects the traceparents of the contract (W3C Trace Context) with the spans of
// OpenTelemetry. A traceparent is a string of version 00, such as
// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".
//
// A Tracer is nil unless the operator has configured an exporter. Its callers check that before they
// do anything for a span, so that a gateway without an exporter allocates nothing for tracing.
package tracing

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate"
)

// A Tracer starts spans.
type Tracer = trace.Tracer

// scope is the name of the instrumentation in exported spans.
const scope = "github.com/fieldgate/fieldgate"

// New returns a tracer whose spans go to the provider. It returns nil if the provider is nil.
func New(provider trace.TracerProvider, version string) Tracer {
	if provider == nil {
		return nil
	}
	return provider.Tracer(scope, trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))
}

// Traceparent returns the traceparent of a span, or "" for a span that belongs to no trace.
func Traceparent(span trace.Span) string {
	c := span.SpanContext()
	if !c.IsValid() {
		return ""
	}
	text := make([]byte, 0, 55)
	id, parent := c.TraceID(), c.SpanID()
	text = hex.AppendEncode(append(text, "00-"...), id[:])
	text = hex.AppendEncode(append(text, '-'), parent[:])
	text = append(text, "-00"...)
	if c.IsSampled() {
		text[len(text)-1] = '1'
	}
	return string(text)
}

// contextOf returns the span that a traceparent of version 00 names. It is not valid for any other text.
func contextOf(traceparent string) trace.SpanContext {
	if len(traceparent) != 55 {
		return trace.SpanContext{}
	}
	id, failed := trace.TraceIDFromHex(traceparent[3:35])
	parent, failedToo := trace.SpanIDFromHex(traceparent[36:52])
	if failed != nil || failedToo != nil {
		return trace.SpanContext{}
	}
	flags := trace.TraceFlags(0).WithSampled(traceparent[54] == '1')
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: parent, TraceFlags: flags, Remote: true})
}

// WithParent returns a context whose spans are children of the span of another program. It returns
// ctx for an empty traceparent.
func WithParent(ctx context.Context, traceparent string) context.Context {
	if parent := contextOf(traceparent); parent.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	return ctx
}

// Link links a span with the one that a traceparent names. It does nothing for an empty traceparent.
func Link(span trace.Span, traceparent string) {
	if other := contextOf(traceparent); other.IsValid() {
		span.AddLink(trace.Link{SpanContext: other})
	}
}

// End ends a span. An error that is a refusal of the request sets no error status, because it is no
// fault of the gateway.
func End(span trace.Span, err error) {
	if err != nil {
		kind := errorType(err)
		span.SetAttributes(semconv.ErrorTypeKey.String(string(kind)))
		if kind.IsFault() {
			span.SetStatus(codes.Error, string(kind))
		}
	}
	span.End()
}

// errorType returns the code of a refusal, "cancelled", or "internal". The text of an error may hold values of a
// client.
func errorType(err error) fieldgate.Code {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "cancelled"
	}
	return fieldgate.CodeOf(err)
}

// A Message is a command on its way over the queue of a device.
type Message struct {
	Command string // id of the command
	Session string
	Device  string
	Tenant  string
	Type    string // type of the command
}

// attributes returns the attributes of a message by the semantic conventions of messaging.
func (m Message) attributes(operation attribute.KeyValue, name string) trace.SpanStartOption {
	return trace.WithAttributes(
		semconv.MessagingSystemKey.String("fieldgate"), semconv.MessagingDestinationName("commands"),
		operation, semconv.MessagingOperationName(name), semconv.MessagingMessageID(m.Command),
		attribute.String("fieldgate.tenant", m.Tenant), attribute.String("fieldgate.device", m.Device),
		attribute.String("fieldgate.session", m.Session), attribute.String("fieldgate.command", m.Command),
		attribute.String("fieldgate.command.type", m.Type),
	)
}

// Deliver records the delivery of a command to its device: a span of the trace of the proposal, from
// the time at which the command could be claimed until now. It links this span and the span of the
// claim in ctx, which belongs to another trace. It returns the traceparent of the delivery, which is
// the parent of what the device does.
func Deliver(ctx context.Context, t Tracer, proposal string, queued time.Time, m Message) string {
	claim := trace.SpanFromContext(ctx)
	Link(claim, proposal)
	if now := time.Now(); queued.After(now) {
		queued = now // the store's clock is ahead
	}
	_, span := t.Start(WithParent(ctx, proposal), "receive commands",
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(queued),
		trace.WithLinks(trace.Link{SpanContext: claim.SpanContext()}),
		m.attributes(semconv.MessagingOperationTypeReceive, "claim"))
	span.End()
	return Traceparent(span)
}
