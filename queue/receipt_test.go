package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/receipt"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// TestReceipt_IsNotSignedForForgedApproval writes an approval into the record of a command that waits, and
// asks for its receipt. A command that a user has approved has one.
func TestReceipt_IsNotSignedForForgedApproval(t *testing.T) {
	t.Parallel()
	signer, err := receipt.GenerateSigner()
	require.NoError(t, err)
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, func(cfg *queue.Config) { cfg.Receipts = signer })
		receiptOf := func(c queue.Command) error {
			_, err := f.queue.Receipt(t.Context(), f.device.Tenant, f.session.ID, c.ID)
			return err
		}
		c := f.propose(review)
		requireRefusal(t, receiptOf(c), fieldgate.CodeReceiptNotFound)
		f.editState(c.ID, func(state map[string]any) {
			state["approval"] = map[string]any{"decision": "approved", "by": "user:" + approver, "at": time.Now().UnixMilli(), "mac": state["mac"]}
		})
		requireRefusal(t, receiptOf(c), fieldgate.CodeReceiptNotFound)
		require.Contains(t, f.log.String(), "refused a receipt")

		approved := f.propose(review)
		f.approve(approved)
		require.NoError(t, receiptOf(approved))
	})
}
