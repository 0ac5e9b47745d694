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

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"no state":          func(c *Config) { c.StateFile = "" },
		"no URL":            func(c *Config) { c.URL = "" },
		"no scheme":         func(c *Config) { c.URL = "gateway.example.com" },
		"concurrency":       func(c *Config) { c.Concurrency = 65 },
		"no concurrency":    func(c *Config) { c.Concurrency = -1 },
		"short lease":       func(c *Config) { c.Lease = time.Second },
		"long lease":        func(c *Config) { c.Lease = 2 * time.Hour },
		"long poll":         func(c *Config) { c.PollWait = time.Minute },
		"negative patience": func(c *Config) { c.Grace = -1 },
	} {
		c := Config{URL: "https://gateway.example.com", StateFile: "device.json"}
		_, err := New(c)
		require.NoError(t, err)
		change(&c)
		_, err = New(c)
		require.Error(t, err, name)
	}
}

// refusal is what the gateway answers.
func refusal(status int, code fieldgate.ProblemCode) error {
	return fmt.Errorf("asking: %w", &fieldgate.APIError{Problem: fieldgate.Problem{Status: status, Code: code}})
}

func TestOnlyTheGatewaysOwnWordIsFinal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		settled bool
	}{
		"finished":         {refusal(409, fieldgate.CodeCommandFinished), true},
		"superseded":       {refusal(409, fieldgate.CodeClaimSuperseded), true},
		"no such command":  {refusal(404, fieldgate.CodeCommandNotFound), true},
		"invalid":          {refusal(400, fieldgate.CodeValidationFailed), true},
		"no connection":    {errors.New("no route"), false},
		"a proxy's page":   {refusal(404, ""), false},
		"another path":     {refusal(404, fieldgate.CodeNotFound), false},
		"logged out":       {refusal(401, fieldgate.CodeUnauthorized), false},
		"wrong secret":     {refusal(401, fieldgate.CodeInvalidCredentials), false},
		"suspended":        {refusal(403, fieldgate.CodeDeviceSuspended), false},
		"another claim's":  {refusal(403, fieldgate.CodeInvalidClaimToken), true},
		"wrong origin":     {refusal(403, fieldgate.CodeOriginNotAllowed), false},
		"wrong role":       {refusal(403, fieldgate.CodeInsufficientRole), false},
		"a new 403":        {refusal(403, "not_on_sundays"), false},
		"method":           {refusal(405, fieldgate.CodeMethodNotAllowed), false},
		"media type":       {refusal(415, fieldgate.CodeUnsupportedMediaType), false},
		"too often":        {refusal(429, fieldgate.CodeRateLimited), false},
		"store is away":    {refusal(503, fieldgate.CodeStoreUnavailable), false},
		"socket broke":     {fieldgate.ErrInterrupted, false},
		"nothing happened": {nil, false},
	} {
		require.Equal(t, c.settled, settled(c.err), name)
	}
}

func TestWaitsAreRandomAndBounded(t *testing.T) {
	t.Parallel()
	longest := map[time.Duration]error{backoffCap: errors.New("no route"), backoffRefused: refusal(403, fieldgate.CodeDeviceSuspended)}
	for bound, err := range longest {
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
	require.Less(t, b.delay(hinted), maxHint+backoffCap)
}

func TestWhatADeviceWithoutAClockSaysIsNothing(t *testing.T) {
	t.Parallel()
	require.True(t, wallClock(time.Unix(-1e9, 0)).IsZero())
	require.True(t, wallClock(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero())
	now := time.Now()
	require.WithinDuration(t, now, wallClock(now), time.Millisecond)
}

func TestAHandlerThatIsDoneAllTheSameIsDone(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(&CancelError{Reason: "wrong pump"})
	require.Equal(t, fieldgate.ResultStatusSucceeded, outcomeOf(ctx, Result{Output: "too late"}, nil).Status)
	require.Equal(t, fieldgate.ResultStatusFailed, outcomeOf(ctx, Result{}, errors.New("it broke")).Status)
	for _, err := range []error{ctx.Err(), context.Cause(ctx), fmt.Errorf("running: %w", context.Canceled)} {
		stopped := outcomeOf(ctx, Result{}, err)
		require.Equal(t, fieldgate.ResultStatusCancelled, stopped.Status)
		require.Contains(t, stopped.Error, "wrong pump")
	}
}

// Two agents with one identity end each other's sockets: neither must come back soon, nor
// both at the same time.
func TestRivalsDoNotChaseEachOther(t *testing.T) {
	t.Parallel()
	different := map[time.Duration]bool{}
	for range 100 {
		rest := restOf(&fieldgate.CloseError{Code: fieldgate.CloseSuperseded})
		require.GreaterOrEqual(t, rest, rivalPause)
		different[rest] = true
	}
	require.Greater(t, len(different), 50)
	require.Zero(t, restOf(errors.New("no route")))
}

func TestEveryResultIsWrittenAsJSON(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"a\x01b", `quoted "`, "\u2028", "\xff", "\U000e0001"} {
		seen := outcomeOf(t.Context(), Result{}, Fail(code, "it broke"))
		require.True(t, json.Valid(seen.Data), "%q: %s", code, seen.Data)
	}
	seen := outcomeOf(t.Context(), Result{Data: json.RawMessage("{\"a\":\"\xff\"}")}, nil)
	require.JSONEq(t, `{"code":"invalid_result"}`, string(seen.Data), "the socket would refuse it for ever")
}

func TestParametersAreHeldAgainstTheirType(t *testing.T) {
	t.Parallel()
	type wanted struct {
		Host string `json:"host"`
		Port int    `json:"port"`
	}
	for text, code := range map[string]string{
		`{"host":"a","port":1}`: "", `{}`: "", ``: "",
		`{"host":"a","shell":"sh"}`: CodeInvalidParameters, `{"port":"1"}`: CodeInvalidParameters, `{"port":1.5}`: CodeInvalidParameters,
		`[]`: CodeInvalidParameters, `{} {}`: CodeInvalidParameters, `{`: CodeInvalidParameters,
	} {
		_, err := Parameters[wanted](Command{Parameters: []byte(text)})
		if code == "" {
			require.NoError(t, err, text)
			continue
		}
		require.Equal(t, code, codeOf(err), text)
	}
}
