package queue_test

import (
	"context"
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

// superseded claims a command twice: the second claim follows when the first lease has
// expired. It returns both leases.
func (f *fixture) superseded() (old, newest queue.Lease) {
	f.t.Helper()
	f.propose(auto)
	old = f.claimOne(shortLease)
	f.settleUntil(old.ID, queue.Queued)
	newest = f.claimOne()
	require.Equal(f.t, old.ID, newest.ID)
	require.NotEqual(f.t, old.Token, newest.Token)
	return old, newest
}

// deviceCalls returns the calls that a device makes with the claim token of l.
func (f *fixture) deviceCalls(l queue.Lease) map[string]func() error {
	ctx := f.t.Context()
	return map[string]func() error{
		"extend": func() error {
			_, err := f.queue.Extend(ctx, f.ref(l), longLease)
			return err
		},
		"release": func() error {
			_, err := f.queue.Release(ctx, f.ref(l), "")
			return err
		},
		"progress": func() error {
			_, err := f.queue.ReportProgress(ctx, f.ref(l), queue.Report{Seq: 1, Output: "working\n"})
			return err
		},
		"submitResult": func() error {
			_, err := f.queue.SubmitResult(ctx, f.ref(l), queue.Succeeded, queue.Result{Output: "done"})
			return err
		},
		"submitResultAndClaim": func() error {
			_, _, err := f.queue.SubmitResultAndClaim(ctx, f.ref(l), queue.Succeeded, queue.Result{Output: "done"}, longLease)
			return err
		},
	}
}

// requireAllRefused runs every call with the token of l. Each call must be refused with code
// and must change nothing.
func (f *fixture) requireAllRefused(l queue.Lease, code fieldgate.Code) {
	f.t.Helper()
	before := f.get(l.ID)
	for name, call := range f.deviceCalls(l) {
		require.Equal(f.t, stateOf(before), requireRefusal(f.t, call(), code).Command, name)
		after := f.get(l.ID)
		after.OtherResult = before.OtherResult
		require.Equal(f.t, before, after, "%s changed the command", name)
	}
}

func TestClaim_SupersededWritesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		old, newest := f.superseded()
		f.requireAllRefused(old, fieldgate.CodeClaimSuperseded)

		// The older token must also be refused after the newest claim has ended.
		f.submitResult(newest, queue.Succeeded)
		f.requireAllRefused(old, fieldgate.CodeClaimSuperseded)
	})
}

func TestClaim_SupersededAfterManyClaims(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	f.propose(auto)
	first := f.claimOne()
	release := func(l queue.Lease) {
		_, err := f.queue.Release(t.Context(), f.ref(l), "")
		require.NoError(t, err)
	}
	release(first)
	for range 19 {
		release(f.claimOne())
	}
	last := f.claimOne()
	f.requireAllRefused(first, fieldgate.CodeClaimSuperseded)
	require.Less(t, len(f.state(first.ID)["past"].(string)), 700, "the number of remembered tokens is limited")
	require.Len(t, f.get(first.ID).Attempts, 20, "the number of kept attempts is limited")
	require.Equal(t, 1, last.Attempt)
}

func TestClaimToken_UnknownIsInvalid(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		f.propose(auto)
		leases := f.claim(limit(2))
		// A token of another command must be refused in the same way as an invented token.
		leases[0].Token = leases[1].Token
		f.requireAllRefused(leases[0], fieldgate.CodeInvalidClaimToken)
		leases[0].Token = ""
		f.requireAllRefused(leases[0], fieldgate.CodeInvalidClaimToken)
		require.Equal(t, queue.Succeeded, f.submitResult(leases[1], queue.Succeeded).Status)
	})
}

func TestRelease_InvalidatesToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		status, err := f.queue.Release(t.Context(), f.ref(lease), "busy")
		require.NoError(t, err)
		require.Equal(t, queue.Queued, status)

		calls := f.deviceCalls(lease)
		requireRefusal(t, calls["extend"](), fieldgate.CodeClaimSuperseded)
		requireRefusal(t, calls["progress"](), fieldgate.CodeClaimSuperseded)
		requireRefusal(t, calls["submitResult"](), fieldgate.CodeClaimSuperseded)
		require.NoError(t, calls["release"](), "the same release may be repeated")
		require.Equal(t, []string{"proposed", "claimed", "released"}, f.eventTypes(c.ID))

		again := f.claimOne()
		require.Equal(t, 1, again.Attempt, "a released claim does not count")
		f.requireAllRefused(lease, fieldgate.CodeClaimSuperseded)
	})
}

