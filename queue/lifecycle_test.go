package queue_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// noLease is the response of a claim when no command is ready.
const noLease = "no lease"

// transitions holds one row for each status of a command. The field from is the status before
// the operation. Progress has the responses of extend. The other fields are named after operations, and hold the status afterwards
// or the code of a refusal. Results are submitted with the newest token and differ from a
// recorded result. Decisions come from a user who has not decided before.
var transitions = []struct {
	from                                                                 queue.Status
	approve, reject, cancel, claim, extend, release, submitResult, retry string
}{
	{queue.PendingApproval, "queued", "rejected", "cancelled", noLease,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "command_not_finished"},
	{queue.Queued, "already_decided", "already_decided", "cancelled", "claimed",
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "command_not_finished"},
	{queue.Claimed, "already_decided", "already_decided", "claimed", noLease,
		"claimed", "queued", "succeeded", "command_not_finished"},
	{queue.Succeeded, "command_finished", "command_finished", "command_finished", noLease,
		"command_finished", "command_finished", "command_finished", "queued"},
	{queue.Failed, "command_finished", "command_finished", "command_finished", noLease,
		"command_finished", "command_finished", "command_finished", "queued"},
	{queue.TimedOut, "command_finished", "command_finished", "command_finished", noLease,
		"claim_expired", "claim_expired", "succeeded", "queued"},
	{queue.Rejected, "already_decided", "already_decided", "command_finished", noLease,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "pending_approval"},
	{queue.Cancelled, "command_finished", "command_finished", "cancelled", noLease,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "queued"},
	{queue.Expired, "command_finished", "command_finished", "command_finished", noLease,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "queued"},
}

func TestCommand_Transitions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, row := range transitions {
			for operation, want := range map[string]string{
				"approve": row.approve, "reject": row.reject, "cancel": row.cancel, "claim": row.claim,
				"extend": row.extend, "progress": row.extend, "release": row.release, "submitResult": row.submitResult, "retry": row.retry,
			} {
				t.Run(string(row.from)+" "+operation, func(t *testing.T) {
					t.Parallel()
					f := newFixture(t, s)
					lease := f.inState(row.from)
					require.Equal(t, row.from, f.get(lease.ID).Status)
					f.requireTransition(lease, operation, want)
				})
			}
		}
	})
}

// inState proposes a command and moves it to the given status. It returns the newest lease. If
// the command was never claimed, the token of the lease is invalid.
func (f *fixture) inState(status queue.Status) queue.Lease {
	f.t.Helper()
	unclaimed := func(c queue.Command) queue.Lease { return queue.Lease{Command: c, Token: "no-such-token"} }
	switch status {
	case queue.PendingApproval:
		return unclaimed(f.propose(review))
	case queue.Rejected:
		c, err := f.queue.Decide(f.t.Context(), f.decision(f.propose(review), false))
		require.NoError(f.t, err)
		return unclaimed(c)
	case queue.Queued:
		return unclaimed(f.propose(auto))
	case queue.Cancelled:
		return unclaimed(f.cancel(f.propose(auto)))
	case queue.Expired:
		return unclaimed(f.settleUntil(f.propose(auto, deliverWithin(time.Millisecond)).ID, status))
	}
	f.propose(auto, maxAttempts(1))
	if status == queue.TimedOut {
		lease := f.claimOne(shortLease)
		f.settleUntil(lease.ID, status)
		return lease
	}
	lease := f.claimOne()
	if status != queue.Claimed {
		f.submitResult(lease, status)
	}
	return lease
}

// apply runs an operation on a command. If the operation needs a token, it uses the token
// of the lease l. It returns the status in the response, or noLease.
func (f *fixture) apply(l queue.Lease, operation string) (queue.Status, error) {
	f.t.Helper()
	ctx := f.t.Context()
	switch operation {
	case "approve", "reject":
		d := f.decision(l.Command, operation == "approve")
		d.UserID = "u-third"
		c, err := f.queue.Decide(ctx, d)
		return c.Status, err
	case "cancel":
		c, err := f.queue.Cancel(ctx, cancelOf(l.Command))
		return c.Status, err
	case "retry":
		c, err := f.queue.Retry(ctx, retryOf(l.Command))
		return c.Status, err
	case "claim":
		leases, err := f.queue.Claim(ctx, f.claimRequest())
		if len(leases) == 0 {
			return noLease, err
		}
		return leases[0].Status, err
	case "extend":
		_, err := f.queue.Extend(ctx, f.ref(l), longLease)
		return f.get(l.ID).Status, err
	case "progress":
		_, err := f.queue.ReportProgress(ctx, f.ref(l), queue.Report{Seq: 1, Output: "working"})
		return f.get(l.ID).Status, err
	case "release":
		return f.queue.Release(ctx, f.ref(l), "")
	default:
		recorded, err := f.queue.SubmitResult(ctx, f.ref(l), queue.Succeeded, queue.Result{Output: "another"})
		return recorded.Status, err
	}
}

