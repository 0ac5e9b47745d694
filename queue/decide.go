package queue

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/refusal"
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
	SignIn    SignIn

	// AuthSessionID is the id of the user's session at the token issuer; it may be empty. If the
	// user or this session was cut off at EarliestCutOff or later, the decision is refused.
	AuthSessionID  string
	EarliestCutOff time.Time

	Approved bool
	Reason   string
	Digest   string // digest of the command that the user saw; empty means that Decide does not check it

	// Passkey is the assertion of a passkey of the user, whose challenge is the SHA-256 of the statement.
	// It may be nil. Decide refuses one that does not verify, even if the rule requires none.
	Passkey *passkey.Assertion
}

// Decide records a vote. The last approval that the rule needs queues the command, and one rejection ends
// it. Refusals: session_not_found, command_not_found, command_denied for an
// approval of a type that the policy denies by now, insufficient_role, step_up_required and
// validation_failed for an approval that does not meet the rule, digest_mismatch, unauthorized for a user
// who was cut off, self_approval, already_decided (with the recorded decision), approval_expired,
// session_closed, command_finished.
func (q *Queue) Decide(ctx context.Context, d Decision) (Command, error) {
	if d.Approved {
		return q.decide(ctx, d, decisionApproved)
	}
	return q.decide(ctx, d, decisionRejected)
}

// BreakGlass approves a command without the other users whom its rule needs. The caller has to be an
// admin. Refusals: those of Decide for an approval, with self_approval for the proposer unless the rule lets
// the proposer do this, also in a tenant with one user; command_denied if the rule does not allow it, or if an admin has done it before; and
// validation_failed without a reason.
func (q *Queue) BreakGlass(ctx context.Context, d Decision) (Command, error) {
	if fieldgate.IsBlank(d.Reason) {
		return Command{}, errReasonRequired
	}
	return q.decide(ctx, d, decisionBreakGlass)
}

// decide records a decision. A command that was decided when it was read may wait again when the script runs,
// because an approval was withdrawn meanwhile. The decision is then judged as that on a command that waits.
func (q *Queue) decide(ctx context.Context, d Decision, decision string) (Command, error) {
	return refusal.RetryStale(func() (Command, error) { return q.decideNow(ctx, d, decision) })
}

// decideNow is like decide. The error is refusal.Stale if the command waits and did not when it was read.
func (q *Queue) decideNow(ctx context.Context, d Decision, decision string) (Command, error) {
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
	needs, shown, mark, fourEyes := demands{}, evidence{}, glassState{}, !d.SoleUser
	if decision != decisionRejected && s.Status == PendingApproval {
		if needs, shown, err = q.checkApproval(ctx, d, c, decision); err != nil {
			return Command{}, err
		}
		if decision == decisionBreakGlass {
			fourEyes, mark = !needs.allowGlassByProposer(), q.newMark(r, s, d)
			shown.reason, shown.at = mark.Reason, mark.At
		}
	}
	mac, proposer := q.vouch(r, s, decision, d.UserID, shown)
	s.Required = max(s.requires(), needs.votes())
	scope, keys := q.scopeOf(c, d.UserID, d.Names, d.RequestID), []string{store.Tenant(d.Tenant).CutOffsKey(), store.Tenant(d.Tenant).PasskeysKey()}
	decided, err := q.runAsUser(ctx, decideScript, c, scope, keys, slices.Concat([]any{
		decision, d.Reason, fourEyes, mac, proposer, d.AuthSessionID, d.EarliestCutOff.UnixMilli(),
		s.Required, q.key.MAC(r.proposed(s, true)...), shown.assurance, shown.assertion, shown.roles, shown.age,
		needs.now().Within.Milliseconds(),
	}, shown.use.Args(), []any{mark.At, mark.MAC}, s.votersWithout(needs.now()))...)
	if errors.Is(err, refusal.Stale) && mac != "" {
		return Command{}, approver.RefuseUse()
	}
	return decided, err
}

