package queue

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
	"github.com/fieldgate/fieldgate/tracing"
)

// ClaimRequest asks for commands on behalf of a device.
type ClaimRequest struct {
	Device         store.Device
	Login          *store.LoginCheck // refuses the claim if the login has ended, at each try of a claim that waits; nil means that the login is not checked
	RequestID      string
	Limit          int           // maximum number of commands, 1 to 10
	Visibility     time.Duration // length of each lease
	Wait           time.Duration // maximum time to wait for a command; zero means no wait
	IdempotencyKey string        // a repeated claim of the same instance with this key returns the same leases until they end; empty means no key
	InstanceID     string        // random id of this start of the device's software; empty means the instance that opened the login

	afterResult bool // the claim belongs to a result: see claimAfter
	hasWaited   bool // the claim has waited, and runs again

	policy tenantpolicy.View // by which the commands are judged; read before they are claimed
}

// fingerprint returns the digest that a repetition of the request has too. The repetition of a
// result is the same request even if it asks for another visibility.
func (r ClaimRequest) fingerprint() (string, error) {
	if r.afterResult {
		return fingerprint("claim after a result")
	}
	return fingerprint("claim", r.Limit, r.Visibility)
}

// memoryKey returns the key under which the store keeps the answer to the request. The request
// must have an IdempotencyKey. A copy of the device has the same IdempotencyKey on its disk, so the
// key also depends on the instance, or else on the login.
func (r ClaimRequest) memoryKey() string {
	owner := r.InstanceID
	if owner == "" && r.Login != nil {
		owner = r.Login.Login
	}
	key := r.IdempotencyKey
	if owner != "" {
		key += "\n" + owner
	}
	return r.Device.ClaimKey(store.DigestOf(key))
}

// Lease is a command that a device has claimed, for a limited time.
type Lease struct {
	Command
	Token     string        // proves that the device holds the newest claim
	Receipt   string        // a JWS in compact form; empty if the queue signs none, or the command has no statement
	Remaining time.Duration // time until VisibleUntil, by the store's clock
}

// Claim claims the first commands of the device's ready queue, each under a lease. If r.Wait
// is positive, Claim blocks while the ready queue is empty. It returns no lease and no error
// after r.Wait, when the context is done, when the queue drains or when it wakes up and another
// instance of the device has taken the place of r's. Refusals:
// idempotency_key_reused, unauthorized if the device was suspended or its login has ended,
// rate_limited if the device is over its rate limit or MaxWaiting of its claims already wait, and quota_exceeded if the claim
// would have to wait and the tenant may have no more waiting claims on this instance.
func (q *Queue) Claim(ctx context.Context, r ClaimRequest) ([]Lease, error) {
	if r.Wait <= 0 {
		c, err := q.claim(ctx, r)
		return c.leases, err
	}
	waiter := q.waiters.join(r.Device.ID)
	if waiter == nil {
		return nil, errTooManyWaiting
	}
	q.metrics.waiting.Inc()
	defer q.metrics.waiting.Dec()
	defer q.waiters.leave(waiter)
	deadline := time.Now().Add(r.Wait)
	for {
		c, err := q.claim(ctx, r)
		if c.ready > 0 || c.isReplaced() || err != nil {
			q.waiters.wake(r.Device.ID) // the next waiter may claim the remaining commands
		}
		if len(c.leases) > 0 || c.isReplaced() || err != nil {
			return c.leases, err
		}
		if !q.waiters.admit(waiter, r.Device.Tenant, c.maxWaiting) {
			return nil, refusal.Quota(string(quota.WaitingClaims), c.maxWaiting)
		}
		if !waiter.wait(ctx, deadline, q.cfg.PollEvery) {
			return nil, nil
		}
		r.hasWaited = true
	}
}

// WaitingClaims returns the number of claims of a tenant that wait on this instance.
func (q *Queue) WaitingClaims(tenant string) int64 { return q.waiters.admitted(tenant) }

var errTooManyWaiting = &fieldgate.Error{
	Code:       fieldgate.CodeRateLimited,
	Detail:     "Other claims of this device wait for a command: wait for one of them to end before you send the next.",
	RetryAfter: time.Second,
}

// claimed is the reply of one run of claim.lua.
type claimed struct {
	leases     []Lease
	takenBack  int   // number of commands that were claimed and may not run
	ready      int64 // number of commands that can still be claimed, or more; or replaced
	maxWaiting int64 // the tenant's limit of waiting claims; zero: no limit
}

// replaced is the value of ready for a claim that has waited, if another instance of the device has
// taken the place of the one that claims.
const replaced = -1

// isReplaced reports whether the claim must end its wait. The wake-up that it has used is for the
// claims of the new instance.
func (c claimed) isReplaced() bool { return c.ready == replaced }

// claim runs claim.lua until it returns a command that may run, or none. A command that may not
// run is taken back, so that the next one is first.
func (q *Queue) claim(ctx context.Context, r ClaimRequest) (claimed, error) {
	for {
		c, err := q.claimOnce(ctx, r)
		if err != nil || len(c.leases) > 0 || c.takenBack == 0 {
			return c, err
		}
	}
}