// requireTransition runs an operation on a command and requires that the response is want.
func (f *fixture) requireTransition(l queue.Lease, operation, want string) {
	f.t.Helper()
	before := f.get(l.ID)
	got, err := f.apply(l, operation)
	after := f.get(l.ID)
	if code := fieldgate.Code(want); isRefusal(want) {
		require.Equal(f.t, stateOf(before), requireRefusal(f.t, err, code).Command, "the refusal has the state of the command")
		after.OtherResult = before.OtherResult // the only thing that is kept of a refused result
		require.Equal(f.t, before, after, "a refused operation changes nothing")
		return
	}
	require.NoError(f.t, err)
	require.Equal(f.t, want, string(got))
	if operation == "retry" || want == noLease {
		require.Equal(f.t, before, after)
		return
	}
	require.Equal(f.t, want, string(after.Status))
}

// isRefusal reports whether a response in the table is the code of a refusal.
func isRefusal(response string) bool {
	for _, row := range transitions {
		if string(row.from) == response {
			return false
		}
	}
	return response != noLease
}

func TestCommand_DiagnosticNeedsNoApproval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto, func(p *queue.Proposal) { p.Reason = "it is slow" })
		require.Equal(t, queue.Queued, c.Status)
		require.Equal(t, 3, c.MaxAttempts)
		require.Zero(t, c.ApproveBy)
		require.Equal(t, 24*time.Hour, c.DeliverBy.Sub(c.CreatedAt))

		lease := f.claimOne()
		require.Equal(t, c.ID, lease.ID)
		require.Equal(t, 1, lease.Attempt)
		require.JSONEq(t, `{"host":"example.com"}`, string(lease.Parameters))
		require.Equal(t, lease.ClaimedAt.Add(longLease), lease.VisibleUntil)
		require.Equal(t, longLease, lease.Remaining)

		result := queue.Result{Output: "ok", Error: "none", Data: json.RawMessage(`{"n":1}`), DurationMs: 12}
		recorded, err := f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, recorded)

		got := f.get(c.ID)
		require.Equal(t, &result, got.Result)
		require.Equal(t, "it is slow", got.Reason)
		require.Equal(t, proposer, got.UserID)
		require.Equal(t, "req-propose", got.RequestID)
		require.Equal(t, c.Digest, got.Digest)
		require.Zero(t, got.VisibleUntil)
		require.Equal(t, []queue.Attempt{{Number: 1, ClaimedAt: lease.ClaimedAt, EndedAt: got.FinishedAt, Outcome: "succeeded"}}, got.Attempts)
	})
}

func TestCommand_ReviewedRunsOnceAfterApproval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review)
		require.Equal(t, queue.PendingApproval, c.Status)
		require.Equal(t, 1, c.MaxAttempts)
		require.Empty(t, f.claim())

		approved := f.approve(c)
		require.Equal(t, queue.Queued, approved.Status)
		lease := f.claimOne(shortLease)
		require.Equal(t, approver, lease.Approval.DecidedBy)
		f.settleUntil(c.ID, queue.TimedOut)
		require.Empty(t, f.claim(), "a reviewed command is not run again")
	})
}

func TestTimeline_RecordsEveryTransition(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review, maxAttempts(2))
		f.approve(c)
		_, err := f.queue.Release(t.Context(), f.ref(f.claimOne()), "busy")
		require.NoError(t, err)
		f.claimOne(shortLease)
		f.settleUntil(c.ID, queue.Queued)
		lease := f.claimOne()
		f.cancel(c)
		f.submitResult(lease, queue.Cancelled)

		var lines []string
		for _, e := range f.events() {
			lines = append(lines, strings.Join([]string{e.Type, e.Actor, e.RequestID, string(e.Data)}, " "))
			require.Equal(t, f.device.ID, e.DeviceID)
		}
		device := "device:" + f.device.ID
		require.Equal(t, []string{
			`session.opened user:u-proposer req-open {"type":"diagnostic"}`,
			`command.proposed user:u-proposer req-propose {"status":"pending_approval"}`,
			`command.approved user:u-approver req-decide {"reason":"checked","status":"queued"}`,
			`command.claimed ` + device + ` req-propose {"attempt":1}`,
			`command.released ` + device + ` req-propose {"reason":"busy"}`,
			`command.claimed ` + device + ` req-propose {"attempt":1}`,
			`command.requeued system req-propose {"attempt":1}`,
			`command.claimed ` + device + ` req-propose {"attempt":2}`,
			`command.cancel_requested user:u-proposer req-cancel {"reason":"not needed"}`,
			`command.cancelled ` + device + ` req-propose {"attempt":2,"late":false}`,
		}, canonicalData(lines))
	})
}

