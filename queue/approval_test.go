package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func approveWithin(d time.Duration) func(*queue.Config) {
	return func(cfg *queue.Config) { cfg.ApproveWithin = d }
}

func TestADecisionIsRecordedWithWhoWhenAndWhy(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[string]queue.Status{"approved": queue.Queued, "rejected": queue.Rejected} {
		t.Run(verdict, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				c := b.propose(review)
				decided, err := b.queue.Decide(t.Context(), b.decision(c, verdict == "approved"))
				require.NoError(t, err)
				require.Equal(t, want, decided.Status)
				require.WithinDuration(t, c.CreatedAt, decided.Approval.DecidedAt, time.Minute)
				require.Equal(t, &fieldgate.Approval{
					Decision: verdict, DecidedBy: approver, DecidedAt: decided.Approval.DecidedAt, Reason: "looked at it",
				}, decided.Approval)
				require.Equal(t, decided, b.get(c.ID))
				require.Equal(t, []string{"proposed", verdict}, b.happened(c.ID))
			})
		})
	}
}

func TestNothingUnapprovedIsEverHandedOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		rejected, cancelled, expired := b.propose(review), b.propose(review), b.propose(review)
		require.Empty(t, b.claim(limit(10)))
		_, err := b.queue.Decide(t.Context(), b.decision(rejected, false))
		require.NoError(t, err)
		b.cancel(cancelled)
		b.edit(expired.ID, func(state map[string]any) { state["approve_by"] = 1 })
		b.dueNow(expired.ID)
		b.becomes(expired.ID, queue.Expired)
		require.Empty(t, b.claim(limit(10)))
		b.propose(review)
		require.Empty(t, b.claim(limit(10)))
	})
}

func TestTheReadySetAloneMakesNothingClaimable(t *testing.T) {
	t.Parallel()
	forgeries := map[string]func(state map[string]any){
		"still pending":  func(map[string]any) {},
		"status by hand": func(state map[string]any) { state["status"] = "queued" },
		"rejected, queued": func(state map[string]any) {
			state["status"], state["approval"] = "queued", map[string]any{"decision": "rejected"}
		},
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s)
				c, behind := b.propose(review), b.propose(auto)
				b.edit(c.ID, forge)
				b.inLine(c.ID)
				require.Equal(t, []string{behind.ID}, ids(b.claim(limit(10))))
			})
		})
	}
}

func TestOfFiftyDecisionsAtTheSameTimeOneStands(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	c := b.propose(review)
	answers := make([]error, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			d := b.decision(c, i%2 == 0)
			d.UserID = fmt.Sprintf("u-%d", i)
			_, answers[i] = b.queue.Decide(context.WithoutCancel(t.Context()), d)
		})
	}
	all.Wait()

	stands := b.get(c.ID).Approval
	winners := 0
	for i, err := range answers {
		var refusal *fieldgate.Error
		if errors.As(err, &refusal) {
			require.Equal(t, fieldgate.CodeAlreadyDecided, refusal.Code)
			require.Equal(t, stands, refusal.Approval, "each is told the decision that stands")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("u-%d", i), stands.DecidedBy)
		winners++
	}
	require.Equal(t, 1, winners)
	require.Equal(t, []string{"proposed", stands.Decision}, b.happened(c.ID))
}

func TestTheSameDecisionByTheSamePersonRepeats(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review)
		first := b.approve(c)
		require.Equal(t, first, b.approve(c))
		lease := b.take()
		require.Equal(t, queue.Claimed, b.approve(c).Status, "it answers where the command is now")
		b.finish(lease, queue.Succeeded)
		require.Equal(t, first.Approval, b.approve(c).Approval)

		_, err := b.queue.Decide(t.Context(), b.decision(c, false))
		require.Equal(t, first.Approval, refused(t, err, fieldgate.CodeAlreadyDecided).Approval, "the other decision is not the same")
	})
}

