package queue_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// twin is a device in a store beside its model. What the model names c1, s1 and
// c1#1 are commands, sessions and claim tokens of the store.
type twin struct {
	*bench
	model   *model.Model
	devices *device.Registry
	since   time.Time
	begun   int64             // the store's clock at the beginning, Unix ms
	passed  int64             // how far the stored moments were moved back, ms
	ids     map[string]string // of commands and sessions
	tokens  map[string]string
	names   map[string]string // of ids and of hashes of tokens
	kept    map[string]bool   // keys that live for a time
	recent  []model.Event     // what may be repeated
}

// start is the model's clock at the beginning. Zero would be no moment.
const start = model.Hour

func newTwin(t *testing.T, s *store.Store) *twin {
	t.Helper()
	w := &twin{
		bench: newBench(t, s), since: time.Now(), model: model.New(start), devices: device.New(device.Config{Store: s}),
		ids: map[string]string{}, tokens: map[string]string{}, names: map[string]string{}, kept: map[string]bool{},
	}
	w.device = w.newDevice(w.device.Tenant)
	w.do(func(ctx context.Context, c store.Client) error {
		now, err := c.Time(ctx).Result()
		w.begun = now.UnixMilli()
		return errors.Join(err, c.HSet(ctx, w.device.RecordKey(), "secret", "x").Err())
	})
	return w
}

// act lets an event happen in the store and gives its answer in the model's words.
func (w *twin) act(t testing.TB, e model.Event) model.Answer {
	ctx, span := t.Context(), time.Duration(e.Span)*time.Millisecond
	order := device.AdminRequest{Tenant: w.device.Tenant, DeviceID: w.device.ID, UserID: proposer}
	hold := queue.ClaimRef{Device: w.device, CommandID: w.ids[e.Command], Token: w.tokens[e.Token]}
	var err error
	switch e.Kind {
	case model.Open:
		opened, err := w.sessions.Open(ctx, session.OpenRequest{Tenant: w.device.Tenant, DeviceID: w.device.ID, UserID: proposer, Type: "diagnostic", Duration: span})
		return w.made(model.Answer{}, "s", opened.ID, err)
	case model.Close:
		closed, err := w.sessions.Close(ctx, session.CloseRequest{Tenant: w.device.Tenant, SessionID: w.ids[e.Session], UserID: proposer})
		return answered(model.Answer{Status: model.Status(closed.Status)}, err)
	case model.Propose:
		c, err := w.queue.Propose(ctx, w.proposalOf(e))
		return w.made(told(c), "c", c.ID, err)
	case model.Approve, model.Reject:
		c, err := w.queue.Decide(ctx, queue.Decision{
			Tenant: w.device.Tenant, SessionID: w.sessionOf(e.Command), CommandID: w.ids[e.Command],
			UserID: e.By, SoleUser: e.Sole, Approved: e.Kind == model.Approve,
		})
		return answered(told(c), err)
	case model.Cancel:
		c, err := w.queue.Cancel(ctx, queue.Cancel{
			Tenant: w.device.Tenant, SessionID: w.sessionOf(e.Command), CommandID: w.ids[e.Command], UserID: proposer,
		})
		return answered(told(c), err)
	case model.Claim:
		return w.claims(ctx, e)
	case model.Extend:
		x, err := w.queue.Extend(ctx, hold, span)
		return answered(model.Answer{Until: w.minute(x.VisibleUntil.UnixMilli()), Cancel: x.CancelRequested}, err)
	case model.Release:
		status, err := w.queue.Release(ctx, hold, "")
		return answered(model.Answer{Status: model.Status(status)}, err)
	case model.SubmitResult:
		out, err := w.queue.SubmitResult(ctx, hold, queue.Status(e.Result), queue.Result{Output: e.Content})
		return answered(model.Answer{Status: model.Status(out.Status), Late: out.Late, Duplicate: out.Duplicate}, err)
	case model.Suspend:
		_, err = w.devices.Suspend(ctx, order)
	case model.Resume:
		_, err = w.devices.Resume(ctx, order)
	case model.Decommission:
		err = w.devices.Decommission(ctx, order)
	case model.Elapse:
		err = w.pass(ctx, e.Span)
	case model.Sweep:
		err = w.sweepAll(ctx)
	}
	return answered(model.Answer{}, err)
}

func (w *twin) sessionOf(command string) string {
	return w.ids[w.model.State().Commands[command].Session]
}

func (w *twin) proposalOf(e model.Event) queue.Proposal {
	p := w.proposal(auto)
	if e.Review {
		p = w.proposal(review)
	}
	p.SessionID, p.UserID, p.Priority, p.MaxAttempts = w.ids[e.Session], e.By, e.Priority, e.Max
	p.DeliverWithin, p.IdempotencyKey = time.Duration(e.Span)*time.Millisecond, e.Key
	for _, key := range store.IdempotencyKeys(p.Tenant, p.IdempotencyKey) {
		w.kept[key] = true
	}
	return p
}

func (w *twin) claims(ctx context.Context, e model.Event) model.Answer {
	r := queue.ClaimRequest{Device: w.device, Limit: e.Limit, Visibility: time.Duration(e.Span) * time.Millisecond, IdempotencyKey: e.Key, Epoch: w.epoch()}
	if e.Key != "" {
		w.kept[w.device.ClaimKey(store.DigestOf(e.Key))] = true
	}
	leases, err := w.queue.Claim(ctx, r)
	var answer model.Answer
	for _, l := range leases {
		name := w.names[l.ID]
		answer.Leases = append(answer.Leases, model.Lease{
			Command: name, Token: w.tokenName(name, l.Token, len(l.Attempts)), Attempt: l.Attempt, Until: w.minute(l.VisibleUntil.UnixMilli()),
		})
	}
	return answered(answer, err)
}

