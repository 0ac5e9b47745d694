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

// nothing is what a claim answers when there is nothing to hand out.
const nothing = "nothing"

// life says what a command in each state answers to each event. An answer is the
// state that the command is in afterwards, or the code of a refusal. "result" is
// that of the newest claim, and another one than stands already. The decisions
// are by somebody who has not decided before.
var life = []struct {
	from                                                           queue.Status
	approve, reject, cancel, claim, extend, release, result, retry string
}{
	{queue.PendingApproval, "queued", "rejected", "cancelled", nothing,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "command_not_finished"},
	{queue.Queued, "already_decided", "already_decided", "cancelled", "claimed",
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "command_not_finished"},
	{queue.Claimed, "already_decided", "already_decided", "claimed", nothing,
		"claimed", "queued", "succeeded", "command_not_finished"},
	{queue.Succeeded, "command_finished", "command_finished", "command_finished", nothing,
		"command_finished", "command_finished", "command_finished", "queued"},
	{queue.Failed, "command_finished", "command_finished", "command_finished", nothing,
		"command_finished", "command_finished", "command_finished", "queued"},
	{queue.TimedOut, "command_finished", "command_finished", "command_finished", nothing,
		"claim_expired", "claim_expired", "succeeded", "queued"},
	{queue.Rejected, "already_decided", "already_decided", "command_finished", nothing,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "pending_approval"},
	{queue.Cancelled, "command_finished", "command_finished", "cancelled", nothing,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "queued"},
	{queue.Expired, "command_finished", "command_finished", "command_finished", nothing,
		"invalid_claim_token", "invalid_claim_token", "invalid_claim_token", "queued"},
}

func TestACommandsLife(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, row := range life {
			for event, want := range map[string]string{
				"approve": row.approve, "reject": row.reject, "cancel": row.cancel, "claim": row.claim,
				"extend": row.extend, "release": row.release, "result": row.result, "retry": row.retry,
			} {
				t.Run(string(row.from)+" "+event, func(t *testing.T) {
					t.Parallel()
					b := newBench(t, s)
					at := b.inState(row.from)
					require.Equal(t, row.from, b.get(at.ID).Status)
					b.answers(at, event, want)
				})
			}
		}
	})
}

// inState makes a command and brings it to a state. Where it was never claimed,
// its token is one that was never given out.
func (b *bench) inState(status queue.Status) queue.Lease {
	b.t.Helper()
	unclaimed := func(c queue.Command) queue.Lease { return queue.Lease{Command: c, Token: "no-such-token"} }
	switch status {
	case queue.PendingApproval:
		return unclaimed(b.propose(review))
	case queue.Rejected:
		c, err := b.queue.Decide(b.t.Context(), b.decision(b.propose(review), false))
		require.NoError(b.t, err)
		return unclaimed(c)
	case queue.Queued:
		return unclaimed(b.propose(auto))
	case queue.Cancelled:
		return unclaimed(b.cancel(b.propose(auto)))
	case queue.Expired:
		return unclaimed(b.becomes(b.propose(auto, deliverWithin(time.Millisecond)).ID, status))
	}
	b.propose(auto, attempts(1))
	if status == queue.TimedOut {
		lease := b.take(brief)
		b.becomes(lease.ID, status)
		return lease
	}
	lease := b.take()
	if status != queue.Claimed {
		b.finish(lease, status)
	}
	return lease
}

// happens makes an event happen to a command. It tells the state that came of
// it, or what the claim handed out instead.
func (b *bench) happens(at queue.Lease, event string) (queue.Status, error) {
	b.t.Helper()
	ctx := b.t.Context()
	switch event {
	case "approve", "reject":
		d := b.decision(at.Command, event == "approve")
		d.UserID = "u-third"
		c, err := b.queue.Decide(ctx, d)
		return c.Status, err
	case "cancel":
		c, err := b.queue.Cancel(ctx, cancelOf(at.Command))
		return c.Status, err
	case "retry":
		c, err := b.queue.Retry(ctx, retryOf(at.Command))
		return c.Status, err
	case "claim":
		leases, err := b.queue.Claim(ctx, b.claimRequest())
		if len(leases) == 0 {
			return nothing, err
		}
		return leases[0].Status, err
	case "extend":
		_, err := b.queue.Extend(ctx, b.hold(at), time.Minute)
		return b.get(at.ID).Status, err
	case "release":
		return b.queue.Release(ctx, b.hold(at), "")
	default:
		out, err := b.queue.SubmitResult(ctx, b.hold(at), queue.Succeeded, queue.Result{Output: "another"})
		return out.Status, err
	}
}

