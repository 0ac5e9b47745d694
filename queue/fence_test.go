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

// superseded is a command that was claimed, whose lease ended, and that was
// claimed again: the two leases in that order.
func (b *bench) superseded() (old, newest queue.Lease) {
	b.t.Helper()
	b.propose(auto)
	old = b.take(brief)
	b.becomes(old.ID, queue.Queued)
	newest = b.take()
	require.Equal(b.t, old.ID, newest.ID)
	require.NotEqual(b.t, old.Token, newest.Token)
	return old, newest
}

// writes are the three things that a device does with a claim.
func (b *bench) writes(l queue.Lease) map[string]func() error {
	ctx := b.t.Context()
	return map[string]func() error{
		"extend": func() error {
			_, err := b.queue.Extend(ctx, b.hold(l), time.Minute)
			return err
		},
		"release": func() error {
			_, err := b.queue.Release(ctx, b.hold(l), "")
			return err
		},
		"result": func() error {
			_, err := b.queue.SubmitResult(ctx, b.hold(l), queue.Succeeded, queue.Result{Output: "done"})
			return err
		},
	}
}

func (b *bench) allRefused(l queue.Lease, code fieldgate.Code) {
	b.t.Helper()
	before := b.get(l.ID)
	for name, write := range b.writes(l) {
		require.Equal(b.t, stands(before), refused(b.t, write(), code).Command, name)
		require.Equal(b.t, before, b.get(l.ID), "%s changed the command", name)
	}
}

func TestASupersededClaimWritesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		old, newest := b.superseded()
		b.allRefused(old, fieldgate.CodeClaimSuperseded)

		// Nor when the newest claim has ended, in whatever way.
		b.finish(newest, queue.Succeeded)
		b.allRefused(old, fieldgate.CodeClaimSuperseded)
	})
}

func TestAClaimIsSupersededHoweverManyClaimsFollowed(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	b.propose(auto)
	first := b.take()
	release := func(l queue.Lease) {
		_, err := b.queue.Release(t.Context(), b.hold(l), "")
		require.NoError(t, err)
	}
	release(first)
	for range 19 {
		release(b.take())
	}
	last := b.take()
	b.allRefused(first, fieldgate.CodeClaimSuperseded)
	require.Less(t, len(b.state(first.ID)["past"].(string)), 700, "what is remembered of earlier claims is bounded")
	require.Len(t, b.get(first.ID).Attempts, 20, "and so is the history")
	require.Equal(t, 1, last.Attempt)
}

func TestATokenThatWasNeverGivenOutIsInvalid(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		b.propose(auto)
		leases := b.claim(limit(2))
		// The token of another command of the same device is no better than a guess.
		leases[0].Token = leases[1].Token
		b.allRefused(leases[0], fieldgate.CodeInvalidClaimToken)
		leases[0].Token = ""
		b.allRefused(leases[0], fieldgate.CodeInvalidClaimToken)
		require.Equal(t, queue.Succeeded, b.finish(leases[1], queue.Succeeded).Status)
	})
}

func TestAReleasedTokenIsWorthNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto)
		lease := b.take()
		status, err := b.queue.Release(t.Context(), b.hold(lease), "busy")
		require.NoError(t, err)
		require.Equal(t, queue.Queued, status)

		writes := b.writes(lease)
		refused(t, writes["extend"](), fieldgate.CodeClaimSuperseded)
		refused(t, writes["result"](), fieldgate.CodeClaimSuperseded)
		require.NoError(t, writes["release"](), "the same release may be sent again")
		require.Equal(t, []string{"proposed", "claimed", "released"}, b.happened(c.ID))

		again := b.take()
		require.Equal(t, 1, again.Attempt, "a released claim does not count")
		b.allRefused(lease, fieldgate.CodeClaimSuperseded)
	})
}

func TestALeaseThatEndedCannotBeMadeLonger(t *testing.T) {
	t.Parallel()
	eachAlone(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take(brief)
		b.passes(lease.VisibleUntil)
		want := &fieldgate.CommandState{ID: lease.ID, Status: "queued", Attempt: 1}
		writes := b.writes(lease)
		require.Equal(t, want, refused(t, writes["extend"](), fieldgate.CodeClaimExpired).Command)
		require.Equal(t, want, refused(t, writes["release"](), fieldgate.CodeClaimExpired).Command)
		require.Equal(t, 2, b.take().Attempt, "the attempt counts")
	})
}

