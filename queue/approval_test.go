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

func TestDecide_RecordsUserTimeAndReason(t *testing.T) {
	t.Parallel()
	for decision, want := range map[string]queue.Status{"approved": queue.Queued, "rejected": queue.Rejected} {
		t.Run(decision, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				c := f.propose(review)
				decided, err := f.queue.Decide(t.Context(), f.decision(c, decision == "approved"))
				require.NoError(t, err)
				require.Equal(t, want, decided.Status)
				require.False(t, decided.Approval.DecidedAt.Before(c.CreatedAt))
				require.False(t, decided.Approval.DecidedAt.After(f.now()))
				require.Equal(t, &fieldgate.Approval{
					Decision: decision, DecidedBy: approver, Names: storetest.NamesOf(approver),
					DecidedAt: decided.Approval.DecidedAt, Reason: "checked",
				}, decided.Approval)
				require.Equal(t, decided, f.get(c.ID))
				require.Equal(t, []string{"proposed", decision}, f.eventTypes(c.ID))
			})
		})
	}
}

func TestClaim_ReturnsNothingUnapproved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		rejected, cancelled, expired := f.propose(review), f.propose(review), f.propose(review)
		require.Empty(t, f.claim(limit(10)))
		_, err := f.queue.Decide(t.Context(), f.decision(rejected, false))
		require.NoError(t, err)
		f.cancel(cancelled)
		f.editState(expired.ID, func(state map[string]any) { state["approve_by"] = 1 })
		f.makeDue(expired.ID)
		f.settleUntil(expired.ID, queue.Expired)
		require.Empty(t, f.claim(limit(10)))
		f.propose(review)
		require.Empty(t, f.claim(limit(10)))
	})
}

func TestClaim_IgnoresForgedReadyEntry(t *testing.T) {
	t.Parallel()
	forgeries := map[string]func(state map[string]any){
		"status pending_approval":    func(map[string]any) {},
		"status queued, no decision": func(state map[string]any) { state["status"] = "queued" },
		"status queued, rejected": func(state map[string]any) {
			state["status"], state["approval"] = "queued", map[string]any{"decision": "rejected"}
		},
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s)
				c, behind := f.propose(review), f.propose(auto)
				f.editState(c.ID, forge)
				f.forceReady(c.ID)
				require.Equal(t, []string{behind.ID}, ids(f.claim(limit(10))))
				require.NotContains(t, f.eventTypes(c.ID), "claimed", "the script claims nothing that the gateway would set aside")
			})
		})
	}
}

func TestDecide_ConcurrentDecisionsRecordOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose(review)
	errs := make([]error, 50)
	var users sync.WaitGroup
	for i := range errs {
		users.Go(func() {
			d := f.decision(c, i%2 == 0)
			d.UserID = fmt.Sprintf("u-%d", i)
			_, errs[i] = f.queue.Decide(context.WithoutCancel(t.Context()), d)
		})
	}
	users.Wait()

	recorded := f.get(c.ID).Approval
	winners := 0
	for i, err := range errs {
		var refusal *fieldgate.Error
		if errors.As(err, &refusal) {
			require.Equal(t, fieldgate.CodeAlreadyDecided, refusal.Code)
			require.Equal(t, recorded, refusal.Approval, "the refusal has the recorded decision")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("u-%d", i), recorded.DecidedBy)
		winners++
	}
	require.Equal(t, 1, winners)
	require.Equal(t, []string{"proposed", recorded.Decision}, f.eventTypes(c.ID))
}

func TestDecide_SameDecisionCanBeRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review)
		first := f.approve(c)
		require.Equal(t, first, f.approve(c))
		lease := f.claimOne()
		require.Equal(t, queue.Claimed, f.approve(c).Status, "the response has the current state")
		f.submitResult(lease, queue.Succeeded)
		require.Equal(t, first.Approval, f.approve(c).Approval)

		_, err := f.queue.Decide(t.Context(), f.decision(c, false))
		require.Equal(t, first.Approval, requireRefusal(t, err, fieldgate.CodeAlreadyDecided).Approval, "a user cannot change a decision")
	})
}