func (b *bench) answers(at queue.Lease, event, want string) {
	b.t.Helper()
	before := b.get(at.ID)
	got, err := b.happens(at, event)
	after := b.get(at.ID)
	if code := fieldgate.Code(want); isRefusal(want) {
		require.Equal(b.t, stands(before), refused(b.t, err, code).Command, "the refusal says where the command stands")
		require.Equal(b.t, before, after, "a refused event changes nothing")
		return
	}
	require.NoError(b.t, err)
	require.Equal(b.t, want, string(got))
	if event == "retry" || want == nothing {
		require.Equal(b.t, before, after)
		return
	}
	require.Equal(b.t, want, string(after.Status))
}

func isRefusal(answer string) bool {
	for _, row := range life {
		if string(row.from) == answer {
			return false
		}
	}
	return answer != nothing
}

func TestADiagnosticRunsWithoutAPerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto, func(p *queue.Proposal) { p.Reason = "it is slow" })
		require.Equal(t, queue.Queued, c.Status)
		require.Equal(t, 3, c.MaxAttempts)
		require.Zero(t, c.ApproveBy)
		require.Equal(t, 24*time.Hour, c.DeliverBy.Sub(c.CreatedAt))

		lease := b.take()
		require.Equal(t, c.ID, lease.ID)
		require.Equal(t, 1, lease.Attempt)
		require.JSONEq(t, `{"host":"example.com"}`, string(lease.Parameters))
		require.Equal(t, lease.ClaimedAt.Add(time.Minute), lease.VisibleUntil)
		require.Equal(t, time.Minute, lease.Remaining)

		result := queue.Result{Output: "ok", Error: "none", Data: json.RawMessage(`{"n":1}`), DurationMs: 12}
		out, err := b.queue.SubmitResult(t.Context(), b.hold(lease), queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, out)

		got := b.get(c.ID)
		require.Equal(t, &result, got.Result)
		require.Equal(t, "it is slow", got.Reason)
		require.Equal(t, proposer, got.UserID)
		require.Equal(t, "req-propose", got.RequestID)
		require.Equal(t, c.Digest, got.Digest)
		require.Zero(t, got.VisibleUntil)
		require.Equal(t, []queue.Attempt{{Number: 1, ClaimedAt: lease.ClaimedAt, EndedAt: got.FinishedAt, Outcome: "succeeded"}}, got.Attempts)
	})
}

func TestARiskyCommandRunsOnceAndOnlyAfterAPersonSaidSo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review)
		require.Equal(t, queue.PendingApproval, c.Status)
		require.Equal(t, 1, c.MaxAttempts)
		require.Empty(t, b.claim())

		approved := b.approve(c)
		require.Equal(t, queue.Queued, approved.Status)
		lease := b.take(brief)
		require.Equal(t, approver, lease.Approval.DecidedBy)
		b.becomes(c.ID, queue.TimedOut)
		require.Empty(t, b.claim(), "it is never run a second time by itself")
	})
}

func TestEveryStepLeavesAnEventWithWhoDidItUnderWhichRequest(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review, attempts(2))
		b.approve(c)
		_, err := b.queue.Release(t.Context(), b.hold(b.take()), "busy")
		require.NoError(t, err)
		b.take(brief)
		b.becomes(c.ID, queue.Queued)
		lease := b.take()
		b.cancel(c)
		b.finish(lease, queue.Cancelled)

		var told []string
		for _, e := range b.events() {
			told = append(told, strings.Join([]string{e.Type, e.Actor, e.RequestID, string(e.Data)}, " "))
			require.Equal(t, b.device.ID, e.DeviceID)
		}
		device := "device:" + b.device.ID
		require.Equal(t, []string{
			`session.opened user:u-proposer req-open {"type":"diagnostic"}`,
			`command.proposed user:u-proposer req-propose {"status":"pending_approval"}`,
			`command.approved user:u-approver req-decide {"reason":"looked at it","status":"queued"}`,
			`command.claimed ` + device + ` req-propose {"attempt":1}`,
			`command.released ` + device + ` req-propose {"reason":"busy"}`,
			`command.claimed ` + device + ` req-propose {"attempt":1}`,
			`command.requeued system req-propose {"attempt":1}`,
			`command.claimed ` + device + ` req-propose {"attempt":2}`,
			`command.cancel_requested user:u-proposer req-cancel {"reason":"not needed"}`,
			`command.cancelled ` + device + ` req-propose {"attempt":2,"late":false}`,
		}, canonicalData(told))
	})
}

