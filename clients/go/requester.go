package fieldgate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A requester sends the HTTP requests of one client. It sets the headers that all requests
// share, and limits the time and the size of each response.
type requester struct {
	server      string // the base URL; ends with a slash
	client      *http.Client
	timeout     time.Duration
	minRate     int // in bytes a second
	maxBytes    int64
	userAgent   string
	credentials credentials
	encoding    *encoding // shared by all clients of a gateway
}

// refuseRedirect keeps credentials and secrets from being sent to another host. The gateway
// never redirects, so a redirect comes from another server.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// withCredentials returns a copy of r that obtains its tokens from source.
func (r requester) withCredentials(source credentials) requester {
	r.credentials = source
	return r
}

// withWait returns a copy of r with wait added to the timeout. Use it for requests whose
// response the gateway may delay by up to wait.
func (r requester) withWait(wait time.Duration) requester {
	r.timeout += max(wait, 0)
	return r
}

// timeoutFor returns the timeout of a request with a body of so many bytes. It adds whole
// seconds, so that a large body can arrive over a slow link.
func (r requester) timeoutFor(bytes int64) time.Duration {
	return r.timeout + time.Duration(max(bytes, 0)/int64(r.minRate))*time.Second
}

// transport returns the transport that the requests use.
func (r requester) transport() http.RoundTripper {
	if r.client.Transport != nil {
		return r.client.Transport
	}
	return http.DefaultTransport
}

// send sends req. After a 401 it sends req once more, if the credentials return a different
// token. The body of the returned response is in memory.
func (r requester) send(req *http.Request) (*http.Response, error) {
	token, err := r.credentials(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := r.sendOnce(req, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	renewed, err := r.credentials(req.Context(), token)
	if err != nil {
		return nil, err
	}
	if renewed == token {
		return resp, nil
	}
	return r.sendOnce(req, renewed)
}

func (r requester) sendOnce(req *http.Request, token string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), r.timeoutFor(req.ContentLength))
	defer cancel()
	prepared, err := r.prepare(ctx, req, token)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(prepared)
	if err != nil {
		return nil, fmt.Errorf("fieldgate: %w", err)
	}
	r.encoding.learn(prepared, resp)
	return resp, r.readBody(resp)
}

// prepare returns a copy of req with the headers set and with a separate body, so that req can
// be sent again.
func (r requester) prepare(ctx context.Context, req *http.Request, token string) (*http.Request, error) {
	prepared := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("fieldgate: copying the body: %w", err)
		}
		prepared.Body = body
	}
	prepared.Header.Set("Accept", jsonType+", "+problemType)
	prepared.Header.Set("User-Agent", r.userAgent)
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		prepared.Header.Set(requestIDHeader, id)
	}
	if traceparent := TraceparentFromContext(ctx); traceparent != "" {
		prepared.Header.Set(traceparentHeader, traceparent)
	}
	if token != "" {
		prepared.Header.Set("Authorization", "Bearer "+token)
	}
	return prepared, nil
}

var errResponseTooLong = errors.New("see WithMaxResponseBytes")

// readBody reads the body of the response into memory. The timeout of the request still applies
// while it reads.
func (r requester) readBody(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.maxBytes+1))
	switch {
	case err != nil:
		return responseError(resp, "the response ended early", err)
	case int64(len(body)) > r.maxBytes:
		return responseError(resp, fmt.Sprintf("the response is longer than %d bytes", r.maxBytes), errResponseTooLong)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