func TestWhoeverProposesDoesNotApprove(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review)
		own := b.decision(c, true)
		own.UserID = proposer
		_, err := b.queue.Decide(t.Context(), own)
		require.Equal(t, stands(c), refused(t, err, fieldgate.CodeSelfApproval).Command)
		require.Nil(t, b.get(c.ID).Approval)

		own.SoleUser = true
		alone, err := b.queue.Decide(t.Context(), own)
		require.NoError(t, err, "where there is nobody else, one may")
		require.Equal(t, proposer, alone.Approval.DecidedBy)

		withdrawn := b.decision(b.propose(review), false)
		withdrawn.UserID = proposer
		rejected, err := b.queue.Decide(t.Context(), withdrawn)
		require.NoError(t, err, "rejecting one's own is no risk")
		require.Equal(t, queue.Rejected, rejected.Status)
	})
}

func TestALateDecisionIsRefusedVisiblyAndRevivesNothing(t *testing.T) {
	t.Parallel()
	for _, swept := range []bool{false, true} {
		t.Run(fmt.Sprintf("swept %t", swept), func(t *testing.T) {
			t.Parallel()
			eachAlone(t, func(t *testing.T, s *store.Store) {
				b := newBench(t, s, approveWithin(time.Millisecond))
				c := b.propose(review)
				require.Equal(t, time.Millisecond, c.ApproveBy.Sub(c.CreatedAt))
				b.passes(c.ApproveBy)
				if swept {
					b.becomes(c.ID, queue.Expired)
				}
				want := &fieldgate.CommandState{ID: c.ID, Status: "expired"}
				for _, approved := range []bool{true, false, true} {
					_, err := b.queue.Decide(t.Context(), b.decision(c, approved))
					require.Equal(t, want, refused(t, err, fieldgate.CodeApprovalExpired).Command)
				}
				require.Empty(t, b.claim())
				require.Nil(t, b.get(c.ID).Approval)
			})
		})
	}
}

func TestADecisionNeverComesAfterTheDelivery(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Redis(t))
	c := b.propose(review, deliverWithin(time.Minute))
	require.Equal(t, c.DeliverBy, c.ApproveBy)
}

func TestADecisionInAClosedSessionIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c := b.propose(review)
		b.closeSession()
		_, err := b.queue.Decide(t.Context(), b.decision(c, true))
		require.Equal(t, "expired", refused(t, err, fieldgate.CodeSessionClosed).Command.Status)
	})
}

func TestADecisionMayCarryTheDigestOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		c, other := b.propose(review), b.propose(review, attempts(2))
		d := b.decision(c, true)
		for _, digest := range []string{other.Digest, strings.ToUpper(c.Digest), c.Digest[:63], "x"} {
			d.Digest = digest
			_, err := b.queue.Decide(t.Context(), d)
			require.Equal(t, stands(c), refused(t, err, fieldgate.CodeDigestMismatch).Command)
		}
		d.Digest = c.Digest
		approved, err := b.queue.Decide(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, c.Digest, approved.Digest, "what was approved is what runs")
		require.Equal(t, c.Digest, b.take().Digest)
	})
}

func TestWhatWaitsForAPersonIsListedAcrossDevices(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		b := newBench(t, s)
		other := b.beside(b.newDevice(b.device.Tenant))
		b.propose(auto)
		waiting := []string{b.propose(review).ID, other.propose(review).ID, b.propose(review).ID}
		b.approve(b.propose(review))
		b.cancel(b.propose(review))
		b.beside(b.newDevice(storetest.Tenant())).propose(review)

		var listed []string
		for cursor := ""; ; {
			page, next, err := b.queue.Pending(t.Context(), b.device.Tenant, store.Page{Limit: 2, Cursor: cursor})
			require.NoError(t, err)
			for _, c := range page {
				require.Equal(t, queue.PendingApproval, c.Status)
				listed = append(listed, c.ID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		require.ElementsMatch(t, waiting, listed)
		require.IsIncreasing(t, listed, "the oldest first")

		_, _, err := b.queue.Pending(t.Context(), b.device.Tenant, store.Page{Limit: 2, Cursor: "%"})
		refused(t, err, fieldgate.CodeValidationFailed)
	})
}