// tokenName gives a claim token the name that the model gives it: by its command
// and the number of the claim.
func (w *twin) tokenName(command, token string, claim int) string {
	sum := sha256.Sum256([]byte(token))
	hash := hex.EncodeToString(sum[:16])
	if w.names[hash] == "" {
		w.names[hash] = fmt.Sprintf("%s#%d", command, claim)
		w.tokens[w.names[hash]] = token
	}
	return w.names[hash]
}

// made gives what was made a name, by how many of its kind there are.
func (w *twin) made(a model.Answer, kind, id string, err error) model.Answer {
	if err == nil && w.names[id] == "" {
		n := 1
		for ; w.ids[fmt.Sprint(kind, n)] != ""; n++ {
		}
		w.names[id] = fmt.Sprint(kind, n)
		w.ids[w.names[id]] = id
	}
	a.ID = w.names[id]
	return answered(a, err)
}

func told(c queue.Command) model.Answer {
	return model.Answer{Status: model.Status(c.Status), Attempt: c.Attempt}
}

// answered is the answer, or the refusal with the state that it carries.
func answered(a model.Answer, err error) model.Answer {
	var refusal *fieldgate.Error
	switch {
	case err == nil:
		a.Code = "ok"
		return a
	case errors.As(err, &refusal) && refusal.Command != nil:
		return model.Answer{Code: string(refusal.Code), Status: model.Status(refusal.Command.Status), Attempt: refusal.Command.Attempt}
	case errors.As(err, &refusal):
		return model.Answer{Code: string(refusal.Code)}
	}
	return model.Answer{Code: err.Error()}
}

func (w *twin) sweepAll(ctx context.Context) error {
	for {
		more, err := w.store.SweepOnce(ctx, map[string]store.Settle{"command": w.queue.Settle, "session": w.sessions.Settle})
		if err != nil || !more {
			return err
		}
	}
}

// minute gives a stored moment on the model's clock. The model's moments are
// whole minutes, and no sequence takes one: what really passes never counts.
func (w *twin) minute(ms int64) int64 {
	if ms <= 0 {
		return 0
	}
	const minute = 60_000
	return start + (ms+w.passed-w.begun)/minute*minute
}

// passScript moves every moment that is stored about a device back in time, which
// is the same to the scripts as if time had passed. No clock can be set in Redis.
//
//	KEYS  1-12 the device's key set, then its sessions' records, then keys with a time to live
//	ARGV  1 ms, 2 how many sessions, 3... the device's due members
var passScript = store.NewScript(fstest.MapFS{"pass.lua": {Data: []byte(`
local by, sessions = tonumber(ARGV[1]), tonumber(ARGV[2])
local function ms(n) return string.format('%.0f', n) end
local function back(t, names)
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
    local c = cjson.decode(all[i + 1])
    back(c, { 'created', 'deliver_by', 'approve_by', 'queued', 'claimed', 'visible', 'finished', 'first' })
    if c.approval then back(c.approval, { 'at' }) end
    for _, h in ipairs(c.history or {}) do back(h, { 'claimed', 'ended' }) end
    redis.call('HSET', KEYS[2], all[i], cjson.encode(c))
  end
end
field(KEYS[1], 'session_until')
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do redis.call('ZINCRBY', KEYS[6], -by, id) end
for i = 3, #ARGV do
  if redis.call('ZSCORE', KEYS[11], ARGV[i]) then redis.call('ZINCRBY', KEYS[11], -by, ARGV[i]) end
end
for i = 13, 12 + sessions do
  for _, name in ipairs({ 'created', 'expires', 'closed' }) do field(KEYS[i], name) end
end
for i = 13 + sessions, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left > by then redis.call('PEXPIRE', KEYS[i], ms(left - by)) else redis.call('DEL', KEYS[i]) end
end
return { 'ok' }
`)}}, "pass.lua")

func (w *twin) pass(ctx context.Context, by int64) error {
	keys, sessions := w.device.Keys(), 0
	args := []any{by, 0}
	for name, id := range w.ids {
		if name[0] == 's' {
			keys, sessions = append(keys, store.SessionKey(id)), sessions+1
		}
		args = append(args, w.member(name))
	}
	args[1] = sessions
	_, err := w.store.Run(ctx, passScript, slices.AppendSeq(keys, maps.Keys(w.kept)), args...)
	w.passed += by
	return err
}

// member is the due member of a command or a session.
func (w *twin) member(name string) string {
	kind := map[byte]string{'c': "command", 's': "session"}[name[0]]
	return fmt.Sprintf("%s %s %s %s", kind, w.ids[name], w.device.ID, w.device.Tenant)
}

func TestTheTwinsClockIsOnlyEverAMinuteLate(t *testing.T) {
	t.Parallel()
	w := &twin{begun: 1_000_000}
	require.Equal(t, start, w.minute(w.begun+59_999))
	require.Equal(t, start+60_000, w.minute(w.begun+60_000))
}

// epoch is that of a login of the device that was made just now.
func (w *twin) epoch() (epoch string) {
	w.t.Helper()
	w.do(func(ctx context.Context, c store.Client) (err error) {
		epoch, err = c.HGet(ctx, w.device.RecordKey(), "epoch").Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	return epoch
}
