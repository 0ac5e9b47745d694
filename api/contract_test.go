package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
)

func TestContract_AdmittedRequestHasPrincipal(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, echo).put(t, `{"name":"abc"}`)

	require.Equal(t, http.StatusOK, response.StatusCode)
	got := decode[received](t, response)
	require.Equal(t, "dev_1", got.Principal)
	require.Equal(t, "putThing", got.Operation)
	require.JSONEq(t, `{"name":"abc"}`, string(got.Body))
}

func TestAuthenticate_WithoutValidTokenIs401(t *testing.T) {
	t.Parallel()

	const (
		noToken = `Bearer realm="fieldgate"`
		invalid = `Bearer realm="fieldgate", error="invalid_token"`
	)
	for name, c := range map[string]struct {
		header    []string
		challenge string
	}{
		"none":          {nil, noToken},
		"wrong":         {[]string{"Authorization: Bearer wrong"}, invalid},
		"empty":         {[]string{"Authorization: Bearer "}, invalid},
		"only a scheme": {[]string{"Authorization: Bearer"}, invalid},
		"other scheme":  {[]string{"Authorization: Basic " + goodToken}, invalid},
		"no scheme":     {[]string{"Authorization: " + goodToken}, invalid},
		"two headers":   {[]string{authLine, authLine}, invalid},
		"in the query":  {nil, noToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, noContent)

			response := te.ask(t, http.MethodPut, "/things/abc?access_token="+goodToken, `{"name":"abc"}`, c.header...)

			requireProblem(t, response, fieldgate.CodeUnauthorized)
			require.Equal(t, c.challenge, response.Header.Get("WWW-Authenticate"))
		})
	}
}

func TestAuthenticate_SchemeNameIsCaseInsensitive(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, echo).ask(t, http.MethodPut, "/things/abc", `{"name":"abc"}`,
		jsonLine, requiredLine, "Authorization: bEARER  "+goodToken)

	require.Equal(t, http.StatusOK, response.StatusCode)
}

// hugeBody is a large body that counts how much of it was read.
type hugeBody struct{ read, size int64 }

func (e *hugeBody) Read(p []byte) (int, error) {
	if e.read == e.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.size-e.read)
	e.read += n
	return int(n), nil
}

func TestContract_ReadsNoBodyBeforeOtherChecks(t *testing.T) {
	t.Parallel()

	limited := func(c *Config) {
		c.RateLimit = func(context.Context, string, int) error {
			return &fieldgate.Error{Code: fieldgate.CodeRateLimited, RetryAfter: time.Second}
		}
	}
	for name, c := range map[string]struct {
		header []string
		length int64
		change func(*Config)
		code   fieldgate.Code
	}{
		"no token":               {[]string{jsonLine}, 64 << 20, func(*Config) {}, fieldgate.CodeUnauthorized},
		"no token, chunked":      {[]string{jsonLine}, -1, func(*Config) {}, fieldgate.CodeUnauthorized},
		"wrong token":            {[]string{jsonLine, "Authorization: Bearer x"}, 64 << 20, func(*Config) {}, fieldgate.CodeUnauthorized},
		"over the rate limit":    {[]string{jsonLine, authLine, requiredLine}, -1, limited, fieldgate.CodeRateLimited},
		"announced as too large": {[]string{jsonLine, authLine, requiredLine}, 64 << 20, func(*Config) {}, fieldgate.CodeBodyTooLarge},
		"of another media type":  {[]string{authLine, requiredLine}, -1, func(*Config) {}, fieldgate.CodeUnsupportedMediaType},
		"with wrong parameters":  {[]string{jsonLine, authLine}, -1, func(*Config) {}, fieldgate.CodeValidationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, noContent, c.change)
			body := &hugeBody{size: 64 << 20}
			r := httptest.NewRequest(http.MethodPut, "/things/abc", body)
			r.ContentLength = c.length
			setHeaders(r, c.header)
			w := httptest.NewRecorder()

			te.handler.ServeHTTP(w, r)

			requireProblem(t, w.Result(), c.code)
			require.LessOrEqual(t, body.read, int64(1), "one byte shows whether a chunked body is empty")
		})
	}
}

func TestAuthenticate_OutageIsNot401(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		err  error
		code fieldgate.Code
	}{
		"the store is unavailable": {&fieldgate.Error{Code: fieldgate.CodeStoreUnavailable, RetryAfter: 3 * time.Second}, fieldgate.CodeStoreUnavailable},
		"something else":           {errors.New("dial tcp 10.0.0.1:6379"), fieldgate.CodeInternal},
		"a deadline has passed":    {context.DeadlineExceeded, fieldgate.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, noContent, func(config *Config) {
				config.Authenticators["deviceSession"] = func(context.Context, string) (context.Context, error) {
					return nil, c.err
				}
			})

			document := requireProblem(t, te.put(t, `{}`), c.code)

			require.NotContains(t, document.Detail, "10.0.0.1")
		})
	}
}

func TestAuthorize_LowerRoleIsRefused(t *testing.T) {
	t.Parallel()
	limited := 0
	te := newTestEdge(t, noContent, func(c *Config) {
		c.RateLimit = func(context.Context, string, int) error { limited++; return nil }
	})

	document := requireProblem(t, te.ask(t, http.MethodDelete, "/things/abc", "", authLine), fieldgate.CodeInsufficientRole)

	require.Equal(t, "This operation needs the role admin.", document.Detail)
	require.Zero(t, limited, "a caller without the role does not use up the limit of the others")
}

