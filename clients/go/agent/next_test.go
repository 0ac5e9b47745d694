package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// TestNext_ResultClaimsNextCommand returns the second command to the result of the first, and never
// to a claim.
func TestNext_ResultClaimsNextCommand(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"))
	g.next = []string{claimedJSON("cmd_2", "a")}
	g.startAgent(t, Config{Lease: 40 * time.Second}, map[string]Handler{"a": succeed})
	g.awaitResult(t, "cmd_2")
	first := g.awaitResult(t, "cmd_1")
	require.True(t, first.Next)
	require.Equal(t, 40_000, first.VisibilityTimeoutMs)
}

// TestNext_EarlierGatewayGetsResultWithoutNext refuses the unknown field, as a gateway of an earlier
// version does. The result must not be replaced by a failure.
func TestNext_EarlierGatewayGetsResultWithoutNext(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"), claimedJSON("cmd_2", "a"))
	refusals := 0
	g.refuseWith = func(_ string, body []byte) *fieldgate.Problem {
		var result fieldgate.ResultRequest
		if json.Unmarshal(body, &result) == nil && result.Next {
			refusals++
			return &fieldgate.Problem{Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{
				{Keyword: "additionalProperties", Reason: "has an unknown field; allowed are claimToken, status"},
			}}
		}
		return nil
	}
	g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
	for _, id := range []string{"cmd_1", "cmd_2"} {
		require.Equal(t, fieldgate.ResultStatusSucceeded, g.awaitResult(t, id).Status)
	}
	g.locked(func(*fakeGateway) { require.Equal(t, 1, refusals, "later results do not claim") })
}

// TestNext_InvalidResultDoesNotEndClaims refuses the content of one result. Later results must still
// claim the next command.
func TestNext_InvalidResultDoesNotEndClaims(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t, claimedJSON("cmd_1", "a"), claimedJSON("cmd_2", "a"))
	g.refuseWith = func(path string, body []byte) *fieldgate.Problem {
		if strings.Contains(path, "cmd_1") && strings.Contains(string(body), "succeeded\",") {
			return &fieldgate.Problem{Code: fieldgate.CodeValidationFailed, Errors: []fieldgate.FieldError{{Pointer: "/output", Keyword: "maxLength"}}}
		}
		return nil
	}
	g.startAgent(t, Config{}, map[string]Handler{"a": succeed})
	require.JSONEq(t, `{"code":"invalid_result"}`, string(g.awaitResult(t, "cmd_1").Data))
	require.True(t, g.awaitResult(t, "cmd_2").Next)
}

// TestNext_ResubmittedResultRunsItsCommand starts an agent whose earlier run died between the
// response to a result and the record of the next command. The gateway returns that command again.
func TestNext_ResubmittedResultRunsItsCommand(t *testing.T) {
	t.Parallel()
	path := newStatePath(t)
	j := openTestJournal(t, path+".journal")
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.recordResult("cmd_1", fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Next: true}))
	j.close()
	g := newFakeGateway(t)
	g.next = []string{claimedJSON("cmd_2", "a")}
	g.startAgent(t, Config{StateFile: path}, map[string]Handler{"a": succeed})
	g.awaitResult(t, "cmd_2")
	require.True(t, g.awaitResult(t, "cmd_1").Next)
}

// TestNext_KeepsClaimKey begins a command that was claimed with a result, while a claim with the key
// may be in progress.
func TestNext_KeepsClaimKey(t *testing.T) {
	t.Parallel()
	path := newStatePath(t)
	j := openTestJournal(t, path)
	key, err := j.claimKey()
	require.NoError(t, err)
	require.NoError(t, j.begin(testCommand(1), false, false))
	_, found, err := j.reclaim(testCommand(1), false)
	require.NoError(t, err)
	require.True(t, found)
	j.close()
	kept, err := openTestJournal(t, path).claimKey()
	require.NoError(t, err)
	require.Equal(t, key, kept)
}

// TestNext_RunningCommandIsNotReleased starts an agent with an unsubmitted result and the command that
// this result has claimed, which runs when the result gets through. The gateway returns the command
// again, and no slot is free.
func TestNext_RunningCommandIsNotReleased(t *testing.T) {
	t.Parallel()
	path := newStatePath(t)
	j, err := openJournal(path+".journal", thisMachine().id(), unlocked, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, j.begin(testCommand(1), false, true))
	require.NoError(t, j.recordResult("cmd_1", fieldgate.ResultRequest{Status: fieldgate.ResultStatusSucceeded, Next: true}))
	require.NoError(t, j.begin(Command{ID: "cmd_2", Type: "a", ClaimToken: "token"}, true, false))
	j.close()
	g := newFakeGateway(t)
	g.next = []string{claimedJSON("cmd_2", "a")}
	running, released := make(chan struct{}), false
	g.proxy = func(path string, _ []byte) int {
		released = released || strings.HasSuffix(path, "/release")
		select {
		case <-running:
		default:
			if isResult(path) {
				return http.StatusServiceUnavailable
			}
		}
		return 0
	}
	end := make(chan struct{})
	g.startAgent(t, Config{StateFile: path}, map[string]Handler{"a": func(context.Context, Command) (Result, error) {
		close(running)
		<-end
		return Result{Output: "done"}, nil
	}}, Repeatable())
	g.awaitResult(t, "cmd_1")
	time.Sleep(200 * time.Millisecond) // a release would arrive meanwhile
	close(end)
	require.Equal(t, "done", g.awaitResult(t, "cmd_2").Output)
	g.locked(func(*fakeGateway) { require.False(t, released, "a running command was released") })
}