// canonicalData sorts the members of the JSON object at the end of each line. Their order
// depends on the type of store.
func canonicalData(lines []string) []string {
	for i, line := range lines {
		head, data, _ := strings.Cut(line, "{")
		var members map[string]any
		if json.Unmarshal([]byte("{"+data), &members) == nil {
			sorted, _ := json.Marshal(members)
			lines[i] = head + string(sorted)
		}
	}
	return lines
}

func TestSubmitResult_RequiresResultStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	lease := f.claimOne()
	for _, status := range []queue.Status{queue.Queued, queue.Claimed, queue.TimedOut, queue.Rejected, queue.Expired, "", "done"} {
		_, err := f.queue.SubmitResult(t.Context(), f.ref(lease), status, queue.Result{})
		require.Error(t, err)
	}
	require.Equal(t, queue.Claimed, f.get(lease.ID).Status)
}

// TestResult_LateSuccessCancelsRetry covers a user who retries a command that seemed lost. Its act
// must not happen twice.
func TestResult_LateSuccessCancelsRetry(t *testing.T) {
	t.Parallel()
	for _, commandType := range []string{auto, review} {
		for status, want := range map[queue.Status]bool{queue.Succeeded: true, queue.Failed: false} {
			t.Run(commandType+" "+string(status), func(t *testing.T) {
				t.Parallel()
				storetest.Each(t, func(t *testing.T, s *store.Store) {
					f := newFixture(t, s)
					old := f.propose(commandType, maxAttempts(1))
					if commandType == review {
						f.approve(old)
					}
					lease := f.claimOne()
					f.expireLease(lease)
					f.settleUntil(old.ID, queue.TimedOut)
					retry, err := f.queue.Retry(t.Context(), retryOf(old))
					require.NoError(t, err)
					other := f.propose(commandType)

					recorded := f.submitResult(lease, status)

					require.True(t, recorded.Late)
					require.Equal(t, status, recorded.Status)
					require.Equal(t, want, f.get(retry.ID).Status == queue.Cancelled)
					require.Equal(t, other.Status, f.get(other.ID).Status)
				})
			})
		}
	}
}

// timedOut proposes a command, and returns it with a lease after whose end it has timed out.
func (f *fixture) timedOut() (queue.Command, queue.Lease) {
	f.t.Helper()
	c := f.propose(auto, maxAttempts(1))
	return c, f.timeOut(c)
}

// timeOut claims a command, which must be the next one, and lets its last lease expire.
func (f *fixture) timeOut(c queue.Command) queue.Lease {
	f.t.Helper()
	lease := f.claimOne()
	require.Equal(f.t, c.ID, lease.ID)
	f.expireLease(lease)
	f.settleUntil(c.ID, queue.TimedOut)
	return lease
}

func (f *fixture) retry(c queue.Command) queue.Command {
	f.t.Helper()
	retry, err := f.queue.Retry(f.t.Context(), retryOf(c))
	require.NoError(f.t, err)
	require.Equal(f.t, c.ID, retry.RetryOf)
	return retry
}

// TestResult_LateSuccessCancelsRetryOfRetry covers a chain of two retries. Each of the commands before
// the last one may succeed late.
func TestResult_LateSuccessCancelsRetryOfRetry(t *testing.T) {
	t.Parallel()
	for position, name := range []string{"first command", "retry"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				first, lease := f.timedOut()
				unrelated, _ := f.timedOut()
				second := f.retry(first)
				leases := []queue.Lease{lease, f.timeOut(second)}
				third, other := f.retry(second), f.retry(unrelated)

				require.True(t, f.submitResult(leases[position], queue.Succeeded).Late)

				require.Equal(t, queue.Cancelled, f.get(third.ID).Status)
				require.Equal(t, queue.Queued, f.get(other.ID).Status)
			})
		})
	}
}

