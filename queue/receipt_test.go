package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
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
		f := newFixture(t, s, signing(signer))
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

func signing(with *receipt.Signer) func(*queue.Config) {
	return func(cfg *queue.Config) { cfg.Receipts = with }
}

// receiptOf returns the receipt of a command as a device reads it.
func (f *fixture) receiptOf(by *receipt.Signer, c queue.Command) (client.Receipt, error) {
	f.t.Helper()
	compact, err := f.queue.Receipt(f.t.Context(), f.device.Tenant, f.session.ID, c.ID)
	if err != nil {
		return client.Receipt{}, err
	}
	var set []map[string]string
	for _, k := range by.Keys() {
		set = append(set, map[string]string{"kty": k.Type, "crv": k.Curve, "alg": k.Algorithm, "kid": k.ID, "x": k.X})
	}
	encoded, err := json.Marshal(map[string]any{"keys": set})
	require.NoError(f.t, err)
	keys, err := client.ParseReceiptKeys(encoded)
	require.NoError(f.t, err)
	read, err := keys.ParseReceipt(compact)
	require.NoError(f.t, err)
	return read, nil
}

// TestReceipt_HasAllVotes lets two users approve. After the first vote there is no receipt, and none after a
// vote was withdrawn.
func TestReceipt_HasAllVotes(t *testing.T) {
	t.Parallel()
	signer, err := receipt.GenerateSigner()
	require.NoError(t, err)
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s, signing(signer), requiring(twoApprovals))
		c := f.propose(review)
		f.voteOf(c, "bob")
		_, err := f.receiptOf(signer, c)
		requireRefusal(t, err, fieldgate.CodeReceiptNotFound)

		voted := f.voteOf(c, "carol")
		read, err := f.receiptOf(signer, c)
		require.NoError(t, err)
		require.Equal(t, []client.ReceiptVote{
			{UserID: "bob", Decision: "approved", At: voted.Votes[0].At.UTC(), Assurance: "aal2"},
			{UserID: "carol", Decision: "approved", At: voted.Votes[1].At.UTC(), Assurance: "aal2"},
		}, read.Votes)
		require.Equal(t, 2, read.Approvers())
		require.Equal(t, 2, read.Statement.Policy.Approvals)

		_, err = f.queue.Withdraw(t.Context(), f.vote(c, "bob", true))
		require.NoError(t, err)
		_, err = f.receiptOf(signer, c)
		requireRefusal(t, err, fieldgate.CodeReceiptNotFound)
	})
}

// TestReceipt_StatesBrokenGlass lets an admin approve alone, after one of two votes. The receipt does not call
// that an approval.
func TestReceipt_StatesBrokenGlass(t *testing.T) {
	t.Parallel()
	signer, err := receipt.GenerateSigner()
	require.NoError(t, err)
	f := newFixture(t, storetest.Redis(t), signing(signer), requiring(everything))
	c := f.propose(review)
	f.voteOf(c, "bob")
	f.breakGlass(c, "dora")
	read, err := f.receiptOf(signer, c)
	require.NoError(t, err)
	require.Len(t, read.Votes, 2)
	require.Equal(t, []string{"bob", "approved"}, []string{read.Votes[0].UserID, read.Votes[0].Decision})
	require.Equal(t, []string{"dora", "break_glass"}, []string{read.Votes[1].UserID, read.Votes[1].Decision})
	require.Equal(t, 1, read.Approvers())
	require.True(t, read.Statement.Policy.BreakGlass)
}
