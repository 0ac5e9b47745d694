package fieldgate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// connection sends the requests of one caller: it adds what each of them carries and
// bounds the time and the size of the answer.
type connection struct {
	server      string // ends with a slash
	client      *http.Client
	timeout     time.Duration
	maxBytes    int64
	userAgent   string
	credentials credentials
}

// credentials give the bearer token of the next request, none if it is empty. After
// a 401 they are asked again with the token that was refused; if they give the same
// one back, the 401 stands.
type credentials func(ctx context.Context, refused string) (string, error)

func noCredentials(context.Context, string) (string, error) { return "", nil }

// followNone keeps credentials and secrets where they were sent: the gateway never
// redirects, so whoever does is not the gateway.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// api gives the generated operations over this connection.
func (c connection) api() *Client { return &Client{Server: c.server, Client: c} }

// as gives the same connection for a caller with these credentials.
func (c connection) as(caller credentials) connection {
	c.credentials = caller
	return c
}

// transport gives what the requests are sent through.
func (c connection) transport() http.RoundTripper {
	if c.client.Transport != nil {
		return c.client.Transport
	}
	return http.DefaultTransport
}

// waiting gives the same connection for a request that the gateway holds back for
// some time before it answers.
func (c connection) waiting(wait time.Duration) connection {
	c.timeout += max(wait, 0)
	return c
}

// Do sends a request, twice if new credentials can be had after a 401. The body of
// the answer is in memory.
func (c connection) Do(req *http.Request) (*http.Response, error) {
	token, err := c.credentials(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	renewed, err := c.credentials(req.Context(), token)
	if err != nil {
		return nil, err
	}
	if renewed == token {
		return resp, nil
	}
	return c.send(req, renewed)
}

// send sends a request once.
func (c connection) send(req *http.Request, token string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	defer cancel()
	copied, err := c.prepare(ctx, req, token)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(copied)
	if err != nil {
		return nil, fmt.Errorf("fieldgate: %w", err)
	}
	return resp, c.buffer(resp)
}

// prepare copies a request with a body of its own, so that it can be sent again.
func (c connection) prepare(ctx context.Context, req *http.Request, token string) (*http.Request, error) {
	copied := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("fieldgate: copying the body: %w", err)
		}
		copied.Body = body
	}
	copied.Header.Set("Accept", jsonType+", "+problemType)
	copied.Header.Set("User-Agent", c.userAgent)
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		copied.Header.Set(requestIDHeader, id)
	}
	if token != "" {
		copied.Header.Set("Authorization", "Bearer "+token)
	}
	return copied, nil
}

// buffer reads the body while the timeout still counts.
func (c connection) buffer(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBytes+1))
	switch {
	case err != nil:
		return unreadable(resp, "the answer broke off", err)
	case int64(len(body)) > c.maxBytes:
		return unreadable(resp, fmt.Sprintf("the answer is longer than %d bytes", c.maxBytes), nil)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
