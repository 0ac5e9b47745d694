package queue_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// modelFixture is a device in a store together with the model of that device. The model uses
// short names: c1 for a command, s1 for a session and c1#1 for a claim token. The maps below
// translate between these names and the ids and tokens of the store.
type modelFixture struct {
	*fixture
	model    *model.Model
	devices  *device.Registry
	started  int64             // time by the store's clock at the start, in Unix ms
	elapsed  int64             // total span in ms that elapse has subtracted from the stored times
	ids      map[string]string // ids of commands and sessions, by name
	tokens   map[string]string // claim tokens, by name
	names    map[string]string // names of commands, sessions and claim tokens, by id or by the hash of the token
	expiring map[string]bool   // keys that have a time to live
	recent   []model.Operation // operations that drawOperations may repeat
}

// modelStart is the time of the model's clock at the start. It is not zero, because a zero
// time means not set.
const modelStart = model.Hour

// tick is the unit of the model's clock, in ms. All spans are multiples of a tick. A tick
// exceeds the default timeout of tests (10 min), so that less real time than one tick passes
// in a test.
const tick int64 = 15 * 60_000

// typesOf has a type of command for each type of the model.
var typesOf = map[model.Type]string{model.Plain: auto, model.Reviewed: review, model.Paired: "config.pair"}

// under returns a change that sets a policy of the model. Each rule lets an admin approve alone, and the proposer
// too unless two users must approve.
func under(p model.Policy) func(*queue.Config) {
	return func(cfg *queue.Config) {
		cfg.Policy = nil
		for _, t := range []model.Type{model.Plain, model.Reviewed, model.Paired} {
			rule := queue.Rule{Pattern: typesOf[t], Mode: queue.Review}
			switch needs := p.RuleOf(t); {
			case needs.Denies:
				rule.Mode = queue.Deny
			case needs.Required == 0:
				rule.Mode = queue.Auto
			default:
				rule.Needs = policy.Requirement{Approvals: needs.Required, BreakGlass: true, GlassByProposer: t != model.Paired}
			}
			cfg.Policy = append(cfg.Policy, rule)
		}
	}
}