// checkApproval returns what an approval of a pending command must meet, and the evidence that it does.
// Otherwise it returns an error.
func (q *Queue) checkApproval(ctx context.Context, d Decision, c Command, decision string) (demands, evidence, error) {
	needs, err := q.demandsOn(ctx, c)
	if err != nil {
		return demands{}, evidence{}, err
	}
	shown, err := q.checkPasskey(ctx, d, c)
	if err != nil {
		return demands{}, evidence{}, err
	}
	d.SignIn.Passkey = shown.use != nil
	now := time.Now()
	if err := needs.check(d.SignIn, now); err != nil {
		return demands{}, evidence{}, err
	}
	if needs.needReason() && fieldgate.IsBlank(d.Reason) {
		return demands{}, evidence{}, errReasonRequired
	}
	if decision == decisionBreakGlass && !needs.allowBreakGlass() {
		return demands{}, evidence{}, errNoBreakGlass
	}
	if needs.haveConditions() {
		shown.assurance, shown.roles, shown.age, shown.reason = d.SignIn.Assurance, strings.Join(d.SignIn.Roles, " "), d.SignIn.age(now), d.Reason
	}
	return needs, shown, nil
}

// evidence holds how an approver has proved the approval. A rule that becomes stricter judges it again, so
// the MAC of the decision covers all that such a rule may need. It is empty, apart from the assertion, unless
// the rule has conditions.
type evidence struct {
	assurance string        // assurance level of the sign-in
	assertion string        // of the passkey that has signed; empty without one
	roles     string        // names of the user's roles, joined by spaces
	age       int64         // age of the sign-in in ms; zero if it is not known
	reason    string        // of the approval
	at        int64         // time of an approval by an admin alone, in Unix ms
	use       *approver.Use // nil without an assertion
}

// checkPasskey returns the evidence that a passkey of the user has signed the digest of a command. It is
// empty for a decision without an assertion. The error is step_up_required for one that does not verify.
func (q *Queue) checkPasskey(ctx context.Context, d Decision, c Command) (evidence, error) {
	if d.Passkey == nil {
		return evidence{}, nil
	}
	challenge, err := hex.DecodeString(c.Digest)
	if err != nil {
		return evidence{}, fmt.Errorf("decoding the digest of a command: %w", err)
	}
	use, err := q.cfg.Passkeys.Check(ctx, d.Tenant, d.UserID, challenge, *d.Passkey)
	return evidence{assertion: d.Passkey.String(), use: use}, err
}

// CheckApproval returns nil if a user may approve a pending command under the policy as it is now and
// under the rule in its statement, apart from the reason, from the assertion of a passkey, and from
// whether the user has proposed it. Errors: command_denied, insufficient_role, step_up_required.
func (q *Queue) CheckApproval(ctx context.Context, c Command, by SignIn) error {
	needs, err := q.demandsOn(ctx, c)
	if err != nil {
		return err
	}
	by.Passkey = by.Passkey || q.cfg.Passkeys.AreUsable()
	return needs.check(by, time.Now())
}

// vouch returns the MAC of a decision, and the proposer of the command. Both are empty if the
// command waits for no decision, because its record was then not verified.
func (q *Queue) vouch(r record, s state, decision, userID string, shown evidence) (mac, proposer string) {
	if s.Status != PendingApproval {
		return "", ""
	}
	return q.key.MAC(r.decided(s.Digest, decision, store.ActorUser(userID), shown)...), s.Proposer
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
	r := record{tenant: c.Tenant, deviceID: c.DeviceID, id: c.ID}
	if err := refused(reply, c.ID); err != nil {
		return Command{}, q.withoutForgedDecision(r, reply, err)
	}
	s, err := decodeState(reply.String(2))
	q.withoutForgeries(r, s).apply(&c)
	return c, err
}

// withoutForgedDecision returns the refusal of a script, without a decision that no user has made.
func (q *Queue) withoutForgedDecision(r record, reply store.Reply, err error) error {
	var refused *fieldgate.Error
	if !errors.As(err, &refused) || refused.Approval == nil {
		return err
	}
	s, failed := decodeState(reply.String(2))
	if failed != nil || q.withoutForgeries(r, s).Approval != nil {
		return err
	}
	return withState(refusal.New(refused.Code), r.id, s.Status, s.Attempt)
}
