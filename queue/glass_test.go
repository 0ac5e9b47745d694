package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// glassRule lets an admin approve without the two users whom it needs otherwise.
var glassRule = policy.Requirement{Approvals: 2, BreakGlass: true}

// markOf returns the mark of a stored state.
func markOf(state map[string]any) map[string]any { return state["glass"].(map[string]any) }

// TestBreakGlass_MarkOutlivesTheStore changes the mark of an approval by an admin alone in the store. The approval
// proves the mark, so that it stays what it was, and waits for its review.
func TestBreakGlass_MarkOutlivesTheStore(t *testing.T) {
	t.Parallel()
	changes := map[string]func(state map[string]any){
		"removed":        func(s map[string]any) { delete(s, "glass") },
		"another reason": func(s map[string]any) { markOf(s)["reason"] = "routine" },
		"another admin":  func(s map[string]any) { markOf(s)["by"], markOf(s)["name"] = "user:erin", "Erin" },
		"a review added": func(s map[string]any) {
			markOf(s)["reviewer"], markOf(s)["reviewed"], markOf(s)["comment"] = "user:erin", 1, "fine"
		},
		"a review with the MAC of the mark": func(s map[string]any) {
			markOf(s)["reviewer"], markOf(s)["reviewed"], markOf(s)["review_mac"] = "user:erin", 1, markOf(s)["mac"]
		},
		"a review in a record of no key": func(s map[string]any) {
			if s["status"] == "succeeded" { // a command that waits would not run any more
				delete(s, "mac")
			}
			markOf(s)["reviewer"], markOf(s)["reviewed"] = "user:erin", 1
		},
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(glassRule), withRecordKey)
		for what, change := range changes {
			for _, hasRun := range []bool{false, true} {
				c := f.propose(review)
				want := f.breakGlass(c, "dora").BreakGlass
				if hasRun {
					f.submitResult(f.claimOne(), queue.Succeeded)
				}
				f.editState(c.ID, change)
				require.Equal(t, want, f.get(c.ID).BreakGlass, what)
				_, err := f.queue.ReviewBreakGlass(t.Context(), f.vote(c, "dora", true))
				requireRefusal(t, err, fieldgate.CodeSelfApproval)
				require.Equal(t, "frank", f.reviewGlass(c, "frank").BreakGlass.Review.UserID, what)
				reviewed := f.get(c.ID).BreakGlass
				require.Equal(t, want.Reason, reviewed.Reason, what)
				require.Equal(t, "frank", reviewed.Review.UserID, what)
				require.Equal(t, reviewed, f.reviewGlass(c, "gina").BreakGlass, "the first review by a user stands")
				if !hasRun {
					f.submitResult(f.claimOne(), queue.Succeeded)
				}
			}
		}
		f.requireNoViolation()
	})
}

// TestBreakGlass_ReviewIsOfThisMarkAndCommand moves a review to the mark of another command, and changes what it says.
func TestBreakGlass_ReviewIsOfThisMarkAndCommand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(glassRule), withRecordKey)
	c, other := f.propose(review), f.propose(review)
	f.breakGlass(c, "dora")
	f.breakGlass(other, "dora")
	f.reviewGlass(other, "erin")
	theirs := markOf(f.state(other.ID))
	f.editState(c.ID, func(s map[string]any) {
		for _, field := range []string{"reviewer", "reviewed", "comment", "review_mac"} {
			markOf(s)[field] = theirs[field]
		}
	})
	require.Nil(t, f.get(c.ID).BreakGlass.Review)
	for field, value := range map[string]any{"reviewer": "user:mallory", "comment": "all is well", "reviewed": 1} {
		f.editState(other.ID, func(s map[string]any) { markOf(s)[field] = value })
		require.Nil(t, f.get(other.ID).BreakGlass.Review, field)
		f.editState(other.ID, func(s map[string]any) { markOf(s)[field] = theirs[field] })
		require.NotNil(t, f.get(other.ID).BreakGlass.Review, field)
	}
}

// TestBreakGlass_ReviewIsOfNoLaterMark removes a mark whose approval was withdrawn, so that the admin can approve alone
// again, and puts the review of the first time back.
func TestBreakGlass_ReviewIsOfNoLaterMark(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(glassRule), withRecordKey)
	c := f.propose(review)
	first := f.breakGlass(c, "dora").BreakGlass
	f.reviewGlass(c, "erin")
	_, err := f.queue.Withdraw(t.Context(), f.vote(c, "dora", true))
	require.NoError(t, err)
	old := markOf(f.state(c.ID))
	f.editState(c.ID, func(s map[string]any) { delete(s, "glass") })
	require.Eventually(t, func() bool { return time.Now().After(first.At.Add(time.Millisecond)) }, time.Second, time.Millisecond)
	second := f.breakGlass(c, "dora").BreakGlass
	require.True(t, second.At.After(first.At))
	f.editState(c.ID, func(s map[string]any) { s["glass"] = old })
	require.Equal(t, second, f.get(c.ID).BreakGlass)
}

// TestBreakGlass_ForgedMarkIsNotShown writes a mark into the record of a command that no admin has approved alone, and
// changes the mark of an approval that was withdrawn.
func TestBreakGlass_ForgedMarkIsNotShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.Redis(t), requiring(glassRule), withRecordKey)
	c, withdrawn := f.propose(review), f.propose(review)
	f.breakGlass(withdrawn, "dora")
	_, err := f.queue.Withdraw(t.Context(), f.vote(withdrawn, "dora", true))
	require.NoError(t, err)
	require.Equal(t, "dora", f.get(withdrawn.ID).BreakGlass.UserID, "the mark stays")
	theirs := markOf(f.state(withdrawn.ID))
	f.editState(c.ID, func(s map[string]any) { s["glass"] = theirs })
	f.editState(withdrawn.ID, func(s map[string]any) { markOf(s)["by"] = "user:mallory" })
	for _, id := range []string{c.ID, withdrawn.ID} {
		require.Nil(t, f.get(id).BreakGlass)
	}
	_, err = f.queue.ReviewBreakGlass(t.Context(), f.vote(c, "erin", true))
	requireRefusal(t, err, fieldgate.CodeCommandNotFound)
}

// TestReconcile_RemovedMarkStillWaitsForReview removes a mark and its entry in the inbox. The reconciler adds the
// entry again.
func TestReconcile_RemovedMarkStillWaitsForReview(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, requiring(glassRule), withRecordKey)
		c := f.propose(review)
		f.breakGlass(c, "dora")
		f.editState(c.ID, func(s map[string]any) { delete(s, "glass") })
		f.do(func(ctx context.Context, c store.Client) error {
			return c.Del(ctx, store.Tenant(f.device.Tenant).InboxKey()).Err()
		})
		require.Empty(t, f.unreviewed())
		_, err := f.queue.Reconcile(t.Context(), f.device)
		require.NoError(t, err)
		require.Len(t, f.unreviewed(), 1)
	})
}