// claimOnce runs claim.lua once. The script finishes even if ctx is done while it runs. In that
// case claimOnce releases the leases, because no caller will use them. If the request has an
// IdempotencyKey, claimOnce keeps the leases, because the device can repeat the request.
func (q *Queue) claimOnce(ctx context.Context, r ClaimRequest) (claimed, error) {
	tokens, err := q.newTokens(r)
	if err != nil {
		return claimed{}, err
	}
	if r.policy, err = q.policyOf(ctx, r.Device.Tenant); err != nil {
		return claimed{}, err
	}
	keys, args, err := q.claimArgs(r, tokens)
	if err != nil {
		return claimed{}, err
	}
	reply, err := q.store.Run(ctx, claimScript, keys, args...)
	r.Login.Note(reply)
	if err != nil {
		return claimed{}, err
	}
	if err := refused(reply, ""); err != nil {
		return claimed{}, err
	}
	q.noteQuarantined(ctx, reply.String(4))
	leases, takenBack := q.leases(ctx, r, reply[min(6, len(reply)):], reply.Int(2), tokens)
	if ctx.Err() != nil && r.IdempotencyKey == "" {
		q.releaseAll(ctx, r, leases)
		return claimed{}, ctx.Err()
	}
	return claimed{leases: leases, takenBack: takenBack, ready: reply.Int(3), maxWaiting: q.maxWaiting(reply.String(5))}, nil
}

// maxWaiting returns the limit of waiting claims of a tenant. Its own limit is empty if the
// tenant has none.
func (q *Queue) maxWaiting(own string) int64 {
	if limit, err := strconv.ParseInt(own, 10, 64); err == nil {
		return limit
	}
	return q.cfg.Limits.WaitingClaims
}

// claimArgs returns the KEYS and ARGV of claim.lua.
func (q *Queue) claimArgs(r ClaimRequest, t claimTokens) (keys []string, args []any, err error) {
	requestHash, err := r.fingerprint()
	if err != nil {
		return nil, nil, err
	}
	keys = append(r.Device.Keys(), r.Login.Keys(r.Device)...)
	if r.IdempotencyKey != "" {
		keys = append(keys, r.memoryKey())
	}
	args = store.NewScope(r.Device, store.ActorDevice(r.Device.ID), r.RequestID, q.cfg.Retention).
		Args(r.Limit, r.Visibility.Milliseconds(), requestHash, settleLimit, r.InstanceID, r.hasWaited)
	return keys, append(args, r.Login.Args(t.args...)...), nil
}

// leases decodes the commands that a script has claimed at the time now, in Unix ms. It takes back
// those that may not run, and returns their number: the record was changed, or the policy does not
// let the command run any more. It skips a command whose record cannot be decoded. That command
// stays claimed until its lease ends, so that it does not block the commands behind it.
func (q *Queue) leases(ctx context.Context, request ClaimRequest, claimed store.Reply, now int64, t claimTokens) (leases []Lease, takenBack int) {
	for i := range claimed {
		lease, err := q.lease(ctx, request, claimed.List(i), now, t)
		if errors.Is(err, errTakenBack) {
			takenBack++
			continue
		}
		if err != nil {
			q.metrics.quarantined.Inc()
			q.log.ErrorContext(ctx, "skipped a claimed command", "command", claimed.List(i).String(0), "error", err)
			continue
		}
		leases = append(leases, lease)
	}
	return leases, takenBack
}

// errTakenBack is returned for a command that was claimed and may not run. The command is not
// claimed any more.
var errTakenBack = errors.New("the command was taken back")

// lease decodes and verifies a claimed command in a script's reply: its id, state, body and stored
// claim token.
func (q *Queue) lease(ctx context.Context, request ClaimRequest, claimed store.Reply, now int64, t claimTokens) (Lease, error) {
	r := record{
		tenant: request.Device.Tenant, deviceID: request.Device.ID,
		id: claimed.String(0), state: claimed.String(1), body: claimed.String(2),
	}
	s, err := decodeState(r.state)
	if err != nil {
		return Lease{}, err
	}
	if err := q.verify(r, s); err != nil {
		if q.setAside(ctx, r, s, request.RequestID) {
			err = errTakenBack
		}
		return Lease{}, err
	}
	c, err := r.command(s)
	if err != nil {
		return Lease{}, err
	}
	by, err := q.judgeCommand(request.policy, c, store.TimeOf(now))
	if err != nil {
		return Lease{}, err
	}
	if mode := mayStillRun(s, by); mode != Auto {
		return Lease{}, q.applyPolicy(ctx, r, s, mode, by.Needs, request.RequestID)
	}
	token, err := t.of(s.Token, claimed.String(3), request.Device)
	if err != nil {
		return Lease{}, err
	}
	signed, err := q.sign(c)
	if err != nil {
		return Lease{}, err
	}
	q.metrics.age.Observe(float64(s.Claimed-s.Queued) / 1000)
	q.traceDelivery(ctx, &c, store.TimeOf(s.Queued))
	return Lease{Command: c, Token: token, Receipt: signed, Remaining: time.Duration(s.Visible-now) * time.Millisecond}, nil
}

// traceDelivery records the delivery of a command whose proposal is traced. The span of the delivery
// takes the place of that of the proposal in the command that the device gets.
func (q *Queue) traceDelivery(ctx context.Context, c *Command, queued time.Time) {
	if q.cfg.Tracer == nil || c.Traceparent == "" {
		return
	}
	c.Traceparent = tracing.Deliver(ctx, q.cfg.Tracer, c.Traceparent, queued, tracing.Message{
		Command: c.ID, Session: c.SessionID, Device: c.DeviceID, Tenant: c.Tenant, Type: c.Type,
	})
}

// releaseAll releases the leases of a claim whose caller is gone. These claims do not count as
// attempts, and the commands are ready again before the leases would expire.
func (q *Queue) releaseAll(ctx context.Context, r ClaimRequest, leases []Lease) {
	ctx = context.WithoutCancel(ctx)
	for _, lease := range leases {
		ref := ClaimRef{Device: r.Device, CommandID: lease.ID, Token: lease.Token, RequestID: r.RequestID}
		if _, err := q.Release(ctx, ref, "connection lost"); err != nil {
			q.log.WarnContext(ctx, "releasing a claim whose caller is gone failed", "command", lease.ID, "error", err)
		}
	}
}
