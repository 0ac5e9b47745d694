package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

func TestNew_RefusesInvalidConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"no state file":  func(c *Config) { c.StateFile = "" },
		"no URL":         func(c *Config) { c.URL = "" },
		"no scheme":      func(c *Config) { c.URL = "gateway.example.com" },
		"concurrency":    func(c *Config) { c.Concurrency = 65 },
		"no concurrency": func(c *Config) { c.Concurrency = -1 },
		"short lease":    func(c *Config) { c.Lease = time.Second },
		"long lease":     func(c *Config) { c.Lease = 2 * time.Hour },
		"long poll":      func(c *Config) { c.PollWait = time.Minute },
		"negative rate":  func(c *Config) { c.MinRate = -1 },
		"negative time":  func(c *Config) { c.RequestTimeout = -1 },
		"negative grace": func(c *Config) { c.Grace = -1 },
	} {
		c := Config{URL: "https://gateway.example.com", StateFile: "device.json"}
		_, err := New(c)
		require.NoError(t, err)
		change(&c)
		_, err = New(c)
		require.Error(t, err, name)
	}
}

// refusal returns an error that wraps a refusal of the gateway.
func refusal(status int, code fieldgate.ProblemCode) error {
	return fmt.Errorf("calling: %w", &fieldgate.APIError{Problem: fieldgate.Problem{Status: status, Code: code}})
}

func TestIsPermanent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err       error
		permanent bool
	}{
		"finished":          {refusal(409, fieldgate.CodeCommandFinished), true},
		"superseded":        {refusal(409, fieldgate.CodeClaimSuperseded), true},
		"no such command":   {refusal(404, fieldgate.CodeCommandNotFound), true},
		"invalid":           {refusal(400, fieldgate.CodeValidationFailed), true},
		"no connection":     {errors.New("no route"), false},
		"a proxy's page":    {refusal(404, ""), false},
		"wrong path":        {refusal(404, fieldgate.CodeNotFound), false},
		"logged out":        {refusal(401, fieldgate.CodeUnauthorized), false},
		"wrong secret":      {refusal(401, fieldgate.CodeInvalidCredentials), false},
		"suspended":         {refusal(403, fieldgate.CodeDeviceSuspended), false},
		"invalid token":     {refusal(403, fieldgate.CodeInvalidClaimToken), true},
		"wrong origin":      {refusal(403, fieldgate.CodeOriginNotAllowed), false},
		"wrong role":        {refusal(403, fieldgate.CodeInsufficientRole), false},
		"unknown 403":       {refusal(403, "not_on_sundays"), false},
		"method":            {refusal(405, fieldgate.CodeMethodNotAllowed), false},
		"media type":        {refusal(415, fieldgate.CodeUnsupportedMediaType), false},
		"rate limited":      {refusal(429, fieldgate.CodeRateLimited), false},
		"store unavailable": {refusal(503, fieldgate.CodeStoreUnavailable), false},
		"socket broken":     {fieldgate.ErrInterrupted, false},
		"no error":          {nil, false},
	} {
		require.Equal(t, c.permanent, isPermanent(c.err), name)
	}
}

func TestBackoff_DelaysAreRandomAndBounded(t *testing.T) {
	t.Parallel()
	caps := map[time.Duration]error{backoffCap: errors.New("no route"), backoffRefusedCap: refusal(403, fieldgate.CodeDeviceSuspended)}
	for bound, err := range caps {
		var b backoff
		different := map[time.Duration]bool{}
		for i := range 200 {
			d := b.delay(err)
			require.Less(t, d, min(backoffBase<<min(i, 20), bound))
			different[d] = true
		}
		require.Greater(t, len(different), 150)
	}
	var b backoff
	hinted := &fieldgate.APIError{Problem: fieldgate.Problem{Status: http.StatusServiceUnavailable}, RetryAfter: 7 * time.Second}
	require.GreaterOrEqual(t, b.delay(hinted), 7*time.Second)
	hinted.RetryAfter = 1000 * time.Hour
	require.Less(t, b.delay(hinted), maxRetryAfter+backoffCap)
}

func TestWallClock_IsZeroIfClockIsNotSet(t *testing.T) {
	t.Parallel()
	require.True(t, wallClock(time.Unix(-1e9, 0)).IsZero())
	require.True(t, wallClock(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero())
	now := time.Now()
	require.WithinDuration(t, now, wallClock(now), time.Millisecond)
}

func TestNewResult_CancelledOnlyIfHandlerStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(&CancelError{Reason: "wrong pump"})
	require.Equal(t, fieldgate.ResultStatusSucceeded, newResult(ctx, Result{Output: "done nevertheless"}, nil).Status)
	require.Equal(t, fieldgate.ResultStatusFailed, newResult(ctx, Result{}, errors.New("it broke")).Status)
	for _, err := range []error{ctx.Err(), context.Cause(ctx), fmt.Errorf("running: %w", context.Canceled)} {
		stopped := newResult(ctx, Result{}, err)
		require.Equal(t, fieldgate.ResultStatusCancelled, stopped.Status)
		require.Contains(t, stopped.Error, "wrong pump")
	}
}

// TestReconnectDelay_AfterSupersededSocket covers two agents with the same identity, which
// close each other's sockets. The delay before they reconnect must be long and random.
func TestReconnectDelay_AfterSupersededSocket(t *testing.T) {
	t.Parallel()
	different := map[time.Duration]bool{}
	for range 100 {
		delay := reconnectDelay(&fieldgate.CloseError{Code: fieldgate.CloseSuperseded})
		require.GreaterOrEqual(t, delay, supersededDelay)
		different[delay] = true
	}
	require.Greater(t, len(different), 50)
	require.Zero(t, reconnectDelay(errors.New("no route")))
}

func TestNewResult_DataIsAlwaysJSON(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"a\x01b", `quoted "`, "\u2028", "\xff", "\U000e0001"} {
		result := newResult(t.Context(), Result{}, Fail(code, "it broke"))
		require.True(t, json.Valid(result.Data), "%q: %s", code, result.Data)
	}
	result := newResult(t.Context(), Result{Data: json.RawMessage("{\"a\":\"\xff\"}")}, nil)
	require.JSONEq(t, `{"code":"invalid_result"}`, string(result.Data), "the gateway would refuse it each time")
}
