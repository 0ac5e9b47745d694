package fieldgate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// heartbeatError sends a heartbeat to handler and returns the error of the call.
func heartbeatError(t *testing.T, handler http.HandlerFunc) error {
	t.Helper()
	_, err := serve(t, handler).DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(t.Context(), alive)
	return err
}

func TestAPIError_HasAllFieldsOfTheProblem(t *testing.T) {
	t.Parallel()
	err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{
			"type": "/docs/errors/already_decided", "title": "The command was already decided",
			"status": 409, "detail": "Bob rejected it.", "code": "already_decided",
			"requestId": "`+requestID+`", "sessionId": "`+sessionID+`",
			"command": {"id": "`+commandID+`", "status": "queued", "attempt": 0},
			"approval": {"decision": "approved", "decidedBy": "ada", "decidedAt": "2025-11-22T20:15:04.120Z", "reason": "agreed"},
			"errors": [{"pointer": "/limit", "keyword": "maximum", "reason": "number must be at most 10"}],
			"aFieldOfALaterVersion": true
		}`)
	})
	var refusal *fieldgate.APIError
	require.ErrorAs(t, fmt.Errorf("sending a heartbeat: %w", err), &refusal)
	require.Equal(t, http.StatusConflict, refusal.Status)
	require.Equal(t, fieldgate.CodeAlreadyDecided, refusal.Code)
	require.Equal(t, "The command was already decided", refusal.Title)
	require.Equal(t, "Bob rejected it.", refusal.Detail)
	require.Equal(t, requestID, refusal.RequestID)
	require.Equal(t, sessionID, refusal.SessionID)
	require.Equal(t, fieldgate.CommandState{ID: commandID, Status: fieldgate.CommandStatusQueued}, refusal.Command)
	require.Equal(t, fieldgate.Approval{
		Decision: fieldgate.DecisionApproved, DecidedBy: "ada", Reason: "agreed",
		DecidedAt: time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC),
	}, refusal.Approval)
	require.Equal(t, []fieldgate.FieldError{{Pointer: "/limit", Keyword: "maximum", Reason: "number must be at most 10"}}, refusal.Errors)
	require.Equal(t, 7*time.Second, refusal.RetryAfter)
	require.EqualError(t, err, "fieldgate: 409 already_decided: Bob rejected it.; "+
		"/limit: number must be at most 10 (request "+requestID+")")
}

func TestAPIError_MissingFieldsAreZero(t *testing.T) {
	t.Parallel()
	err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusForbidden, fieldgate.CodeInvalidClaimToken)
	})
	var refusal *fieldgate.APIError
	require.ErrorAs(t, err, &refusal)
	require.Zero(t, refusal.Command)
	require.Zero(t, refusal.Approval)
	require.Zero(t, refusal.SessionID)
	require.Zero(t, refusal.Errors)
	require.Zero(t, refusal.RetryAfter)
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusConflict, "a_code_of_a_later_version")
	})
	require.Equal(t, "a_code_of_a_later_version", fieldgate.CodeOf(fmt.Errorf("working: %w", err)))
	require.Empty(t, fieldgate.CodeOf(errors.New("something else")))
	require.Empty(t, fieldgate.CodeOf(nil))
}

func TestAPIError_ResponseOfAnotherServer(t *testing.T) {
	t.Parallel()
	const htmlPage = "<html><h1>502 Bad Gateway</h1></html>"
	const problem = "application/problem+json"
	for name, test := range map[string]struct {
		status      int
		contentType string
		body        string
		want        string
	}{
		"page of a balancer":      {502, "text/html", htmlPage, "fieldgate: 502 Bad Gateway: the response is text/html: it comes from a proxy"},
		"page of a portal as 200": {200, "text/html; charset=utf-8", htmlPage, "fieldgate: 200 OK: the response is text/html: it comes from a proxy"},
		"401 of a proxy":          {401, "text/plain", "who are you?", "fieldgate: 401 Unauthorized: the response is text/plain"},
		"JSON of another API":     {404, "application/json", `{"message":"no route"}`, "fieldgate: 404 Not Found: the response is application/json"},
		"no media type":           {200, "", `{}`, "fieldgate: 200 OK: the response is of no known type"},
		"no body":                 {200, "application/json", "", "fieldgate: 200 OK: the response is not valid JSON: unexpected end"},
		"truncated JSON":          {200, "application/json", `{"serverTime":"2025-`, "fieldgate: 200 OK: the response is not valid JSON: unexpected end"},
		"JSON of another type":    {200, "application/json", `["a"]`, "fieldgate: 200 OK: the response is not valid JSON: json: cannot unmarshal"},
		"two JSON values":         {200, "application/json", `{}{}`, "fieldgate: 200 OK: the response is not valid JSON: invalid character"},
		"truncated problem":       {409, problem, `{"code":"claim_exp`, "fieldgate: 409 Conflict: the problem document is not valid JSON: unexpected end"},
		"problem without a code":  {403, problem, `{}`, "fieldgate: 403 Forbidden"},
		"unknown status":          {599, "text/html", htmlPage, "fieldgate: 599 Unknown status: the response is text/html"},
		"problem with status 200": {200, problem, `{"code":"internal"}`, "fieldgate: 200 OK: the response is application/problem+json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.contentType}
				w.Header().Set("X-Request-ID", requestID)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "html>", "the body of another server is not in the error")
			var refusal *fieldgate.APIError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, test.status, refusal.Status)
			require.NotEmpty(t, refusal.Title)
			require.Empty(t, refusal.Code)
			require.Equal(t, requestID, refusal.RequestID)
		})
	}
}

func TestResponse_InvalidJSONReturnsTheZeroValue(t *testing.T) {
	t.Parallel()
	gateway := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ready":true,"draining":"perhaps"}`)
	})
	got, err := gateway.Readiness(t.Context())
	var wrong *json.UnmarshalTypeError
	require.ErrorAs(t, err, &wrong)
	require.Zero(t, got)
}

func TestResponse_EndsEarly(t *testing.T) {
	t.Parallel()
	err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"serverTime":`)
	})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "fieldgate: 200 OK: the response ended early")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const sent = "Sat, 22 Nov 2025 20:15:00 GMT"
	for value, want := range map[string]time.Duration{
		"30":                            30 * time.Second,
		"0":                             0,
		"":                              0,
		"-5":                            0,
		"soon":                          0,
		"99999999999999999999":          0,
		"Sat, 22 Nov 2025 20:17:00 GMT": 2 * time.Minute,
		"Sat, 22 Nov 2025 20:14:00 GMT": 0,
	} {
		err := heartbeatError(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", sent)
			w.Header().Set("Retry-After", value)
			writeProblem(w, http.StatusTooManyRequests, fieldgate.CodeRateLimited)
		})
		var refusal *fieldgate.APIError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, want, refusal.RetryAfter, "%q", value)
	}
}
