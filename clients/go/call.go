package fieldgate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

const (
	requestIDHeader      = "X-Request-ID"
	idempotencyKeyHeader = "Idempotency-Key"
	traceparentHeader    = "traceparent"
)

// A CallOption configures a single call.
type CallOption func(*callOptions)

type callOptions struct {
	idempotencyKey string // if empty, no Idempotency-Key is sent
}

func newCallOptions(options []CallOption) (o callOptions) {
	for _, option := range options {
		option(&o)
	}
	return o
}

// WithIdempotencyKey sets the Idempotency-Key of a call, such as a random UUID. If the response is
// lost, the call can be repeated with the same key and is not executed twice. For 24 hours, the
// gateway returns its first response to the same key and body; for a Claim, it does so until
// the leases end. The same key with another body is refused with [CodeIdempotencyKeyReused].
func WithIdempotencyKey(key string) CallOption {
	return func(o *callOptions) { o.idempotencyKey = key }
}

type requestIDKey struct{}

// ContextWithRequestID returns a context whose calls carry id as their request id. The id
// identifies the calls in the logs of the program and of the gateway. It has 1 to 128 letters,
// digits, ".", "_" and "-". Without this function, the gateway generates an id for each
// request.
func ContextWithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

type traceparentKey struct{}

// ContextWithTraceparent returns a context whose calls carry traceparent, the span of the caller in the
// form of the header of W3C Trace Context. If its trace is sampled, the gateway keeps it with a command
// that is proposed, and the device gets it with the claimed command.
//
// This package has no dependency on a library for traces. With OpenTelemetry, the functions
//
//	carrier := propagation.MapCarrier{}
//	propagation.TraceContext{}.Inject(ctx, carrier)
//	ctx = fieldgate.ContextWithTraceparent(ctx, carrier["traceparent"])
//
// pass the current span of ctx to the gateway. In a handler of an agent, the functions
//
//	carrier := propagation.MapCarrier{"traceparent": fieldgate.TraceparentFromContext(ctx)}
//	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
//
// make the spans of the handler children of the span of the command.
func ContextWithTraceparent(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceparentKey{}, traceparent)
}

// TraceparentFromContext returns the traceparent that ContextWithTraceparent has set, or "". In the
// context of a handler of an agent, it is that of the command.
func TraceparentFromContext(ctx context.Context) string {
	traceparent, _ := ctx.Value(traceparentKey{}).(string)
	return traceparent
}

// An operation is a request for one operation of the contract.
type operation struct {
	method  string
	path    string // escaped; begins with a slash
	query   url.Values
	body    any // nil if the request has no body
	options []CallOption
}

// pathOf formats the path of an operation. It escapes the parameters.
func pathOf(format string, parameters ...any) string {
	for i, parameter := range parameters {
		parameters[i] = url.PathEscape(parameter.(string))
	}
	return fmt.Sprintf(format, parameters...)
}

// do sends an operation. If the gateway refuses its compressed body, do sends it uncompressed.
func (r requester) do(ctx context.Context, o operation) (*http.Response, error) {
	req, err := r.newRequest(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("fieldgate: encoding the request: %w", err)
	}
	resp, err := r.send(req)
	if err != nil || resp.StatusCode != http.StatusUnsupportedMediaType || !isCompressed(req) {
		return resp, err
	}
	if req, err = r.newRequest(ctx, o); err != nil || isCompressed(req) {
		return resp, err
	}
	return r.send(req)
}

func (r requester) newRequest(ctx context.Context, o operation) (*http.Request, error) {
	address := r.server + o.path[1:]
	if len(o.query) > 0 {
		address += "?" + o.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, o.method, address, nil)
	if err != nil {
		return nil, err
	}
	if o.body != nil {
		text, err := json.Marshal(o.body)
		if err != nil {
			return nil, err
		}
		r.encoding.setBody(req, text)
	}
	if key := newCallOptions(o.options).idempotencyKey; key != "" {
		req.Header.Set(idempotencyKeyHeader, key)
	}
	return req, nil
}