// setPolicy restarts the gateway of the fixture with another policy.
func (f *modelFixture) setPolicy(p model.Policy) {
	cfg := queue.Config{Store: f.store, PollEvery: 200 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
	under(p)(&cfg)
	f.queue = queue.New(cfg)
}

func newModelFixture(t *testing.T, s *store.Store) *modelFixture {
	t.Helper()
	f := &modelFixture{
		fixture: newFixture(t, s, under(model.Usual)), model: model.New(modelStart), devices: device.New(device.Config{Store: s}),
		ids: map[string]string{}, tokens: map[string]string{}, names: map[string]string{}, expiring: map[string]bool{},
	}
	f.device = f.newDevice(f.device.Tenant)
	f.do(func(ctx context.Context, c store.Client) error {
		now, err := c.Time(ctx).Result()
		f.started = now.UnixMilli()
		return errors.Join(err, c.HSet(ctx, f.device.RecordKey(), "secret", "x").Err())
	})
	return f
}

// apply applies an operation to the store. It returns the response with the model's names.
func (f *modelFixture) apply(t testing.TB, op model.Operation) model.Response {
	ctx := t.Context()
	ref := queue.ClaimRef{Device: f.device, CommandID: f.ids[op.Command], Token: f.tokens[op.Token]}
	switch op.Kind {
	case model.Propose:
		c, err := f.queue.Propose(ctx, f.proposalOf(op))
		return f.created(stateResponse(c), "c", c.ID, err)
	case model.Approve, model.Reject, model.BreakGlass, model.Withdraw:
		return f.applyVote(ctx, op)
	case model.Cancel:
		c, err := f.queue.Cancel(ctx, queue.Cancel{
			Tenant: f.device.Tenant, SessionID: f.sessionOf(op.Command), CommandID: f.ids[op.Command], UserID: proposer,
		})
		return response(stateResponse(c), err)
	case model.Claim:
		return f.applyClaim(ctx, op)
	case model.Extend:
		e, err := f.queue.Extend(ctx, ref, millis(op.Span))
		return response(model.Response{VisibleUntil: f.modelTime(e.VisibleUntil.UnixMilli()), CancelRequested: e.CancelRequested}, err)
	case model.Progress:
		r, err := f.queue.ReportProgress(ctx, ref, queue.Report{Seq: op.Seq, Output: "working"})
		return response(model.Response{CancelRequested: r.CancelRequested}, err)
	case model.Release:
		status, err := f.queue.Release(ctx, ref, "")
		return response(model.Response{Status: model.Status(status)}, err)
	case model.SubmitResult:
		return f.applyResult(ctx, ref, op)
	}
	return f.applyToDevice(ctx, op)
}

// applyVote applies an operation of an approver.
func (f *modelFixture) applyVote(ctx context.Context, op model.Operation) model.Response {
	run := f.queue.Decide
	switch op.Kind {
	case model.BreakGlass:
		run = f.queue.BreakGlass
	case model.Withdraw:
		run = f.queue.Withdraw
	}
	c, err := run(ctx, queue.Decision{
		Tenant: f.device.Tenant, SessionID: f.sessionOf(op.Command), CommandID: f.ids[op.Command],
		UserID: op.UserID, SoleUser: op.SoleUser, Approved: op.Kind == model.Approve, Reason: "fire",
	})
	return response(stateResponse(c), err)
}

// applyToDevice applies an operation on the device or on a session.
func (f *modelFixture) applyToDevice(ctx context.Context, op model.Operation) model.Response {
	request := device.AdminRequest{Tenant: f.device.Tenant, DeviceID: f.device.ID, UserID: proposer}
	var err error
	switch op.Kind {
	case model.Open:
		opened, err := f.sessions.Open(ctx, session.OpenRequest{
			Tenant: f.device.Tenant, DeviceID: f.device.ID, UserID: proposer, Type: "diagnostic", Duration: millis(op.Span),
		})
		return f.created(model.Response{}, "s", opened.ID, err)
	case model.Close:
		closed, err := f.sessions.Close(ctx, session.CloseRequest{Tenant: f.device.Tenant, SessionID: f.ids[op.Session], UserID: proposer})
		return response(model.Response{Status: model.Status(closed.Status)}, err)
	case model.Resolve:
		_, err = f.devices.ResolveIdentity(ctx, request, device.NewestInstance)
	case model.Suspend:
		_, err = f.devices.Suspend(ctx, request)
	case model.Resume:
		_, err = f.devices.Resume(ctx, request)
	case model.Decommission:
		err = f.devices.Decommission(ctx, request)
	case model.SetPolicy:
		f.setPolicy(op.Policy)
	case model.Elapse:
		err = f.elapse(ctx, op.Span)
	case model.Settle:
		err = f.settleDue(ctx)
	}
	return response(model.Response{}, err)
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func (f *modelFixture) sessionOf(command string) string {
	return f.ids[f.model.State().Commands[command].Session]
}

func (f *modelFixture) proposalOf(op model.Operation) queue.Proposal {
	p := f.proposal(typesOf[op.Type])
	p.SessionID, p.UserID, p.Priority, p.MaxAttempts = f.ids[op.Session], op.UserID, op.Priority, op.MaxAttempts
	p.DeliverWithin, p.IdempotencyKey = millis(op.Span), op.Key
	for _, key := range store.IdempotencyKeys(p.Tenant, p.IdempotencyKey) {
		f.expiring[key] = true
	}
	return p
}

func (f *modelFixture) applyClaim(ctx context.Context, op model.Operation) model.Response {
	r := queue.ClaimRequest{
		Device: f.device, Limit: op.Limit, Visibility: millis(op.Span), IdempotencyKey: op.Key, InstanceID: op.Instance,
	}
	if key := op.Key; key != "" {
		if op.Instance != "" {
			key += "\n" + op.Instance
		}
		f.expiring[f.device.ClaimKey(store.DigestOf(key))] = true
	}
	leases, err := f.queue.Claim(ctx, r)
	return response(model.Response{Leases: f.leasesOf(leases)}, err)
}

func (f *modelFixture) applyResult(ctx context.Context, ref queue.ClaimRef, op model.Operation) model.Response {
	status, result := queue.Status(op.Status), queue.Result{Output: op.Output}
	var recorded queue.RecordedResult
	var leases []queue.Lease
	var err error
	if op.Next {
		f.expiring[f.device.ClaimKey(store.DigestOf("after "+ref.Token))] = true
		recorded, leases, err = f.queue.SubmitResultAndClaim(ctx, ref, status, result, millis(op.Span))
	} else {
		recorded, err = f.queue.SubmitResult(ctx, ref, status, result)
	}
	return response(model.Response{
		Status: model.Status(recorded.Status), Late: recorded.Late, Duplicate: recorded.Duplicate, Leases: f.leasesOf(leases),
	}, err)
}

// leasesOf converts leases to those of the model.
func (f *modelFixture) leasesOf(leases []queue.Lease) (converted []model.Lease) {
	for _, l := range leases {
		name := f.names[l.ID]
		converted = append(converted, model.Lease{
			Command: name, Token: f.tokenName(name, l.Token, len(l.Attempts)), Attempt: l.Attempt,
			VisibleUntil: f.modelTime(l.VisibleUntil.UnixMilli()),
		})
	}
	return converted
}

// tokenName returns the model's name for a claim token. The name consists of the command's name
// and the number of the claim, such as c1#1. If the token is new, tokenName records the name.
func (f *modelFixture) tokenName(command, token string, claim int) string {
	sum := sha256.Sum256([]byte(token))
	hash := hex.EncodeToString(sum[:16])
	if f.names[hash] == "" {
		f.names[hash] = fmt.Sprintf("%s#%d", command, claim)
		f.tokens[f.names[hash]] = token
	}
	return f.names[hash]
}

// created returns the response to an operation that created a command or session. It names a
// new id with the next free name, such as c2 or s2.
func (f *modelFixture) created(r model.Response, kind, id string, err error) model.Response {
	if err == nil && f.names[id] == "" {
		n := 1
		for ; f.ids[fmt.Sprint(kind, n)] != ""; n++ {
		}
		f.names[id] = fmt.Sprint(kind, n)
		f.ids[f.names[id]] = id
	}
	r.ID = f.names[id]
	return response(r, err)
}

func stateResponse(c queue.Command) model.Response {
	return model.Response{Status: model.Status(c.Status), Attempt: c.Attempt}
}

// response returns r with the code of err. The code is "ok" if err is nil. If a refusal
// contains the command's state, response adds that state.
func response(r model.Response, err error) model.Response {
	var refusal *fieldgate.Error
	switch {
	case err == nil:
		r.Code = "ok"
		return r
	case errors.As(err, &refusal) && refusal.Command != nil:
		return model.Response{Code: string(refusal.Code), Status: model.Status(refusal.Command.Status), Attempt: refusal.Command.Attempt}
	case errors.As(err, &refusal):
		return model.Response{Code: string(refusal.Code)}
	}
	return model.Response{Code: err.Error()}
}

// settleDue settles until nothing is due.
func (f *modelFixture) settleDue(ctx context.Context) error {
	for {
		more, err := f.store.SweepOnce(ctx, map[string]store.Settle{"command": f.queue.Settle, "session": f.sessions.Settle})
		if err != nil || !more {
			return err
		}
	}
}

// modelTime converts a stored time to a time of the model, rounded down to a tick. Zero stays
// zero.
func (f *modelFixture) modelTime(ms int64) int64 {
	if ms <= 0 {
		return 0
	}
	return modelStart + (ms+f.elapsed-f.started)/tick*tick
}

func TestModelTime_RoundsDown(t *testing.T) {
	t.Parallel()
	f := &modelFixture{started: 1_000_000}
	require.Equal(t, modelStart, f.modelTime(f.started+tick-1))
	require.Equal(t, modelStart+tick, f.modelTime(f.started+tick))
}

// elapseScript subtracts a span from every stored time of a device. The scripts then behave as
// if the span had passed. The test cannot set the clock of Redis itself. The digest and the MAC
// of a command and its statement, which cover its deadline, are removed, as in a record of an older
// release.
//
//	KEYS[1-13]   the device's key set
//	KEYS[14...]  the records of its sessions, then keys with a time to live
//	ARGV[1]      span in ms
//	ARGV[2]      number of sessions
//	ARGV[3...]   the device's members of the due index
var elapseScript = store.NewScript(fstest.MapFS{"elapse.lua": {Data: []byte(`
local by, sessions = tonumber(ARGV[1]), tonumber(ARGV[2])
local function ms(n) return string.format('%.0f', n) end
local function subtract(t, names)
  for _, name in ipairs(names) do
    if type(t[name]) == 'number' then t[name] = t[name] - by end
  end
end
local function field(key, name)
  local v = redis.call('HGET', key, name)
  if v and v ~= '' then redis.call('HSET', key, name, ms(tonumber(v) - by)) end
end
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if not string.find(all[i], ':', 1, true) then
    local c = (string.find(all[i + 1], '{', 1, true) == 1 and cjson.decode or cmsgpack.unpack)(all[i + 1])
    subtract(c, { 'created', 'deliver_by', 'approve_by', 'queued', 'claimed', 'visible', 'finished', 'first' })
    c.digest, c.mac = nil, nil
    local votes = c.votes or {}
    if c.approval then votes = { c.approval, unpack(votes) } end
    for _, vote in ipairs(votes) do vote.mac = nil subtract(vote, { 'at' }) end
    for _, h in ipairs(c.history or {}) do subtract(h, { 'claimed', 'ended' }) end
    local b = cjson.decode(redis.call('HGET', KEYS[2], all[i] .. ':body'))
    b = { type = b.type, parameters = b.parameters, reason = b.reason, retryOf = b.retryOf }
    redis.call('HSET', KEYS[2], all[i] .. ':body', cjson.encode(b))
    redis.call('HSET', KEYS[2], all[i], (c.packed and cmsgpack.pack or cjson.encode)(c))
  end
end
field(KEYS[1], 'session_until')
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do redis.call('ZINCRBY', KEYS[6], -by, id) end
for i = 3, #ARGV do
  if redis.call('ZSCORE', KEYS[11], ARGV[i]) then redis.call('ZINCRBY', KEYS[11], -by, ARGV[i]) end
end
for i = 14, 13 + sessions do
  for _, name in ipairs({ 'created', 'expires', 'closed' }) do field(KEYS[i], name) end
end
for i = 14 + sessions, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left > by then redis.call('PEXPIRE', KEYS[i], ms(left - by)) else redis.call('DEL', KEYS[i]) end
end
return { 'ok' }
`)}}, "elapse.lua")

// elapse simulates that ms milliseconds pass for the device.
func (f *modelFixture) elapse(ctx context.Context, ms int64) error {
	keys, sessions := f.device.Keys(), 0
	args := []any{ms, 0}
	for name, id := range f.ids {
		if name[0] == 's' {
			keys, sessions = append(keys, store.SessionKey(id)), sessions+1
		}
		args = append(args, f.dueMemberOf(name))
	}
	args[1] = sessions
	_, err := f.store.Run(ctx, elapseScript, slices.AppendSeq(keys, maps.Keys(f.expiring)), args...)
	f.elapsed += ms
	return err
}

// dueMemberOf returns the member of the due index for the command or session with the given name.
func (f *modelFixture) dueMemberOf(name string) string {
	kind := map[byte]string{'c': "command", 's': "session"}[name[0]]
	return fmt.Sprintf("%s %s %s %s", kind, f.ids[name], f.device.ID, f.device.Tenant)
}