func TestExtend_ExpiredLeaseIsRefused(t *testing.T) {
	t.Parallel()
	eachIsolated(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne(shortLease)
		f.waitUntilAfter(lease.VisibleUntil)
		want := &fieldgate.CommandState{ID: lease.ID, Status: "queued", Attempt: 1}
		calls := f.deviceCalls(lease)
		require.Equal(t, want, requireRefusal(t, calls["extend"](), fieldgate.CodeClaimExpired).Command)
		require.Equal(t, want, requireRefusal(t, calls["release"](), fieldgate.CodeClaimExpired).Command)
		require.Equal(t, want, requireRefusal(t, calls["progress"](), fieldgate.CodeClaimExpired).Command)
		require.Equal(t, 2, f.claimOne().Attempt, "an expired claim counts as an attempt")
	})
}

func TestSubmitResult_LateResultIsRecordedAndMarked(t *testing.T) {
	t.Parallel()
	for name, max := range map[string]int{"timed out": 1, "queued again": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				f.propose(auto, maxAttempts(max))
				lease := f.claimOne(shortLease)
				f.waitUntilAfter(lease.VisibleUntil)

				recorded, err := f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Failed, queue.Result{Error: "no route"})
				require.NoError(t, err)
				require.Equal(t, queue.RecordedResult{Status: queue.Failed, Late: true}, recorded)
				c := f.get(lease.ID)
				require.True(t, c.Late)
				require.Equal(t, "no route", c.Result.Error)
				require.Equal(t, "failed", c.Attempts[0].Outcome, "the result replaces the outcome that the deadline had set")
				require.Empty(t, f.claim(), "a command with a result is not run again")

				recorded, err = f.queue.SubmitResult(t.Context(), f.ref(lease), queue.Failed, queue.Result{Error: "no route"})
				require.NoError(t, err)
				require.Equal(t, queue.RecordedResult{Status: queue.Failed, Late: true, Duplicate: true}, recorded)
			})
		})
	}
}

func TestSubmitResult_LateResultDoesNotUndoCancel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		f.propose(auto)
		leases := f.claim(limit(2), shortLease)
		late, cancelled := leases[0], leases[1]
		f.settleUntil(late.ID, queue.Queued)
		f.cancel(f.settleUntil(cancelled.ID, queue.Queued))
		f.closeSession()
		require.Equal(t, queue.Expired, f.get(late.ID).Status)

		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, f.submitResult(late, queue.Succeeded))
		f.requireAllRefused(cancelled, fieldgate.CodeCommandFinished)
	})
}

func TestSubmitResult_SameResultCanBeRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		lease := f.claimOne()
		result := queue.Result{Output: "ok", Data: json.RawMessage(`{ "n": 12345678901234567890 }`)}
		submit := func(status queue.Status, r queue.Result) (queue.RecordedResult, error) {
			return f.queue.SubmitResult(t.Context(), f.ref(lease), status, r)
		}
		recorded, err := submit(queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, recorded)
		recorded, err = submit(queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Duplicate: true}, recorded)

		_, err = submit(queue.Failed, result)
		require.Equal(t, "succeeded", requireRefusal(t, err, fieldgate.CodeCommandFinished).Command.Status)
		_, err = submit(queue.Succeeded, queue.Result{Output: "not ok"})
		requireRefusal(t, err, fieldgate.CodeCommandFinished)
		got := f.get(lease.ID)
		require.Equal(t, "ok", got.Result.Output)
		require.Equal(t, `{"n":12345678901234567890}`, string(got.Result.Data), "numbers keep their digits")
		require.Equal(t, []string{"proposed", "claimed", "succeeded", "result_conflict"}, f.eventTypes(lease.ID))
	})
}

func TestCancel_DeviceMaySubmitAnyStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []queue.Status{queue.Cancelled, queue.Succeeded, queue.Failed} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				c := f.propose(auto)
				lease := f.claimOne()
				cancelled := f.cancel(c)
				require.Equal(t, queue.Claimed, cancelled.Status)
				require.True(t, cancelled.CancelRequested)

				e, err := f.queue.Extend(t.Context(), f.ref(lease), longLease)
				require.NoError(t, err)
				require.True(t, e.CancelRequested, "every extension reports the request to cancel")
				require.Equal(t, queue.RecordedResult{Status: status}, f.submitResult(lease, status))
				require.Equal(t, status, f.get(c.ID).Status)
			})
		})
	}
}