// canonicalData sorts the members of the data at the end of each line: the
// stores do not agree about their order.
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

func TestADeviceCanReportNothingButAnEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	b.propose(auto)
	lease := b.take()
	for _, status := range []queue.Status{queue.Queued, queue.Claimed, queue.TimedOut, queue.Rejected, queue.Expired, "", "done"} {
		_, err := b.queue.SubmitResult(t.Context(), b.hold(lease), status, queue.Result{})
		require.Error(t, err)
	}
	require.Equal(t, queue.Claimed, b.get(lease.ID).Status)
}

func TestARetryIsANewCommandThatGoesThroughThePolicyAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		old := b.propose(review, deliverWithin(time.Hour), attempts(2))
		b.approve(old)
		b.finish(b.take(), queue.Failed)

		again, err := b.queue.Retry(t.Context(), retryOf(old))
		require.NoError(t, err)
		require.NotEqual(t, old.ID, again.ID)
		require.Equal(t, old.ID, again.RetryOf)
		require.Equal(t, queue.PendingApproval, again.Status, "the old approval was for one execution")
		require.Nil(t, again.Approval)
		require.Equal(t, "once more", again.Reason)
		require.Equal(t, old.Parameters, again.Parameters)
		require.Equal(t, 2, again.MaxAttempts)
		require.Equal(t, time.Hour, again.DeliverBy.Sub(again.CreatedAt))

		b.closeSession()
		_, err = b.queue.Retry(t.Context(), retryOf(old))
		refused(t, err, fieldgate.CodeSessionClosed)
	})
}

func TestTheCommandsOfASessionAreListedInTheirOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		var want []string
		for range 7 {
			want = append(want, b.propose(auto).ID)
		}
		b.closeSession()
		b.session = b.open(b.device, time.Hour)
		b.propose(auto)

		got := b.listAll(b.get(want[0]).SessionID, 3)
		require.ElementsMatch(t, want, got)
		require.IsIncreasing(t, got)
		require.Len(t, b.listAll(b.session.ID, 3), 1, "another session's commands are not in it")

		_, _, err := b.queue.List(t.Context(), b.device.Tenant, b.session.ID, store.Page{Limit: 3, Cursor: "%"})
		refused(t, err, fieldgate.CodeValidationFailed)
	})
}

func (b *bench) listAll(sessionID string, limit int) (listed []string) {
	b.t.Helper()
	for cursor := ""; ; {
		commands, next, err := b.queue.List(b.t.Context(), b.device.Tenant, sessionID, store.Page{Limit: limit, Cursor: cursor})
		require.NoError(b.t, err)
		require.LessOrEqual(b.t, len(commands), limit)
		for _, c := range commands {
			listed = append(listed, c.ID)
		}
		if cursor = next; cursor == "" {
			return listed
		}
	}
}

func TestABacklogSaysWhatIsReadyAndWhatShouldStop(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		held := []queue.Command{b.propose(auto), b.propose(auto)}
		b.propose(auto)
		b.propose(review)
		leases := b.claim(limit(2))
		for _, c := range held {
			require.True(t, b.cancel(c).CancelRequested)
			b.cancel(c) // once more is no other request
		}
		ready, cancels, err := b.queue.Backlog(t.Context(), b.device)
		require.NoError(t, err)
		require.EqualValues(t, 1, ready)
		require.ElementsMatch(t, ids(leases), cancels)
		require.Equal(t, []string{"proposed", "claimed", "cancel_requested"}, b.happened(held[0].ID))

		b.finish(leases[0], queue.Succeeded)
		_, err = b.queue.Release(t.Context(), b.hold(leases[1]), "")
		require.NoError(t, err)
		_, cancels, err = b.queue.Backlog(t.Context(), b.device)
		require.NoError(t, err)
		require.Empty(t, cancels)
	})
}
