package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
)

func TestAnAdmittedRequestReachesItsHandlerWithItsPrincipal(t *testing.T) {
	t.Parallel()

	response := newThings(t, echo).put(t, `{"name":"abc"}`)

	require.Equal(t, http.StatusOK, response.StatusCode)
	reached := decode[got](t, response)
	require.Equal(t, "dev_1", reached.Principal)
	require.Equal(t, "putThing", reached.Operation)
	require.JSONEq(t, `{"name":"abc"}`, string(reached.Body))
}

func TestWithoutAValidTokenTheAnswerIs401(t *testing.T) {
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
			it := newThings(t, nothing)

			response := it.ask(t, http.MethodPut, "/things/abc?access_token="+goodToken, `{"name":"abc"}`, c.header...)

			requireProblem(t, response, fieldgate.CodeUnauthorized)
			require.Equal(t, c.challenge, response.Header.Get("WWW-Authenticate"))
		})
	}
}

func TestTheNameOfTheSchemeMayBeInAnyCase(t *testing.T) {
	t.Parallel()

	response := newThings(t, echo).ask(t, http.MethodPut, "/things/abc", `{"name":"abc"}`,
		isJSONLine, neededLine, "Authorization: bEARER  "+goodToken)

	require.Equal(t, http.StatusOK, response.StatusCode)
}

// endless is a body of 64 MiB that counts what is read of it.
type endless struct{ read, size int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read == e.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.size-e.read)
	e.read += n
	return int(n), nil
}

func TestNothingOfTheBodyIsReadBeforeTheCallerIsAdmitted(t *testing.T) {
	t.Parallel()

	limited := func(c *Config) {
		c.RateLimit = func(context.Context, string) error {
			return &fieldgate.Error{Code: fieldgate.CodeRateLimited, RetryAfter: time.Second}
		}
	}
	for name, c := range map[string]struct {
		header []string
		length int64
		change func(*Config)
		code   fieldgate.Code
	}{
		"no token":               {[]string{isJSONLine}, 64 << 20, func(*Config) {}, fieldgate.CodeUnauthorized},
		"no token, chunked":      {[]string{isJSONLine}, -1, func(*Config) {}, fieldgate.CodeUnauthorized},
		"wrong token":            {[]string{isJSONLine, "Authorization: Bearer x"}, 64 << 20, func(*Config) {}, fieldgate.CodeUnauthorized},
		"over the rate limit":    {[]string{isJSONLine, authLine, neededLine}, -1, limited, fieldgate.CodeRateLimited},
		"announced as too large": {[]string{isJSONLine, authLine, neededLine}, 64 << 20, func(*Config) {}, fieldgate.CodeBodyTooLarge},
		"of another media type":  {[]string{authLine, neededLine}, -1, func(*Config) {}, fieldgate.CodeUnsupportedMediaType},
		"with wrong parameters":  {[]string{isJSONLine, authLine}, -1, func(*Config) {}, fieldgate.CodeValidationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := newThings(t, nothing, c.change)
			body := &endless{size: 64 << 20}
			r := httptest.NewRequest(http.MethodPut, "/things/abc", body)
			r.ContentLength = c.length
			setHeaders(r, c.header)
			w := httptest.NewRecorder()

			it.handler.ServeHTTP(w, r)

			requireProblem(t, w.Result(), c.code)
			require.Zero(t, body.read)
		})
	}
}

func TestWhatAuthenticatorsCannotTellIsNotTheCallersFault(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		err  error
		code fieldgate.Code
	}{
		"the store is away":     {&fieldgate.Error{Code: fieldgate.CodeStoreUnavailable, RetryAfter: 3 * time.Second}, fieldgate.CodeStoreUnavailable},
		"something else":        {errors.New("dial tcp 10.0.0.1:6379"), fieldgate.CodeInternal},
		"a deadline has passed": {context.DeadlineExceeded, fieldgate.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := newThings(t, nothing, func(config *Config) {
				config.Authenticators["deviceSession"] = func(context.Context, string) (context.Context, error) {
					return nil, c.err
				}
			})

			document := requireProblem(t, it.put(t, `{}`), c.code)

			require.NotContains(t, document.Detail, "10.0.0.1")
		})
	}
}

func TestARoleBelowTheLeastRoleIsRefused(t *testing.T) {
	t.Parallel()
	limited := 0
	it := newThings(t, nothing, func(c *Config) {
		c.RateLimit = func(context.Context, string) error { limited++; return nil }
	})

	document := requireProblem(t, it.ask(t, http.MethodDelete, "/things/abc", "", authLine), fieldgate.CodeInsufficientRole)

	require.Equal(t, "This operation needs the role admin.", document.Detail)
	require.Zero(t, limited, "who may not call does not use up what the others may")
}

func TestTheRateLimitCountsPerCallerAndBeforeValidation(t *testing.T) {
	t.Parallel()
	var principal any
	var operation string
	it := newThings(t, nothing, func(c *Config) {
		c.RateLimit = func(ctx context.Context, operationID string) error {
			principal, operation = ctx.Value(principalKey{}), operationID
			return &fieldgate.Error{Code: fieldgate.CodeRateLimited, RetryAfter: 1200 * time.Millisecond}
		}
	})

	response := it.put(t, `not JSON`)

	requireProblem(t, response, fieldgate.CodeRateLimited)
	require.Equal(t, "2", response.Header.Get("Retry-After"), "rounded up, so that nobody comes back too early")
	require.Equal(t, "dev_1", principal)
	require.Equal(t, "putThing", operation)
}

func TestARouteThatTheContractDoesNotHaveIsNotServed(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)
	config := smallConfig(t, [2]string{})
	config.Logger = slog.New(slog.NewTextHandler(it.log, nil))
	e, err := newEdge(config)
	require.NoError(t, err)
	it.handler = e.handler(mountAt(http.MethodGet, "/unknown", nothing))

	requireProblem(t, it.fetch(t, "/unknown", authLine), fieldgate.CodeInternal)
	require.Contains(t, it.log.String(), "the contract has no GET /unknown")
}

func TestAnEdgeThatWouldLeaveSomethingOpenDoesNotStart(t *testing.T) {
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

func TestAServerIsRequired(t *testing.T) {
	t.Parallel()

	_, err := New(Config{})

	require.ErrorContains(t, err, "no Server")
}

func TestAClientThatHangsUpIsNoFault(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(context.Background())
	it := newThings(t, func(w http.ResponseWriter, r *http.Request) {
		hangUp()
		problem.Write(w, r, &fieldgate.Error{Code: fieldgate.CodeStoreUnavailable, Cause: r.Context().Err()})
	})
	r := httptest.NewRequest(http.MethodGet, "/things", nil).WithContext(ctx)
	w := httptest.NewRecorder()

	it.handler.ServeHTTP(w, r)

	require.Contains(t, it.log.String(), `"status":499`)
	require.Contains(t, it.log.String(), `"level":"INFO"`)
	requireProblem(t, w.Result(), fieldgate.CodeDraining) // should anyone be there after all, it is we who stop
}