func TestALateResultOfTheNewestClaimCountsAndIsMarked(t *testing.T) {
	t.Parallel()
	for name, max := range map[string]int{"timed out": 1, "back in the line": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				b.propose(auto, attempts(max))
				lease := b.take(brief)
				b.passes(lease.VisibleUntil)

				out, err := b.queue.SubmitResult(t.Context(), b.hold(lease), queue.Failed, queue.Result{Error: "no route"})
				require.NoError(t, err)
				require.Equal(t, queue.RecordedResult{Status: queue.Failed, Late: true}, out)
				c := b.get(lease.ID)
				require.True(t, c.Late)
				require.Equal(t, "no route", c.Result.Error)
				require.Equal(t, "failed", c.Attempts[0].Outcome, "what the device says corrects what time had noted")
				require.Empty(t, b.claim(), "what has a result is not run again")

				out, err = b.queue.SubmitResult(t.Context(), b.hold(lease), queue.Failed, queue.Result{Error: "no route"})
				require.NoError(t, err)
				require.Equal(t, queue.RecordedResult{Status: queue.Failed, Late: true, Duplicate: true}, out)
			})
		})
	}
}

func TestALateResultCountsAfterItsSessionEndedButNotAgainstAPerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		b.propose(auto)
		leases := b.claim(limit(2), brief)
		late, cancelled := leases[0], leases[1]
		b.becomes(late.ID, queue.Queued)
		b.cancel(b.becomes(cancelled.ID, queue.Queued))
		b.closeSession()
		require.Equal(t, queue.Expired, b.get(late.ID).Status)

		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, b.finish(late, queue.Succeeded))
		b.allRefused(cancelled, fieldgate.CodeCommandFinished)
	})
}

func TestTheSameResultMayBeSentAgainAndAnotherMayNot(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		lease := b.take()
		result := queue.Result{Output: "ok", Data: json.RawMessage(`{ "n": 12345678901234567890 }`)}
		report := func(status queue.Status, r queue.Result) (queue.RecordedResult, error) {
			return b.queue.SubmitResult(t.Context(), b.hold(lease), status, r)
		}
		out, err := report(queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded}, out)
		out, err = report(queue.Succeeded, result)
		require.NoError(t, err)
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Duplicate: true}, out)

		_, err = report(queue.Failed, result)
		require.Equal(t, "succeeded", refused(t, err, fieldgate.CodeCommandFinished).Command.Status)
		_, err = report(queue.Succeeded, queue.Result{Output: "not ok"})
		refused(t, err, fieldgate.CodeCommandFinished)
		got := b.get(lease.ID)
		require.Equal(t, "ok", got.Result.Output)
		require.Equal(t, `{"n":12345678901234567890}`, string(got.Result.Data), "numbers keep their digits")
		require.Equal(t, []string{"proposed", "claimed", "succeeded"}, b.happened(lease.ID))
	})
}

func TestADeviceAskedToCancelMayAnswerEitherWay(t *testing.T) {
	t.Parallel()
	for _, status := range []queue.Status{queue.Cancelled, queue.Succeeded, queue.Failed} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				c := b.propose(auto)
				lease := b.take()
				asked := b.cancel(c)
				require.Equal(t, queue.Claimed, asked.Status)
				require.True(t, asked.CancelRequested)

				e, err := b.queue.Extend(t.Context(), b.hold(lease), time.Minute)
				require.NoError(t, err)
				require.True(t, e.CancelRequested, "the device is told whenever it asks for more time")
				require.Equal(t, queue.RecordedResult{Status: status}, b.finish(lease, status))
				require.Equal(t, status, b.get(c.ID).Status)
			})
		})
	}
}

func TestACommandThatShouldBeCancelledIsNotRunAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		b.propose(auto)
		released := b.take()
		b.cancel(released.Command)
		status, err := b.queue.Release(t.Context(), b.hold(released), "")
		require.NoError(t, err)
		require.Equal(t, queue.Cancelled, status)

		b.propose(auto)
		lapsed := b.take()
		b.cancel(lapsed.Command)
		b.lapse(lapsed)
		b.becomes(lapsed.ID, queue.Cancelled)
		require.Equal(t, []string{"proposed", "claimed", "cancel_requested", "requeued", "cancelled"}, b.happened(lapsed.ID))
		require.Empty(t, b.claim())

		// Only the device knows: had it finished, that is what became of the command.
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, b.finish(lapsed, queue.Succeeded))
	})
}

