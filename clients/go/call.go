package fieldgate

import (
	"context"
	"net/http"
)

const requestIDHeader = "X-Request-ID"

// A TokenSource gives the bearer token of a request. It is asked before each one, so
// it should keep the token until that is about to expire. An error from it ends the
// call and is returned.
type TokenSource func(ctx context.Context) (string, error)

// Bearer is the source of a token that does not change.
func Bearer(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// credentials let a 401 stand: a source that had a better token would have given it.
func (t TokenSource) credentials(ctx context.Context, refused string) (string, error) {
	if refused != "" {
		return refused, nil
	}
	return t(ctx)
}

// anew gives credentials to a socket, which asks again after a refusal: much may have
// happened since the source was last asked.
func (t TokenSource) anew(ctx context.Context, _ string) (string, error) { return t(ctx) }

// A CallOption changes a single request.
type CallOption = RequestEditorFn

// WithIdempotencyKey names the request, such as with a UUID, so that it can be
// repeated after a lost answer without being done twice: the gateway answers the
// same key and body with its first answer for 24 hours, for a Claim as long as the
// leases live. The same key with another body is [CodeIdempotencyKeyReused].
func WithIdempotencyKey(key string) CallOption {
	return func(_ context.Context, req *http.Request) error {
		req.Header.Set("Idempotency-Key", key)
		return nil
	}
}

type requestIDKey struct{}

// ContextWithRequestID gives the calls made with the context this request id, to
// follow them through the logs on both sides: 1 to 128 letters, digits, ".", "_" and
// "-". Without it, the gateway makes one for each request.
func ContextWithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}