func TestCancel_CommandIsNotRunAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		f.propose(auto)
		released := f.claimOne()
		f.cancel(released.Command)
		status, err := f.queue.Release(t.Context(), f.ref(released), "")
		require.NoError(t, err)
		require.Equal(t, queue.Cancelled, status)

		f.propose(auto)
		expired := f.claimOne()
		f.cancel(expired.Command)
		f.expireLease(expired)
		f.settleUntil(expired.ID, queue.Cancelled)
		require.Equal(t, []string{"proposed", "claimed", "cancel_requested", "requeued", "cancelled"}, f.eventTypes(expired.ID))
		require.Empty(t, f.claim())

		// The result replaces the status, because only the device knows the outcome.
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, f.submitResult(expired, queue.Succeeded))
	})
}

func TestLease_EndsTwelveHoursAfterFirstClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		first := lease.ClaimedAt.Add(-12*time.Hour + longLease/2)
		f.editState(c.ID, func(state map[string]any) { state["first"] = first.UnixMilli() })

		e, err := f.queue.Extend(t.Context(), f.ref(lease), longLease)
		require.NoError(t, err)
		require.Equal(t, first.Add(12*time.Hour), e.VisibleUntil)
		require.LessOrEqual(t, e.Remaining, longLease/2)

		f.expireLease(lease)
		f.settleUntil(c.ID, queue.Queued)
		again := f.claimOne()
		require.Equal(t, first.Add(12*time.Hour), again.VisibleUntil, "the next claim gets no more time")
	})
}

func TestLease_PastExecutionCapTimesOut(t *testing.T) {
	t.Parallel()
	firstLongAgo := func(state map[string]any) { state["first"] = time.Now().Add(-13 * time.Hour).UnixMilli() }
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		claimed := f.propose(auto)
		lease := f.claimOne()
		f.editState(claimed.ID, firstLongAgo)
		f.expireLease(lease)
		f.settleUntil(claimed.ID, queue.TimedOut)
		require.Equal(t, 1, f.get(claimed.ID).Attempt, "attempts were left")
		require.Equal(t, []string{"proposed", "claimed", "timed_out"}, f.eventTypes(claimed.ID))
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, f.submitResult(lease, queue.Succeeded))

		queued := f.propose(auto)
		f.claimOne(shortLease)
		f.settleUntil(queued.ID, queue.Queued)
		f.editState(queued.ID, firstLongAgo)
		require.Empty(t, f.claim())
		require.Equal(t, queue.TimedOut, f.get(queued.ID).Status)
	})
}

func TestRelease_ResetsExecutionCap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		lease := f.claimOne()
		f.editState(c.ID, func(state map[string]any) { state["first"] = time.Now().Add(-11 * time.Hour).UnixMilli() })
		_, err := f.queue.Release(t.Context(), f.ref(lease), "")
		require.NoError(t, err)
		again := f.claimOne(visibility(2 * time.Hour))
		require.Equal(t, 2*time.Hour, again.Remaining, "the released claim still counts against the cap")
	})
}

func TestRelease_LimitsClaims(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(auto)
		f.editState(c.ID, func(state map[string]any) { state["claims"] = 1998 })
		for _, want := range []queue.Status{queue.Queued, queue.TimedOut} {
			lease := f.claimOne()
			for range 2 { // a device repeats the call if it loses the response
				status, err := f.queue.Release(t.Context(), f.ref(lease), "busy")
				require.NoError(t, err)
				require.Equal(t, want, status)
			}
		}
		require.Empty(t, f.claim())
	})
}

func TestClaimToken_IsStoredHashed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		old, newest := f.superseded()
		require.GreaterOrEqual(t, len(newest.Token), 26, "128 random bits")
		everything := f.dump()
		require.Contains(t, everything, newest.ID)
		require.NotContains(t, everything, old.Token)
		require.NotContains(t, everything, newest.Token)
		require.NotContains(t, f.log.String(), newest.Token)
	})
}

// dump returns everything that the store holds about the device and its tenant.
func (f *fixture) dump() string {
	f.t.Helper()
	var text strings.Builder
	f.do(func(ctx context.Context, c store.Client) error {
		for field, value := range c.HGetAll(ctx, f.device.CommandsKey()).Val() {
			text.WriteString(field + " " + value + "\n")
		}
		for _, stream := range []string{f.device.TimelineKey(), store.Tenant(f.device.Tenant).StreamKey()} {
			raw, err := json.Marshal(c.XRange(ctx, stream, "-", "+").Val())
			if err != nil {
				return err
			}
			text.Write(raw)
		}
		for _, set := range f.device.Keys()[2:7] {
			text.WriteString(strings.Join(c.ZRange(ctx, set, 0, -1).Val(), "\n"))
		}
		return nil
	})
	return text.String()
}
