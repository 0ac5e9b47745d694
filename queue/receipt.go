package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/receipt"
)

var errNoReceipt = fieldgate.Refuse(fieldgate.CodeReceiptNotFound, "This command has no receipt.")

// Receipt returns the receipt of a command: a JWS in compact form. Refusals: session_not_found,
// command_not_found; and receipt_not_found for a command that has none, or whose record was changed.
func (q *Queue) Receipt(ctx context.Context, tenant, sessionID, commandID string) (string, error) {
	r, c, err := q.getRecord(ctx, tenant, sessionID, commandID)
	if err != nil {
		return "", err
	}
	s, err := decodeState(r.state)
	if err != nil {
		return "", fmt.Errorf("reading the state of a command: %w", err)
	}
	if s.lacksApproval() {
		return "", errNoReceipt
	}
	if err := q.verify(r, s); err != nil {
		q.log.WarnContext(ctx, "refused a receipt", "command", c.ID, "error", err)
		return "", errNoReceipt
	}
	signed, err := q.sign(c)
	if err == nil && signed == "" {
		err = errNoReceipt
	}
	return signed, err
}

// sign returns the receipt of a command that was verified. It is empty if no key is set, or if the command
// has no statement.
func (q *Queue) sign(c Command) (string, error) {
	if q.cfg.Receipts == nil || len(c.Statement) == 0 {
		return "", nil
	}
	r := receipt.Receipt{Statement: c.Statement, IssuedAt: time.Now(), ExpiresAt: c.DeliverBy}
	for _, v := range c.Votes {
		r.Votes = append(r.Votes, v.signed())
	}
	return q.cfg.Receipts.Sign(r)
}

// signed returns a vote as a receipt states it. The vote of an admin who has approved alone is not an
// approval there, so that a device that requires approvals does not count it.
func (v Vote) signed() receipt.Vote {
	signed := receipt.Vote{UserID: v.UserID, Decision: v.Decision, At: v.At, Assurance: v.Assurance, Assertion: v.Passkey}
	if v.Alone {
		signed.Decision = receipt.BreakGlass
	}
	return signed
}
