package queue

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Decision approves or rejects a command that is pending approval.
type Decision struct {
	Tenant    string
	SessionID string
	CommandID string
	UserID    string // id of the user who decides
	Names     fieldgate.Names
	RequestID string
	SoleUser  bool // the tenant has no other user, so the proposer may approve

	// AuthSessionID is the id of the user's session at the token issuer; it may be empty. If the
	// user or this session was cut off at EarliestCutOff or later, the decision is refused.
	AuthSessionID  string
	EarliestCutOff time.Time

	Approved bool
	Reason   string
	Digest   string // digest of the command that the user saw; empty means that Decide does not check it
}

// Decide records a decision. Refusals: session_not_found, command_not_found, command_denied for an
// approval of a type that the policy denies by now, digest_mismatch, unauthorized for a user who was
// cut off, self_approval, already_decided (with the recorded decision), approval_expired,
// session_closed, command_finished.
func (q *Queue) Decide(ctx context.Context, d Decision) (Command, error) {
	r, c, err := q.getRecord(ctx, d.Tenant, d.SessionID, d.CommandID)
	if err != nil {
		return Command{}, err
	}
	s, err := q.verifyDecision(ctx, d, r)
	if err != nil {
		return Command{}, err
	}
	if d.Digest != "" && subtle.ConstantTimeCompare([]byte(d.Digest), []byte(c.Digest)) == 0 {
		refused := fieldgate.Refuse(fieldgate.CodeDigestMismatch,
			"The digest is not that of this command: read the command again and check what it does before you decide.")
		return Command{}, withState(refused, c.ID, c.Status, c.Attempt)
	}
	if d.Approved && s.Status == PendingApproval {
		if err := q.CheckPolicy(c.Type); err != nil {
			return Command{}, err
		}
	}
	decision, fourEyes := "rejected", 1
	if d.Approved {
		decision = "approved"
	}
	if d.SoleUser {
		fourEyes = 0
	}
	mac, proposer := q.vouch(r, s, decision, d.UserID)
	scope, keys := q.scopeOf(c, d.UserID, d.Names, d.RequestID), []string{store.Tenant(d.Tenant).CutOffsKey()}
	return q.runAsUser(ctx, decideScript, c, scope, keys,
		decision, d.Reason, fourEyes, mac, proposer, d.AuthSessionID, d.EarliestCutOff.UnixMilli())
}

// vouch returns the MAC of a decision, and the proposer of the command. Both are empty if the
// command waits for no decision, because its record was then not verified.
func (q *Queue) vouch(r record, s state, decision, userID string) (mac, proposer string) {
	if s.Status != PendingApproval {
		return "", ""
	}
	return q.key.mac(r.decided(s.Digest, decision, store.ActorUser(userID))...), s.Proposer
}

// verifyDecision returns the state of the command. If it waits for a decision, verifyDecision
// compares the record with its MAC and with its digest, which is the one that the user saw. It
// returns digest_mismatch if the command is not the one that was proposed.
func (q *Queue) verifyDecision(ctx context.Context, d Decision, r record) (state, error) {
	s, err := decodeState(r.state)
	if err != nil || s.Status != PendingApproval {
		return s, err
	}
	if q.verifyProposal(r, s) == nil && verifyDigest(r, s) == nil {
		return s, nil
	}
	q.setAside(ctx, r, s, d.RequestID)
	return s, withState(fieldgate.Refuse(fieldgate.CodeDigestMismatch,
		"The record of this command was changed after it was proposed, and was set aside: propose the command again, and tell the operator."),
		r.id, s.Status, s.Attempt)
}

// Cancel is a user's request to cancel a command.
type Cancel struct {
	Tenant    string
	SessionID string
	CommandID string
	UserID    string // id of the user who cancels
	Names     fieldgate.Names
	RequestID string
	Reason    string
}

// Cancel ends a command that is not claimed. A claimed command stays claimed, and Cancel
// asks its device to stop. Refusals: session_not_found, command_not_found,
// command_finished.
func (q *Queue) Cancel(ctx context.Context, r Cancel) (Command, error) {
	c, err := q.Get(ctx, r.Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return Command{}, err
	}
	return q.runAsUser(ctx, cancelScript, c, q.scopeOf(c, r.UserID, r.Names, r.RequestID), nil, r.Reason)
}

// scopeOf returns the scope of a user's request that concerns the command c.
func (q *Queue) scopeOf(c Command, userID string, names fieldgate.Names, requestID string) store.Scope {
	device := store.Device{Tenant: c.Tenant, ID: c.DeviceID}
	return store.NewScope(device, store.ActorUser(userID), requestID, q.cfg.Retention).WithNames(names)
}

// runAsUser runs a script on the command c in the scope of a user's request, and returns the
// command afterwards. The keys follow those of the device. It uses only fields of c that never
// change, because the script reads the current state itself.
func (q *Queue) runAsUser(ctx context.Context, script *store.Script, c Command, scope store.Scope, keys []string, args ...any) (Command, error) {
	reply, err := q.store.Run(ctx, script, append(scope.Device.Keys(), keys...), scope.Args(append([]any{c.ID, c.SessionID}, args...)...)...)
	if err != nil {
		return Command{}, err
	}
	if err := refused(reply, c.ID); err != nil {
		return Command{}, err
	}
	s, err := decodeState(reply.String(2))
	s.apply(&c)
	return c, err
}
