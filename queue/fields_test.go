package queue_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestRetry_CopiesWholeProposal sets every field of a proposal. The command and its retry must
// have the same value in each field, except for fields that the retrying request sets.
func TestRetry_CopiesWholeProposal(t *testing.T) {
	t.Parallel()
	ofRequest := map[string]string{
		"UserID":         "the user who retries proposes the new command",
		"ByProgram":      "the user who retries may act without a client",
		"Role":           "the user who retries may have another one",
		"RequestID":      "the new command belongs to the request that retries",
		"Traceparent":    "so it does to its trace",
		"Reason":         "the retry has a reason of its own",
		"RetryOf":        "names the command that is retried",
		"IdempotencyKey": "belongs to one request and is not kept with the command",
	}
	f := newFixture(t, storetest.Redis(t))
	p := f.proposal(auto)
	fillZeroFields(t, reflect.ValueOf(&p).Elem())

	first, err := f.queue.Propose(t.Context(), p)
	require.NoError(t, err)
	f.cancel(first)
	second, err := f.queue.Retry(t.Context(), retryOf(first))
	require.NoError(t, err)
	for field := range reflect.TypeFor[queue.Proposal]().Fields() {
		want := reflect.ValueOf(p).FieldByIndex(field.Index).Interface()
		if field.Name != "IdempotencyKey" && field.Name != "Role" { // only a statement keeps the role
			require.Equal(t, want, reflect.ValueOf(first.Proposal).FieldByIndex(field.Index).Interface(), "the command lost %s", field.Name)
		}
		if _, found := ofRequest[field.Name]; !found {
			require.Equal(t, want, reflect.ValueOf(second.Proposal).FieldByIndex(field.Index).Interface(), "the retry lost %s", field.Name)
		}
	}
	want := retryOf(first)
	require.Equal(t, []string{want.UserID, want.RequestID, want.Reason, first.ID},
		[]string{second.UserID, second.RequestID, second.Reason, second.RetryOf})
}

// fillZeroFields sets each zero field of a struct to a value that no other field has.
func fillZeroFields(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if !value.IsZero() {
			continue
		}
		switch value.Interface().(type) {
		case string:
			value.SetString("any " + field.Name)
		case int:
			value.SetInt(int64(2 + i))
		case bool:
			value.SetBool(true)
		case time.Duration:
			value.SetInt(int64(time.Hour + time.Duration(i)*time.Minute))
		default:
			require.Fail(t, "fillZeroFields cannot set "+field.Name)
		}
	}
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestCommand_EveryFieldIsFilled takes one command through all of its transitions. If a
// field is still zero afterwards, no script or conversion sets it.
func TestCommand_EveryFieldIsFilled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(everything))
	first := f.cancel(f.propose(review))
	retry := retryOf(first)
	retry.ByProgram, retry.Traceparent = true, traceparent
	retried, err := f.queue.Retry(t.Context(), retry)
	require.NoError(t, err)
	f.voteOf(retried, "bob")
	f.breakGlass(retried, "dora")
	f.reviewGlass(retried, "carol")
	lease := f.claimOne()
	require.NotZero(t, lease.VisibleUntil)
	f.cancel(lease.Command)
	f.expireLease(lease)
	_, err = f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Failed, queue.Result{
		Output: "partial", Error: "disk full", Data: json.RawMessage(`{"n":1}`), ExecutedAt: time.UnixMilli(1), DurationMs: 1,
	})
	require.NoError(t, err)

	storetest.RequireFilled(t, f.get(lease.ID), map[string]string{
		"Proposal.IdempotencyKey": "it is not kept with the command",
		"Proposal.Role":           "only a statement keeps it, and only where a tenant has a policy",
		"Needs.NoBreakGlass":      "a statement allows break glass or does not mention it",
		"Votes.Passkey":           "the first vote is not signed",
		"Votes.Alone":             "the first vote is that of another user",
		"VisibleUntil":            "it is zero unless the command is claimed",
		"ParametersOmitted":       "only a list omits them",
		"ResultOmitted":           "only a list omits it",
		"SetAsideAt":              "the record was not changed: see TestGet_ShowsNoForgedVote",
		"OtherResult":             "only a refused result sets it: see TestSubmitResult_OtherResultIsKeptBesideFirst",
	})
}