func TestDecide_RefusesSelfApproval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review)
		own := f.decision(c, true)
		own.UserID = proposer
		_, err := f.queue.Decide(t.Context(), own)
		require.Equal(t, stateOf(c), requireRefusal(t, err, fieldgate.CodeSelfApproval).Command)
		require.Nil(t, f.get(c.ID).Approval)

		own.SoleUser = true
		alone, err := f.queue.Decide(t.Context(), own)
		require.NoError(t, err, "the only user of a tenant may approve")
		require.Equal(t, proposer, alone.Approval.DecidedBy)

		withdrawn := f.decision(f.propose(review), false)
		withdrawn.UserID = proposer
		rejected, err := f.queue.Decide(t.Context(), withdrawn)
		require.NoError(t, err, "the proposer may reject")
		require.Equal(t, queue.Rejected, rejected.Status)
	})
}

func TestDecide_AfterDeadlineIsRefused(t *testing.T) {
	t.Parallel()
	for _, settled := range []bool{false, true} {
		t.Run(fmt.Sprintf("settled %t", settled), func(t *testing.T) {
			t.Parallel()
			eachIsolated(t, func(t *testing.T, s *store.Store) {
				f := newFixture(t, s, approveWithin(time.Millisecond))
				c := f.propose(review)
				require.Equal(t, time.Millisecond, c.ApproveBy.Sub(c.CreatedAt))
				f.waitUntilAfter(c.ApproveBy)
				if settled {
					f.settleUntil(c.ID, queue.Expired)
				}
				want := &fieldgate.CommandState{ID: c.ID, Status: "expired"}
				for _, approved := range []bool{true, false, true} {
					_, err := f.queue.Decide(t.Context(), f.decision(c, approved))
					require.Equal(t, want, requireRefusal(t, err, fieldgate.CodeApprovalExpired).Command)
				}
				require.Empty(t, f.claim())
				require.Nil(t, f.get(c.ID).Approval)
			})
		})
	}
}

func TestPropose_ApprovalDeadlineIsNotAfterDelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t))
	c := f.propose(review, deliverWithin(time.Minute))
	require.Equal(t, c.DeliverBy, c.ApproveBy)
}

func TestDecide_InClosedSessionIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c := f.propose(review)
		f.closeSession()
		_, err := f.queue.Decide(t.Context(), f.decision(c, true))
		require.Equal(t, "expired", requireRefusal(t, err, fieldgate.CodeSessionClosed).Command.Status)
	})
}

func TestDecide_ComparesDigest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		c, other := f.propose(review), f.propose(review, maxAttempts(2))
		d := f.decision(c, true)
		for _, digest := range []string{other.Digest, strings.ToUpper(c.Digest), c.Digest[:63], "x"} {
			d.Digest = digest
			_, err := f.queue.Decide(t.Context(), d)
			require.Equal(t, stateOf(c), requireRefusal(t, err, fieldgate.CodeDigestMismatch).Command)
		}
		d.Digest = c.Digest
		approved, err := f.queue.Decide(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, c.Digest, approved.Digest, "the approved command is the one that runs")
		require.Equal(t, c.Digest, f.claimOne().Digest)
	})
}

func TestPending_ListsCommandsOfAllDevices(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		other := f.withDevice(f.newDevice(f.device.Tenant))
		f.propose(auto)
		pending := []string{f.propose(review).ID, other.propose(review).ID, f.propose(review).ID}
		f.approve(f.propose(review))
		f.cancel(f.propose(review))
		f.withDevice(f.newDevice(storetest.Tenant())).propose(review)

		var listed []string
		for cursor := ""; ; {
			page, next, err := f.queue.Pending(t.Context(), f.device.Tenant, store.Page{Limit: 2, Cursor: cursor})
			require.NoError(t, err)
			for _, c := range page {
				require.Equal(t, queue.PendingApproval, c.Status)
				listed = append(listed, c.ID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		require.ElementsMatch(t, pending, listed)
		require.IsIncreasing(t, listed, "the oldest first")

		_, _, err := f.queue.Pending(t.Context(), f.device.Tenant, store.Page{Limit: 2, Cursor: "%"})
		requireRefusal(t, err, fieldgate.CodeValidationFailed)
	})
}
