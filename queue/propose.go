package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// These are the default values of MaxAttempts. A command that needs approval runs only once,
// because an approval covers one execution.
const (
	autoAttempts   = 3
	reviewAttempts = 1
)

// Proposal is a request to create a command.
type Proposal struct {
	Tenant    string
	SessionID string
	UserID    string // id of the user who proposes
	Names     fieldgate.Names
	ByProgram bool   // an OAuth client acts for the user; kept only in a statement
	Role      string // role of the user, by its name in tokens; kept only in a statement
	RequestID string // the X-Request-ID of the proposal

	// Traceparent is the span of the proposal (W3C Trace Context). It is kept with the command and in
	// its events. Empty if no trace of the proposal is recorded, which costs no memory.
	Traceparent string

	Type          string
	Parameters    json.RawMessage // a JSON object; empty means {}
	Priority      int             // 0 to 9; commands with priority 9 are claimed first
	Reason        string
	MaxAttempts   int           // maximum number of claims, excluding released ones; zero means 3, or 1 if the command needs approval
	DeliverWithin time.Duration // time within which the command must be delivered; zero means Config.DeliverWithin
	RetryOf       string        // id of the command that this one repeats; set by Retry

	IdempotencyKey string // a repeated proposal of the user with this key returns the same command for 24 h; empty means no key
}

// idempotencyTTL is the time for which the store remembers the IdempotencyKey of a proposal.
const idempotencyTTL = 24 * time.Hour

// Propose creates a command. Retry calls Propose, and no other method creates commands. The
// command is queued, or is pending approval if the policy requires approval. Refusals:
// session_not_found, session_closed, command_denied, device_queue_full, quota_exceeded,
// idempotency_key_reused, validation_failed.
func (q *Queue) Propose(ctx context.Context, p Proposal) (Command, error) {
	if err := q.prepare(&p); err != nil {
		return Command{}, err
	}
	return refusal.RetryStale(func() (Command, error) { return q.proposeNow(ctx, p) })
}

// proposeNow creates a command at the time by the store's clock. The error is refusal.Stale if that time is not
// recent, or if what this instance remembers of the device, the session or the policy of the tenant is not so any
// more. A time is not recent if the store's clock jumps between its read and the script, for example in a failover.
// The clocks of a cluster's nodes may differ by less than RECENT_MS of propose.lua.
func (q *Queue) proposeNow(ctx context.Context, p Proposal) (c Command, err error) {
	at, now, found := q.recallNow(p.Tenant, p.SessionID)
	if !found {
		if at, now, err = q.locateNow(ctx, p.Tenant, p.SessionID); err != nil {
			return Command{}, err
		}
	}
	c, err = q.proposeAt(ctx, p, at, now)
	if errors.Is(err, refusal.Stale) {
		q.located.Forget(p.SessionID)
		q.identities.Forget(at.ID)
		q.expirePolicy(p.Tenant)
		q.clock.forget()
	}
	return c, err
}

// proposeAt creates a command. The argument proposedAt is the time of the proposal by the
// store's clock. The error is refusal.Stale if that time is not recent.
func (q *Queue) proposeAt(ctx context.Context, p Proposal, device place, proposedAt time.Time) (Command, error) {
	identity, by, err := q.judgeProposal(ctx, p, device.Device, proposedAt)
	if err != nil {
		return Command{}, err
	}
	keys, args, err := q.proposeArgs(p, by, device, identity, proposedAt)
	if err != nil {
		return Command{}, err
	}
	reply, err := q.store.Run(ctx, proposeScript, keys, args...)
	if err != nil {
		return Command{}, err
	}
	if err := refused(reply, ""); err != nil {
		return Command{}, err
	}
	return q.decode(record{
		tenant: p.Tenant, deviceID: device.ID, id: reply.String(2), state: reply.String(3), body: reply.String(4),
	})
}

// prepare validates a proposal and sets the defaults of its empty fields. The device and the policy of
// the tenant are not needed for that.
func (q *Queue) prepare(p *Proposal) error {
	if len(p.Parameters) == 0 {
		p.Parameters = noParameters
	}
	if len(p.Parameters) > maxParameters {
		return errParameters
	}
	p.DeliverWithin = cmp.Or(p.DeliverWithin, q.cfg.DeliverWithin)
	return nil
}

