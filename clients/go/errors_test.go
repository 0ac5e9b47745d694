package fieldgate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// heartbeat makes a call that is answered by the handler, and gives its error.
func heartbeat(t *testing.T, handler http.HandlerFunc) error {
	t.Helper()
	_, err := serve(t, handler).DeviceWithToken(fieldgate.Bearer("token")).Heartbeat(t.Context(), ok)
	return err
}

func TestARefusalTellsAllThatTheGatewaySaid(t *testing.T) {
	t.Parallel()
	err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{
			"type": "/docs/errors/already_decided", "title": "The command was decided over",
			"status": 409, "detail": "Another decision stands.", "code": "already_decided",
			"requestId": "`+requestID+`", "sessionId": "`+sessionID+`",
			"command": {"id": "`+commandID+`", "status": "queued", "attempt": 0},
			"approval": {"decision": "approved", "decidedBy": "ada", "decidedAt": "2025-11-22T20:15:04.120Z", "reason": "agreed"},
			"errors": [{"pointer": "/limit", "keyword": "maximum", "reason": "number must be at most 10"}],
			"a field of a later version": true
		}`)
	})
	var refused *fieldgate.APIError
	require.ErrorAs(t, fmt.Errorf("beating: %w", err), &refused)
	require.Equal(t, http.StatusConflict, refused.Status)
	require.Equal(t, fieldgate.CodeAlreadyDecided, refused.Code)
	require.Equal(t, "The command was decided over", refused.Title)
	require.Equal(t, "Another decision stands.", refused.Detail)
	require.Equal(t, requestID, refused.RequestID)
	require.Equal(t, sessionID, refused.SessionID)
	require.Equal(t, fieldgate.CommandState{ID: commandID, Status: fieldgate.CommandStatusQueued}, refused.Command)
	require.Equal(t, fieldgate.Approval{
		Decision: fieldgate.DecisionApproved, DecidedBy: "ada", Reason: "agreed",
		DecidedAt: time.Date(2025, 11, 22, 20, 15, 4, 120e6, time.UTC),
	}, refused.Approval)
	require.Equal(t, []fieldgate.FieldError{{Pointer: "/limit", Keyword: "maximum", Reason: "number must be at most 10"}}, refused.Errors)
	require.Equal(t, 7*time.Second, refused.RetryAfter)
	require.EqualError(t, err, "fieldgate: 409 already_decided: Another decision stands.; "+
		"/limit: number must be at most 10 (request "+requestID+")")
}

func TestWhatARefusalDoesNotSayIsZero(t *testing.T) {
	t.Parallel()
	err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, fieldgate.CodeInvalidClaimToken)
	})
	var refused *fieldgate.APIError
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.Command)
	require.Zero(t, refused.Approval)
	require.Zero(t, refused.SessionID)
	require.Zero(t, refused.Errors)
	require.Zero(t, refused.RetryAfter)
}

func TestACodeIsFoundInsideOtherErrors(t *testing.T) {
	t.Parallel()
	err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusConflict, "a_code_of_a_later_version")
	})
	require.Equal(t, "a_code_of_a_later_version", fieldgate.CodeOf(fmt.Errorf("working: %w", err)))
	require.Empty(t, fieldgate.CodeOf(errors.New("something else")))
	require.Empty(t, fieldgate.CodeOf(nil))
}

func TestAnAnswerThatIsNotTheGatewaysIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	const htmlPage = "<html><h1>502 Bad Gateway</h1></html>"
	const problem = "application/problem+json"
	for name, test := range map[string]struct {
		status      int
		contentType string
		body        string
		want        string
	}{
		"a balancer's page":         {502, "text/html", htmlPage, "fieldgate: 502 Bad Gateway: the response is text/html: it comes from a proxy"},
		"a portal's page as 200":    {200, "text/html; charset=utf-8", htmlPage, "fieldgate: 200 OK: the response is text/html: it comes from a proxy"},
		"a proxy's 401":             {401, "text/plain", "who are you?", "fieldgate: 401 Unauthorized: the response is text/plain"},
		"JSON, but of another API":  {404, "application/json", `{"message":"no route"}`, "fieldgate: 404 Not Found: the response is application/json"},
		"no type":                   {200, "", `{}`, "fieldgate: 200 OK: the response is of no known type"},
		"no body":                   {200, "application/json", "", "fieldgate: 200 OK: the response is not valid JSON: unexpected end"},
		"half of the JSON":          {200, "application/json", `{"serverTime":"2025-`, "fieldgate: 200 OK: the response is not valid JSON: unexpected end"},
		"JSON of another shape":     {200, "application/json", `["a"]`, "fieldgate: 200 OK: the response is not valid JSON: json: cannot unmarshal"},
		"more than one value":       {200, "application/json", `{}{}`, "fieldgate: 200 OK: the response is not valid JSON: invalid character"},
		"half of a problem":         {409, problem, `{"code":"claim_exp`, "fieldgate: 409 Conflict: the problem document is not valid JSON: unexpected end"},
		"a problem without a code":  {403, problem, `{}`, "fieldgate: 403 Forbidden"},
		"a status without a name":   {599, "text/html", htmlPage, "fieldgate: 599 Unknown status: the response is text/html"},
		"a problem sent as success": {200, problem, `{"code":"internal"}`, "fieldgate: 200 OK: the response is application/problem+json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{test.contentType}
				w.Header().Set("X-Request-ID", requestID)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "html>", "what others wrote stays out of the log")
			var refused *fieldgate.APIError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, test.status, refused.Status)
			require.NotEmpty(t, refused.Title)
			require.Empty(t, refused.Code)
			require.Equal(t, requestID, refused.RequestID)
		})
	}
}

func TestAnAnswerThatCannotBeReadGivesNoHalfOfAValue(t *testing.T) {
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

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"serverTime":`)
	})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "fieldgate: 200 OK: the response ended early")
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
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
		err := heartbeat(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", sent)
			w.Header().Set("Retry-After", value)
			refuse(w, http.StatusTooManyRequests, fieldgate.CodeRateLimited)
		})
		var refused *fieldgate.APIError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, want, refused.RetryAfter, "%q", value)
	}
}

// The contract lies beside the module in its repository, and not elsewhere.
func TestTheCodesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../../openapi.yaml")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the contract is not here")
	}
	require.NoError(t, err)
	var want []string
	for _, row := range regexp.MustCompile("(?m)^ *\\| `([a-z_]+)` \\| [45][0-9]{2} \\|").FindAllSubmatch(contract, -1) {
		want = append(want, string(row[1]))
	}
	require.NotEmpty(t, want)

	source, err := os.ReadFile("codes.go")
	require.NoError(t, err)
	var got []string
	for _, constant := range regexp.MustCompile(`ProblemCode = "([a-z_]+)"`).FindAllSubmatch(source, -1) {
		got = append(got, string(constant[1]))
	}
	require.ElementsMatch(t, want, got)
}
