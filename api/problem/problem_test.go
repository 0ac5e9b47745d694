package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// fullRefusal returns a refusal with all fields set.
func fullRefusal(code fieldgate.Code) *fieldgate.Error {
	return &fieldgate.Error{
		Code:       code,
		Detail:     "A sentence.",
		RetryAfter: 2 * time.Second,
		Command:    &fieldgate.CommandState{ID: "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm", Status: "claimed", Attempt: 2},
		SessionID:  "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
		Approval: &fieldgate.Approval{
			Decision: "approved", DecidedBy: "u-1", Names: fieldgate.Names{Name: "Ann", Email: "ann@example.com"},
			DecidedAt: time.Date(2025, 11, 22, 20, 15, 4, 120_000_000, time.UTC), Reason: "seen",
		},
		Fields: []fieldgate.FieldError{{Pointer: "/limit", Keyword: "maximum", Reason: "must be at most 10"}},
		Cause:  errors.New("dial tcp 10.0.0.1:6379: refused"),
	}
}

// write writes an error as the response to a request with the headers, which are pairs of
// name and value.
func write(t testing.TB, err error, header ...string) (*http.Response, problem.Document, *request.Info) {
	t.Helper()
	info := &request.Info{ID: "r-1"}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(request.With(r.Context(), info))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	problem.Write(w, r, err)
	var document problem.Document
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &document))
	return w.Result(), document, info
}

func TestOf_HasAllOfRefusal(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(problem.Of(fullRefusal(fieldgate.CodeAlreadyDecided), "r-1"))

	require.NoError(t, err)
	require.JSONEq(t, `{
		"type": "/docs/errors/already_decided",
		"title": "The command was already decided",
		"status": 409,
		"detail": "A sentence.",
		"code": "already_decided",
		"requestId": "r-1",
		"errors": [{"pointer": "/limit", "keyword": "maximum", "reason": "must be at most 10"}],
		"command": {"id": "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm", "status": "claimed", "attempt": 2},
		"sessionId": "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en",
		"approval": {"decision": "approved", "decidedBy": "u-1", "decidedByActor": {"kind": "user", "id": "u-1", "name": "Ann", "email": "ann@example.com"}, "decidedAt": "2025-11-22T20:15:04.120Z", "reason": "seen"}
	}`, string(text))
}

func TestOf_OmitsEmptyMembers(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(problem.Of(fieldgate.Refuse(fieldgate.CodeNotFound, ""), "r-1"))

	require.NoError(t, err)
	require.JSONEq(t, `{
		"type": "/docs/errors/not_found", "title": "There is no such path", "status": 404, "code": "not_found", "requestId": "r-1"
	}`, string(text))
}

func TestOf_FollowsContract(t *testing.T) {
	t.Parallel()
	contract, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	schema := contract.Components.Schemas["Problem"].Value

	for _, code := range problem.Codes() {
		for _, refusal := range []error{fullRefusal(code), fieldgate.Refuse(code, "")} {
			text, err := json.Marshal(problem.Of(refusal, "r-1"))
			require.NoError(t, err)
			var value any
			require.NoError(t, json.Unmarshal(text, &value))
			require.NoError(t, schema.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors()))
		}
	}
}

func TestWrite_HidesInternalErrors(t *testing.T) {
	t.Parallel()

	for name, err := range map[string]error{
		"any error":            errors.New("secret"),
		"a deadline":           fmt.Errorf("secret: %w", context.DeadlineExceeded),
		"an unknown code":      &fieldgate.Error{Code: "made_up", Detail: "secret"},
		"no code":              &fieldgate.Error{Detail: "secret"},
		"the cause of refusal": &fieldgate.Error{Code: fieldgate.CodeInternal, Detail: "Sorry.", Cause: errors.New("secret")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response, document, info := write(t, err)

			require.Equal(t, http.StatusInternalServerError, response.StatusCode)
			require.Equal(t, fieldgate.CodeInternal, document.Code)
			require.NotContains(t, fmt.Sprint(document), "secret")
			require.Equal(t, err, info.Err, "the error must be logged")
		})
	}
}