// judgeProposal returns the identity of the device, and what the policies require of a proposal for it. It
// returns command_denied if one of them denies the command. No script compares what is denied with the record of
// the device, so the identity is read again before that.
func (q *Queue) judgeProposal(ctx context.Context, p Proposal, device store.Device, at time.Time) (identity, judgement, error) {
	as, by, err := q.judgeFor(ctx, p, device, at)
	if err == nil && by.mode() == Deny {
		q.identities.Forget(device.ID)
		as, by, err = q.judgeFor(ctx, p, device, at)
	}
	if err == nil && by.mode() == Deny {
		err = q.denial(by)
	}
	return as, by, err
}

// judgeFor is judgeProposal with the identity that this instance may remember. The judgement may be Deny.
func (q *Queue) judgeFor(ctx context.Context, p Proposal, device store.Device, at time.Time) (identity, judgement, error) {
	as, err := q.identify(ctx, device)
	if err != nil {
		return identity{}, judgement{}, err
	}
	view, err := q.policyOf(ctx, p.Tenant)
	if err != nil {
		return identity{}, judgement{}, err
	}
	return as, q.judge(view, p.proposedFacts(as, at)), nil
}

// attempts returns the maximum number of claims of a proposal.
func (p Proposal) attempts(by judgement) int {
	switch {
	case p.MaxAttempts > 0:
		return p.MaxAttempts
	case by.mode() == Review:
		return reviewAttempts
	}
	return autoAttempts
}

// fingerprints returns the fingerprint of a proposal, and the one that earlier releases computed. Those
// had a default for MaxAttempts in it. The default depends on the policy, which may change before the
// proposal is repeated.
func (p Proposal) fingerprints(content []byte, attempts int) (current, earlier string, err error) {
	parts := []any{"propose", p.SessionID, string(content), p.Priority, p.MaxAttempts, p.DeliverWithin}
	if p.ByProgram {
		parts = append(parts, kindProgram)
	}
	if current, _, err = fingerprints(p.UserID, parts...); err != nil {
		return "", "", err
	}
	parts[4] = attempts
	_, earlier, err = fingerprints(p.UserID, parts...)
	return current, earlier, err
}

// denial returns the refusal of a proposal that a policy denies.
func (q *Queue) denial(by judgement) error {
	if by.version == q.policyVersion {
		return errDeniedByFloor
	}
	return errDeniedByTenant
}

var errDeniedByFloor = fieldgate.Refuse(fieldgate.CodeCommandDenied,
	"The policy of this gateway denies commands of this type: propose another type, or ask the operator to allow it.")

var errDeniedByTenant = fieldgate.Refuse(fieldgate.CodeCommandDenied,
	"The policy of your organisation denies this command: propose another one, or ask an admin about the rule.")

var noParameters = json.RawMessage("{}")

var errParameters = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "The parameters of a command may not exceed 32 KiB: send fewer or shorter ones.",
	Fields: []fieldgate.FieldError{{Pointer: "/parameters", Keyword: "maxLength", Reason: "must be 32768 bytes at most"}},
}

// deliverBy returns the time by which the command must be delivered. It is never after the end of the
// session, which ends what is not claimed.
func (p Proposal) deliverBy(at, sessionEnds time.Time) time.Time {
	by := time.UnixMilli(at.UnixMilli() + p.DeliverWithin.Milliseconds())
	if !sessionEnds.IsZero() && sessionEnds.Before(by) {
		return sessionEnds
	}
	return by
}

// proposeArgs returns the KEYS and ARGV of propose.lua.
func (q *Queue) proposeArgs(p Proposal, by judgement, device place, as identity, at time.Time) (keys []string, args []any, err error) {
	content, head, err := q.encodeBody(p, by)
	if err != nil {
		return nil, nil, err
	}
	attempts := p.attempts(by)
	requestHash, earlier, err := p.fingerprints(content, attempts)
	if err != nil {
		return nil, nil, err
	}
	if p.MaxAttempts = attempts; by.tenant == 0 {
		p.Role = "" // no rule depends on it
	}
	id := store.NewID(store.KindCommand, store.PartitionOf(p.Tenant))
	deliverBy := p.deliverBy(at, device.ends)
	stored, digest, err := q.describe(p, by, id, device.Device, as, content, deliverBy)
	if err != nil {
		return nil, nil, err
	}
	tenant := store.Tenant(p.Tenant)
	keys = append(device.Keys(), store.SessionKey(p.SessionID), tenant.CommandsKey(), tenant.PolicyKey())
	keys = append(keys, store.IdempotencyKeys(p.Tenant, p.IdempotencyKey)...)
	required := 1
	if by.mode() == Review {
		required = by.Needs.Votes()
	}
	fixed := state{
		Required: required,
		Session:  p.SessionID, Proposer: store.ActorUser(p.UserID), Priority: p.Priority, Max: p.MaxAttempts, DeliverBy: deliverBy.UnixMilli(), Digest: digest,
	}
	mac := q.key.MAC(record{tenant: p.Tenant, deviceID: device.ID, id: id, body: string(stored)}.proposed(fixed, by.mode() == Review)...)
	return keys, store.NewScope(device.Device, store.ActorUser(p.UserID), p.RequestID, q.cfg.Retention).WithNames(p.Names).Args(
		id, p.SessionID, stored, p.Priority, p.MaxAttempts, string(by.mode()),
		deliverBy.UnixMilli()-at.UnixMilli(), q.approveWithin(by.Needs).Milliseconds(), maxReady,
		requestHash, idempotencyTTL.Milliseconds(), at.UnixMilli(), digest, head,
		q.cfg.Limits.ReadyCommands, q.cfg.Limits.PendingApprovals, q.cfg.Limits.StoredBytes, earlier, mac, p.RetryOf,
		q.store.PacksStates(), p.Traceparent, q.store.KeepsStatements(), as.revision, as.epoch, by.tenant, required,
	), nil
}