func TestRateLimit_CountsPerCallerAndBeforeValidation(t *testing.T) {
	t.Parallel()
	var principal any
	var operation string
	var cost int
	te := newTestEdge(t, noContent, func(c *Config) {
		c.RateLimit = func(ctx context.Context, operationID string, operationCost int) error {
			principal, operation, cost = ctx.Value(principalKey{}), operationID, operationCost
			return &fieldgate.Error{Code: fieldgate.CodeRateLimited, RetryAfter: 1200 * time.Millisecond}
		}
	})

	response := te.put(t, `not JSON`)

	requireProblem(t, response, fieldgate.CodeRateLimited)
	require.Equal(t, "2", response.Header.Get("Retry-After"), "rounded up, so that no client returns too early")
	require.Equal(t, "dev_1", principal)
	require.Equal(t, "putThing", operation)
	require.Equal(t, 7, cost)
}

func TestAdmitRead_RefusesAndReleases(t *testing.T) {
	t.Parallel()
	var released []string
	var full atomic.Bool
	te := newTestEdge(t, noContent, func(c *Config) {
		c.AdmitRead = func(_ context.Context, operationID string) (func(), error) {
			if full.Load() {
				return nil, &fieldgate.Error{Code: fieldgate.CodeOverloaded, RetryAfter: time.Second}
			}
			return func() { released = append(released, operationID) }, nil
		}
	})

	r := httptest.NewRequest(http.MethodPut, "/things/abc", strings.NewReader(`{"name":"abc"}`))
	setHeaders(r, []string{jsonLine, authLine, requiredLine})
	te.handler.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, []string{"putThing"}, released)
	full.Store(true)
	response := te.put(t, `{"name":"abc"}`)
	requireProblem(t, response, fieldgate.CodeOverloaded)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
}

func TestContract_UnknownRouteIsNotServed(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	config := smallConfig(t, [2]string{})
	config.Logger = slog.New(slog.NewTextHandler(te.log, nil))
	e, err := newEdge(config)
	require.NoError(t, err)
	te.handler = e.handler(mountRoute(http.MethodGet, "/unknown", noContent))

	requireProblem(t, te.fetch(t, "/unknown", authLine), fieldgate.CodeInternal)
	require.Contains(t, te.log.String(), "the contract has no GET /unknown")
}

func TestNew_RefusesUnprotectedContract(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		replace [2]string
		change  func(*Config)
		want    string
	}{
		"no authenticator": {
			change: func(c *Config) { delete(c.Authenticators, "customerJWT") },
			want:   "needs an authenticator for customerJWT",
		},
		"no authorization": {
			change: func(c *Config) { c.Authorize = nil },
			want:   "deleteThing needs Authorize",
		},
		"a role without a login": {
			replace: [2]string{"security: [{customerJWT: []}]", "security: []"},
			want:    "x-least-role on an operation that everyone may call",
		},
		"alternative logins": {
			replace: [2]string{"[{customerJWT: []}]", "[{customerJWT: []}, {deviceSession: []}]"},
			want:    "more than one security requirement",
		},
		"an optional login": {
			replace: [2]string{"[{customerJWT: []}]", "[{}]"},
			want:    "0 schemes instead of 1",
		},
		"a scheme that is no bearer token": {
			replace: [2]string{"customerJWT: {type: http, scheme: bearer}", "customerJWT: {type: http, scheme: basic}"},
			want:    "customerJWT is not a bearer token",
		},
		"a body that is not JSON": {
			replace: [2]string{"application/json:\n            schema: {$ref: '#/components/schemas/Options'}", "text/plain: {}"},
			want:    "not application/json alone",
		},
		"version 3.1": {
			replace: [2]string{"openapi: 3.0.3", "openapi: 3.1.0"},
			want:    "version 3.1.0 is not supported",
		},
		"no contract": {
			change: func(c *Config) { c.Spec = []byte("{}") },
			want:   "reading the contract",
		},
		"metrics that are registered already": {
			change: func(c *Config) { _, _ = newMetrics(c.Registerer) },
			want:   "registering the HTTP metrics",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := smallConfig(t, c.replace)
			if c.change != nil {
				c.change(&config)
			}

			_, err := newEdge(config)

			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNew_RequiresServer(t *testing.T) {
	t.Parallel()

	_, err := New(Config{})

	require.ErrorContains(t, err, "no Server")
}

func TestAccessLog_ClosedConnectionIsNoFailure(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(context.Background())
	te := newTestEdge(t, func(w http.ResponseWriter, r *http.Request) {
		hangUp()
		problem.Write(w, r, &fieldgate.Error{Code: fieldgate.CodeStoreUnavailable, Cause: r.Context().Err()})
	})
	r := httptest.NewRequest(http.MethodGet, "/things", nil).WithContext(ctx)
	w := httptest.NewRecorder()

	te.handler.ServeHTTP(w, r)

	require.Contains(t, te.log.String(), `"status":499`)
	require.Contains(t, te.log.String(), `"level":"INFO"`)
	requireProblem(t, w.Result(), fieldgate.CodeDraining) // the response of a stopping instance, for a client that is still connected
}