func TestWrite_FindsWrappedRefusal(t *testing.T) {
	t.Parallel()

	_, document, info := write(t, fmt.Errorf("claiming: %w", fieldgate.Refuse(fieldgate.CodeDeviceSuspended, "The device is suspended.")))

	require.Equal(t, fieldgate.CodeDeviceSuspended, document.Code)
	require.Equal(t, "The device is suspended.", document.Detail)
	require.Equal(t, "r-1", document.RequestID)
	require.Equal(t, fieldgate.CodeDeviceSuspended, info.Code)
}

func TestWrite_RetryAfterIsInWholeSeconds(t *testing.T) {
	t.Parallel()

	for wait, want := range map[time.Duration]string{
		0:                       "1",
		time.Millisecond:        "1",
		time.Second:             "1",
		1001 * time.Millisecond: "2",
		time.Minute:             "60",
		1000 * time.Hour:        "86400",
		-time.Second:            "1",
	} {
		for _, code := range []fieldgate.Code{
			fieldgate.CodeRateLimited, fieldgate.CodeDeviceQueueFull, fieldgate.CodeStoreUnavailable, fieldgate.CodeDraining,
		} {
			response, _, _ := write(t, &fieldgate.Error{Code: code, RetryAfter: wait})

			require.Equal(t, want, response.Header.Get("Retry-After"), "%s %s", code, wait)
		}
	}
}

func TestWrite_RetryAfterOnlyWhereRepeatingHelps(t *testing.T) {
	t.Parallel()

	response, _, _ := write(t, &fieldgate.Error{Code: fieldgate.CodeSessionClosed, RetryAfter: time.Second})

	require.Empty(t, response.Header.Get("Retry-After"))
}

func TestWrite_401HasChallenge(t *testing.T) {
	t.Parallel()
	token := []string{"Authorization", "Bearer x"}

	for name, c := range map[string]struct {
		code   fieldgate.Code
		header []string
		want   string
	}{
		"without a token":  {fieldgate.CodeUnauthorized, nil, `Bearer realm="fieldgate"`},
		"with a token":     {fieldgate.CodeUnauthorized, token, `Bearer realm="fieldgate", error="invalid_token"`},
		"with credentials": {fieldgate.CodeInvalidCredentials, token, `Bearer realm="fieldgate"`},
		"with a code":      {fieldgate.CodeInvalidActivationCode, nil, `Bearer realm="fieldgate"`},
		"a 403 has none":   {fieldgate.CodeInsufficientRole, token, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response, _, _ := write(t, fieldgate.Refuse(c.code, ""), c.header...)

			require.Equal(t, c.want, response.Header.Get("WWW-Authenticate"))
		})
	}
}

func TestWrite_RemovesHeadersOfSuccess(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("Location", "/api/v1/customer/devices/dev_1")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "7")

	problem.Write(w, httptest.NewRequest(http.MethodPost, "/", nil), errors.New("encoding failed"))

	require.Empty(t, w.Header().Get("Location"))
	require.Empty(t, w.Header().Get("Content-Length"))
	require.Equal(t, problem.ContentType, w.Header().Get("Content-Type"))
}

// startedResponse is a response that has started.
type startedResponse struct{ *httptest.ResponseRecorder }

func (startedResponse) Status() int { return http.StatusOK }

func TestWrite_LeavesStartedResponseUnchanged(t *testing.T) {
	t.Parallel()
	info := &request.Info{}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := startedResponse{httptest.NewRecorder()}

	problem.Write(w, r.WithContext(request.With(r.Context(), info)), errors.New("too late"))

	require.Empty(t, w.Body.String())
	require.EqualError(t, info.Err, "too late")
}

func TestWrite_AbandonedOnlyIfRequestIsCanceled(t *testing.T) {
	t.Parallel()

	_, document, info := write(t, fmt.Errorf("an inner step: %w", context.Canceled))

	require.False(t, info.Abandoned)
	require.Equal(t, fieldgate.CodeInternal, document.Code)
}
