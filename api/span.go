package api

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/tracing"
)

// startSpan starts the span of a request, a child of the client's span if the request names one. The
// span is nil if none is recorded: without a tracer, and for the probes of a balancer.
func (e *edge) startSpan(r *http.Request) (*http.Request, trace.Span) {
	if e.tracer == nil || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return r, nil
	}
	info := request.Of(r.Context())
	ctx, span := e.tracer.Start(tracing.WithParent(r.Context(), info.Traceparent), r.Method, trace.WithSpanKind(trace.SpanKindServer))
	info.Traceparent = tracing.Traceparent(span)
	return r.WithContext(ctx), span
}

// endSpan ends the span of a request that was served. A panic of the handler has become a response.
func endSpan(span trace.Span, r *http.Request, response *recorder) {
	if span == nil {
		return
	}
	defer span.End()
	if !span.IsRecording() {
		return
	}
	info := request.Of(r.Context())
	status := finalStatus(info, response)
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" {
		span.SetName(r.Method + " " + pattern)
		span.SetAttributes(semconv.HTTPRoute(pattern))
	}
	span.SetAttributes(spanAttributes(r, info)...)
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	switch {
	case status >= http.StatusInternalServerError:
		span.SetAttributes(semconv.ErrorTypeKey.String(string(info.Code)))
		span.SetStatus(codes.Error, "")
	case info.Code != "":
		span.SetAttributes(semconv.ErrorTypeKey.String(string(info.Code)))
	}
}

// spanAttributes returns the attributes of a request by the semantic conventions of HTTP, and the ids
// by which the log names what it concerns. It omits the query and the headers, like the access log.
func spanAttributes(r *http.Request, info *request.Info) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(truncate(r.Method, maxLoggedMethod)),
		semconv.URLPath(truncate(r.URL.EscapedPath(), maxLoggedPath)), semconv.URLScheme(urlScheme(r)),
		semconv.NetworkProtocolVersion(r.Proto[len("HTTP/"):]),
		semconv.ClientAddress(addressOf(info.Addr)), attribute.String("fieldgate.request_id", info.ID),
	}
	if info.Operation != "" {
		attributes = append(attributes, attribute.String("fieldgate.operation", info.Operation))
	}
	for name, id := range info.IDs() {
		attributes = append(attributes, attribute.String("fieldgate."+name, id))
	}
	return attributes
}

func urlScheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func addressOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