// TestResult_LateSuccessKeepsClaimedRetry covers a retry whose lease has expired. The device may have run
// it and then submits its result.
func TestResult_LateSuccessKeepsClaimedRetry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first := f.propose(auto, maxAttempts(2))
		f.expireLease(f.claimOne())
		f.settleUntil(first.ID, queue.Queued)
		lease := f.timeOut(first)
		retry := f.retry(first)
		claimed := f.claimOne()
		require.Equal(t, retry.ID, claimed.ID)
		f.expireLease(claimed)
		f.settleUntil(retry.ID, queue.Queued)

		require.True(t, f.submitResult(lease, queue.Succeeded).Late)

		require.Equal(t, queue.Queued, f.get(retry.ID).Status)
		require.True(t, f.submitResult(claimed, queue.Succeeded).Late)
	})
}

// TestResult_LateSuccessQuarantinesUnreadableRecord damages a command that waits beside a retry.
func TestResult_LateSuccessQuarantinesUnreadableRecord(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		first, lease := f.timedOut()
		bad := f.propose(auto)
		retry := f.retry(first)
		f.overwriteField(bad.ID, "{garbage")
		require.True(t, f.submitResult(lease, queue.Succeeded).Late)
		require.Equal(t, queue.Cancelled, f.get(retry.ID).Status)
		f.requireQuarantined(bad.ID)
	})
}

func TestRetry_AppliesPolicyAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		old := f.propose(review, deliverWithin(time.Hour), maxAttempts(2))
		f.approve(old)
		f.submitResult(f.claimOne(), queue.Failed)

		again, err := f.queue.Retry(t.Context(), retryOf(old))
		require.NoError(t, err)
		require.NotEqual(t, old.ID, again.ID)
		require.Equal(t, old.ID, again.RetryOf)
		require.Equal(t, queue.PendingApproval, again.Status, "the approval of the old command does not cover the new one")
		require.Nil(t, again.Approval)
		require.Equal(t, "once more", again.Reason)
		require.Equal(t, old.Parameters, again.Parameters)
		require.Equal(t, 2, again.MaxAttempts)
		require.Equal(t, time.Hour, again.DeliverBy.Sub(again.CreatedAt))

		f.closeSession()
		_, err = f.queue.Retry(t.Context(), retryOf(old))
		requireRefusal(t, err, fieldgate.CodeSessionClosed)
	})
}

func TestList_OrdersCommandsOfSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		var want []string
		for range 7 {
			want = append(want, f.propose(auto).ID)
		}
		f.closeSession()
		f.session = f.open(f.device, sessionLength)
		f.propose(auto)

		got := f.listAll(f.get(want[0]).SessionID, 3)
		require.ElementsMatch(t, want, got)
		require.IsIncreasing(t, got)
		require.Len(t, f.listAll(f.session.ID, 3), 1, "the list has only the commands of its session")

		_, _, err := f.queue.List(t.Context(), f.device.Tenant, f.session.ID, "", store.Page{Limit: 3, Cursor: "%"})
		requireRefusal(t, err, fieldgate.CodeValidationFailed)
	})
}

func (f *fixture) listAll(sessionID string, limit int) (listed []string) {
	f.t.Helper()
	for cursor := ""; ; {
		commands, next, err := f.queue.List(f.t.Context(), f.device.Tenant, sessionID, "", store.Page{Limit: limit, Cursor: cursor})
		require.NoError(f.t, err)
		require.LessOrEqual(f.t, len(commands), limit)
		for _, c := range commands {
			listed = append(listed, c.ID)
		}
		if cursor = next; cursor == "" {
			return listed
		}
	}
}

func TestBacklog_CountsReadyAndListsCancels(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		claimed := []queue.Command{f.propose(auto), f.propose(auto)}
		f.propose(auto)
		f.propose(review)
		leases := f.claim(limit(2))
		for _, c := range claimed {
			require.True(t, f.cancel(c).CancelRequested)
			f.cancel(c) // the second cancellation must add no event
		}
		ready, cancels, err := f.queue.Backlog(t.Context(), f.device)
		require.NoError(t, err)
		require.EqualValues(t, 1, ready)
		require.ElementsMatch(t, ids(leases), cancels)
		require.Equal(t, []string{"proposed", "claimed", "cancel_requested"}, f.eventTypes(claimed[0].ID))

		f.submitResult(leases[0], queue.Succeeded)
		_, err = f.queue.Release(t.Context(), f.ref(leases[1]), "")
		require.NoError(t, err)
		_, cancels, err = f.queue.Backlog(t.Context(), f.device)
		require.NoError(t, err)
		require.Empty(t, cancels)
	})
}
