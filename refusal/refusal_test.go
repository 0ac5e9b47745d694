package refusal_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

func TestOf_ReplyBecomesWhatTheCallerIsTold(t *testing.T) {
	t.Parallel()
	require.NoError(t, refusal.Of(store.Reply{"ok", "command.claimed", "value"}))

	for name, tt := range map[string]struct {
		reply store.Reply
		want  fieldgate.Error
	}{
		"a code alone":        {store.Reply{"self_approval", "", "{}"}, fieldgate.Error{Code: fieldgate.CodeSelfApproval}},
		"the session":         {store.Reply{"session_active", "", "ses_1"}, fieldgate.Error{Code: fieldgate.CodeSessionActive, SessionID: "ses_1"}},
		"the time to wait":    {store.Reply{"rate_limited", "", int64(1500)}, fieldgate.Error{Code: fieldgate.CodeRateLimited, RetryAfter: 1500 * time.Millisecond}},
		"a fixed time":        {store.Reply{"device_queue_full", ""}, fieldgate.Error{Code: fieldgate.CodeDeviceQueueFull, RetryAfter: 10 * time.Second}},
		"the quota":           {store.Reply{"quota_exceeded", "", "devices", "9"}, fieldgate.Error{Code: fieldgate.CodeQuotaExceeded, Quota: "devices", RetryAfter: 30 * time.Second}},
		"without the session": {store.Reply{"session_active"}, fieldgate.Error{Code: fieldgate.CodeSessionActive}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused *fieldgate.Error
			require.ErrorAs(t, refusal.Of(tt.reply), &refused)
			require.NotEmpty(t, refused.Detail)
			tt.want.Detail = refused.Detail
			require.Equal(t, tt.want, *refused)
		})
	}
}

func TestOf_ReasonIsForTheLogOnly(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"unauthorized", "invalid_credentials", "invalid_activation_code"} {
		err := refusal.Of(store.Reply{code, "", "used"})
		var refused *fieldgate.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, fieldgate.ReasonUsed, refused.Reason)
		document, failed := json.Marshal(problem.Of(err, "r-1"))
		require.NoError(t, failed)
		require.NotContains(t, string(document), "used")
	}
}

func TestOf_RefusalsAreNotShared(t *testing.T) {
	t.Parallel()
	reply := store.Reply{"command_finished", "", "{}"}
	require.NotSame(t, refusal.Of(reply), refusal.Of(reply), "callers add the state of a command")
}

func TestOf_MarkerAndUnknownCodeReachNoCaller(t *testing.T) {
	t.Parallel()
	for _, marker := range refusal.Markers() {
		require.ErrorIs(t, refusal.Of(store.Reply{string(marker), "", "ses_1"}), marker)
		require.False(t, problem.Known(fieldgate.Code(marker)), marker)
	}
	for _, code := range []string{"stale", "never_heard_of", ""} {
		require.Equal(t, fieldgate.CodeInternal, problem.Of(refusal.Of(store.Reply{code}), "r-1").Code, code)
	}
}

func TestCodes_EachIsOfTheContractAndHasASentence(t *testing.T) {
	t.Parallel()
	for _, code := range refusal.Codes() {
		require.True(t, problem.Known(code), code)
		require.Regexp(t, `^[A-Z].+\.$`, refusal.New(code).Detail, code)
	}
}

func TestRetryStale_EndsWithTheFirstOtherOutcome(t *testing.T) {
	t.Parallel()
	failed := errors.New("the store is gone")
	for name, tt := range map[string]struct {
		outcomes []error
		want     error
	}{
		"at once":             {[]error{nil}, nil},
		"after a change":      {[]error{refusal.Stale, refusal.Stale, nil}, nil},
		"with another error":  {[]error{refusal.Stale, failed}, failed},
		"not with an old one": {[]error{failed, nil}, failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			got, err := refusal.RetryStale(func() (int, error) { calls++; return calls, tt.outcomes[calls-1] })
			require.Equal(t, tt.want, err)
			require.Equal(t, calls, got)
		})
	}
}

func TestRetryStale_EndlessChangesAreRateLimited(t *testing.T) {
	t.Parallel()
	calls := 0
	got, err := refusal.RetryStale(func() (int, error) { calls++; return calls, refusal.Stale })
	require.Zero(t, got)
	require.Equal(t, fieldgate.CodeRateLimited, fieldgate.CodeOf(err))
	require.ErrorIs(t, err, refusal.Stale)
	require.LessOrEqual(t, calls, 10)
}
