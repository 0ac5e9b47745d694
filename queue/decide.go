package queue

import (
	"context"
	"crypto/subtle"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Decision is what a person says to a command that waits for approval.
type Decision struct {
	Tenant    string
	SessionID string
	CommandID string
	UserID    string
	RequestID string
	SoleUser  bool // nobody else could decide: the proposer may

	Approved bool
	Reason   string
	Digest   string // what the person saw; empty: not compared
}

// Decide records a decision. Refusals: session_not_found, command_not_found,
// digest_mismatch, self_approval, already_decided (with the decision that
// stands), approval_expired, session_closed, command_finished.
func (q *Queue) Decide(ctx context.Context, d Decision) (Command, error) {
	c, err := q.Get(ctx, d.Tenant, d.SessionID, d.CommandID)
	if err != nil {
		return Command{}, err
	}
	if d.Digest != "" && subtle.ConstantTimeCompare([]byte(d.Digest), []byte(c.Digest)) == 0 {
		refused := fieldgate.Refuse(fieldgate.CodeDigestMismatch, "The digest is not that of this command: look at what is proposed again.")
		return Command{}, withState(refused, c.ID, c.Status, c.Attempt)
	}
	verdict, fourEyes := "rejected", 1
	if d.Approved {
		verdict = "approved"
	}
	if d.SoleUser {
		fourEyes = 0
	}
	return q.change(ctx, decideScript, c, d.UserID, d.RequestID, verdict, d.Reason, fourEyes)
}

// Cancel asks for a command to be given up.
type Cancel struct {
	Tenant    string
	SessionID string
	CommandID string
	UserID    string
	RequestID string
	Reason    string
}

// Cancel ends a command that nobody has claimed, and asks the device to stop
// working on one that is claimed. Refusals: session_not_found,
// command_not_found, command_finished.
func (q *Queue) Cancel(ctx context.Context, r Cancel) (Command, error) {
	c, err := q.Get(ctx, r.Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return Command{}, err
	}
	return q.change(ctx, cancelScript, c, r.UserID, r.RequestID, r.Reason)
}

// change makes a person's transition of a command that was just read. What was
// read is only used for what never changes; the script decides.
func (q *Queue) change(ctx context.Context, script *store.Script, c Command, userID, requestID string, args ...any) (Command, error) {
	device := store.Device{Tenant: c.Tenant, ID: c.DeviceID}
	scope := q.scope(device, store.ActorUser(userID), requestID)
	reply, err := q.store.Run(ctx, script, device.Keys(), scope.Args(append([]any{c.ID, c.SessionID}, args...)...)...)
	if err != nil {
		return Command{}, err
	}
	if !reply.OK() {
		return Command{}, refusal(reply, c.ID)
	}
	s, err := decodeState(reply.String(2))
	s.apply(&c)
	return c, err
}