func TestNoLeaseReachesBeyondTwelveHoursAfterTheFirstClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto)
		lease := b.take()
		first := lease.ClaimedAt.Add(-12*time.Hour + 30*time.Second)
		b.edit(c.ID, func(state map[string]any) { state["first"] = first.UnixMilli() })

		e, err := b.queue.Extend(t.Context(), b.hold(lease), time.Hour)
		require.NoError(t, err)
		require.Equal(t, first.Add(12*time.Hour), e.VisibleUntil)
		require.LessOrEqual(t, e.Remaining, 30*time.Second)

		_, err = b.queue.Extend(t.Context(), b.hold(lease), time.Millisecond)
		require.NoError(t, err)
		b.becomes(c.ID, queue.Queued)
		again := b.take(visibleFor(time.Hour))
		require.Equal(t, first.Add(12*time.Hour), again.VisibleUntil, "a further claim gets no more time either")
	})
}

func TestACommandPastItsExecutionCapIsNotRunAgain(t *testing.T) {
	t.Parallel()
	longAgo := func(state map[string]any) { state["first"] = time.Now().Add(-13 * time.Hour).UnixMilli() }
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		claimed := b.propose(auto)
		lease := b.take()
		b.edit(claimed.ID, longAgo)
		b.lapse(lease)
		b.becomes(claimed.ID, queue.TimedOut)
		require.Equal(t, 1, b.get(claimed.ID).Attempt, "although attempts were left")
		require.Equal(t, []string{"proposed", "claimed", "timed_out"}, b.happened(claimed.ID))
		require.Equal(t, queue.RecordedResult{Status: queue.Succeeded, Late: true}, b.finish(lease, queue.Succeeded))

		queued := b.propose(auto)
		b.take(brief)
		b.becomes(queued.ID, queue.Queued)
		b.edit(queued.ID, longAgo)
		require.Empty(t, b.claim())
		require.Equal(t, queue.TimedOut, b.get(queued.ID).Status)
	})
}

func TestAReleasedClaimTakesNoTimeFromTheExecutionCap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto)
		lease := b.take()
		b.edit(c.ID, func(state map[string]any) { state["first"] = time.Now().Add(-11 * time.Hour).UnixMilli() })
		_, err := b.queue.Release(t.Context(), b.hold(lease), "")
		require.NoError(t, err)
		again := b.take(visibleFor(time.Hour))
		require.Equal(t, time.Hour, again.Remaining, "the command was never worked on")
	})
}

func TestACommandIsNotTakenAndGivenBackForEver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(auto)
		b.edit(c.ID, func(state map[string]any) { state["claims"] = 1998 })
		for _, want := range []queue.Status{queue.Queued, queue.TimedOut} {
			lease := b.take()
			for range 2 { // the answer may have been lost
				status, err := b.queue.Release(t.Context(), b.hold(lease), "busy")
				require.NoError(t, err)
				require.Equal(t, want, status)
			}
		}
		require.Empty(t, b.claim())
	})
}

func TestClaimTokensAreNotKeptInClear(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		old, newest := b.superseded()
		require.GreaterOrEqual(t, len(newest.Token), 26, "128 random bits")
		everything := b.dump()
		require.Contains(t, everything, newest.ID)
		require.NotContains(t, everything, old.Token)
		require.NotContains(t, everything, newest.Token)
		require.NotContains(t, b.log.String(), newest.Token)
	})
}

// dump reads all that the store holds of the device and its tenant.
func (b *bench) dump() string {
	b.t.Helper()
	var text strings.Builder
	b.do(func(ctx context.Context, c store.Client) error {
		for field, value := range c.HGetAll(ctx, b.device.CommandsKey()).Val() {
			text.WriteString(field + " " + value + "\n")
		}
		for _, stream := range []string{b.device.TimelineKey(), store.Tenant(b.device.Tenant).StreamKey()} {
			raw, err := json.Marshal(c.XRange(ctx, stream, "-", "+").Val())
			if err != nil {
				return err
			}
			text.Write(raw)
		}
		for _, set := range b.device.Keys()[2:7] {
			text.WriteString(strings.Join(c.ZRange(ctx, set, 0, -1).Val(), "\n"))
		}
		return nil
	})
	return text.String()
}