// newTestWorker returns a worker that nothing runs, with its journal in a new directory.
func newTestWorker(t testing.TB, g *fakeGateway, concurrency int, handlers map[string]Handler) *worker {
	t.Helper()
	cfg := Config{URL: g.url, StateFile: newStatePath(t), PollOnly: true, Concurrency: concurrency, Logger: slog.New(slog.DiscardHandler)}
	a, err := New(cfg)
	require.NoError(t, err)
	for commandType, handler := range handlers {
		a.Handle(commandType, handler)
	}
	w := newWorker(a, identity{DeviceID: "dev_1", DeviceSecret: "s3cret"}, openTestJournal(t, cfg.StateFile+".journal"))
	t.Cleanup(func() {
		w.handling.Wait()
		w.submitting.Wait()
	})
	return w
}

// TestAccept_CommandStartsOnce accepts one claimed command in several goroutines, as a claim and
// results may do.
func TestAccept_CommandStartsOnce(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	w := newTestWorker(t, newFakeGateway(t), 16, map[string]Handler{"a": func(context.Context, Command) (Result, error) {
		runs.Add(1)
		return Result{}, nil
	}})
	var accepting sync.WaitGroup
	w.mu.Lock() // stops each of them after it has looked the command up and before it records it
	for range 16 {
		w.slots <- struct{}{}
		accepting.Go(func() { _ = w.accept(t.Context(), Command{ID: "cmd_1", Type: "a", ClaimToken: "token"}, false) })
	}
	time.Sleep(50 * time.Millisecond)
	w.mu.Unlock()
	accepting.Wait()
	w.handling.Wait()
	w.submitting.Wait()
	require.EqualValues(t, 1, runs.Load())
	require.Empty(t, w.slots)
}

func TestSubmit_OneSubmissionOfEachResult(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	open, refused, sent := make(chan struct{}), make(chan struct{}, 1000), atomic.Int32{}
	g.proxy = func(path string, _ []byte) int {
		if !isResult(path) {
			return 0
		}
		select {
		case <-open:
			sent.Add(1)
			return 0
		default:
			refused <- struct{}{}
			return http.StatusServiceUnavailable
		}
	}
	w := newTestWorker(t, g, 1, nil)
	require.NoError(t, w.journal.begin(testCommand(1), false, true))
	require.NoError(t, w.journal.recordResult("cmd_1", succeeded("done")))
	for range 8 {
		w.submitResult(t.Context(), "cmd_1")
	}
	require.Equal(t, 1, w.pendingResults())
	<-refused // the submission is in progress
	close(open)
	require.Equal(t, "done", g.awaitResult(t, "cmd_1").Output)
	w.submitting.Wait()
	require.Zero(t, w.pendingResults())
	require.EqualValues(t, 1, sent.Load())
}

// TestResultLease_NewerClaimIsExtended refuses the extension of a lease for good, and claims the command
// again.
func TestResultLease_NewerClaimIsExtended(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	tokens := make(chan string, 100)
	g.refuse = func(path string, body []byte) string {
		var request fieldgate.ExtendRequest
		if !strings.HasSuffix(path, "/extend") || json.Unmarshal(body, &request) != nil {
			return ""
		}
		tokens <- request.ClaimToken
		if request.ClaimToken == "token-1" {
			return fieldgate.CodeClaimSuperseded
		}
		return ""
	}
	w := newTestWorker(t, g, 1, nil)
	w.config.Lease = 600 * time.Millisecond
	require.NoError(t, w.journal.begin(testCommand(1), false, true))
	ctx, stop := context.WithCancel(t.Context())
	w.submitting.Go(func() { w.keepResultLease(ctx, "cmd_1") })
	t.Cleanup(stop)
	next := func() string {
		select {
		case token := <-tokens:
			return token
		case <-time.After(10 * time.Second):
			return "none"
		}
	}
	require.Equal(t, "token-1", next())
	time.Sleep(300 * time.Millisecond)
	require.Empty(t, tokens, "the refused claim is extended again")
	again := testCommand(1)
	again.ClaimToken = "token-2"
	_, _, err := w.journal.reclaim(again, false)
	require.NoError(t, err)
	require.Equal(t, "token-2", next())
}

// TestSlot_ResultClaimsNothingDuringShutdown covers a result that has not claimed a command yet, and
// one whose first attempt may have done so.
func TestSlot_ResultClaimsNothingDuringShutdown(t *testing.T) {
	t.Parallel()
	result := fieldgate.ResultRequest{Next: true, VisibilityTimeoutMs: 1000}
	for _, c := range []struct {
		failure error
		claims  bool
	}{
		{refusal(429, fieldgate.CodeRateLimited), false},
		{refusal(503, fieldgate.CodeStoreUnavailable), true},
		{refusal(403, ""), true},
		{errors.New("connection reset"), true},
	} {
		w := &worker{claiming: true}
		s := &slot{worker: w}
		require.Equal(t, result, s.request(result))
		s.noteFailure(result, c.failure)
		w.setClaiming(false)
		require.Equal(t, c.claims, s.request(result).Next, c.failure)
	}
	s := &slot{worker: &worker{}}
	require.Equal(t, fieldgate.ResultRequest{}, s.request(result))
}