// describe returns the body of the record of a command, and the digest by which it is approved. The
// body is the statement, or content in a store that instances of earlier versions may use.
func (q *Queue) describe(p Proposal, by judgement, id string, device store.Device, as identity, content []byte, deliverBy time.Time) (stored []byte, digest string, err error) {
	if !q.store.KeepsStatements() {
		digest, err = Digest(Command{Proposal: p, DeviceID: device.ID, DeliverBy: deliverBy})
		return content, digest, err
	}
	stored, err = encodeStatement(p, by, id, as, deliverBy)
	return stored, statementDigest(stored), err
}

// encodeBody returns the body of a proposal without a statement, and its head. Lists read the head, which is
// the body without the parameters, and with the rule of a statement. It is empty if the parameters are small
// enough for a list.
func (q *Queue) encodeBody(p Proposal, by judgement) (content, head []byte, err error) {
	b := body{Type: p.Type, Parameters: p.Parameters, Reason: p.Reason, RetryOf: p.RetryOf}
	if content, err = encode(b); err != nil || len(p.Parameters) <= maxListedParameters {
		return content, []byte{}, err
	}
	b.Parameters, b.Omitted = noParameters, true
	if q.store.KeepsStatements() {
		rule := statePolicy(by)
		b.Policy = &rule
	}
	head, err = encode(b)
	return content, head, err
}

// Retry is a request to propose a finished command again.
type Retry struct {
	Tenant         string
	SessionID      string
	CommandID      string
	UserID         string // id of the user who proposes the new command
	Names          fieldgate.Names
	ByProgram      bool   // an OAuth client acts for the user
	Role           string // as that of a Proposal
	RequestID      string
	Traceparent    string // as that of a Proposal
	Reason         string
	IdempotencyKey string
}

// Retry proposes a new command that repeats a finished one. The policy applies again, because
// the approval of the finished command does not cover the new one. Refusals: command_not_found,
// also if the command is not known to be the one that was proposed; command_not_finished; and the
// refusals of Propose.
func (q *Queue) Retry(ctx context.Context, r Retry) (Command, error) {
	kept, old, err := q.getRecord(ctx, r.Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return Command{}, err
	}
	if err := q.verifyRetry(ctx, kept); err != nil {
		return Command{}, err
	}
	if !old.Status.Final() {
		refused := fieldgate.Refuse(fieldgate.CodeCommandNotFinished,
			"This command has not ended yet: wait for its end or cancel it, and retry it then.")
		return Command{}, withState(refused, old.ID, old.Status, old.Attempt)
	}
	p := old.Proposal
	p.UserID, p.Names, p.ByProgram, p.Role, p.RequestID, p.Reason = r.UserID, r.Names, r.ByProgram, r.Role, r.RequestID, r.Reason
	p.Traceparent = r.Traceparent
	p.IdempotencyKey, p.RetryOf = r.IdempotencyKey, old.ID
	return q.Propose(ctx, p)
}

// verifyRetry returns command_not_found if the record is not known to be the one that was
// proposed. A command from before the required key was introduced raises no alarm.
func (q *Queue) verifyRetry(ctx context.Context, r record) error {
	s, err := decodeState(r.state)
	if err == nil {
		err = q.verifyProposal(r, s)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, recordkey.ErrUnproven):
		q.log.InfoContext(ctx, "refused to retry a command that the record key does not authenticate", "command", r.id)
	default:
		q.logSkipped(ctx, r.id, err)
	}
	return errCommandNotFound
}
