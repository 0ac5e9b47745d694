package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// ClaimRef is a device's claim on a command, as the device tells it.
type ClaimRef struct {
	Device    store.Device
	CommandID string
	Token     string
	RequestID string
}

// Extension is what a lease has become.
type Extension struct {
	VisibleUntil    time.Time
	Remaining       time.Duration // until VisibleUntil, by the store's clock
	CancelRequested bool
}

// Extend makes the lease last for a time from now, at most until 12 h after the
// first claim. Refusals: command_not_found, invalid_claim_token,
// claim_superseded, claim_expired, command_finished.
func (q *Queue) Extend(ctx context.Context, h ClaimRef, by time.Duration) (Extension, error) {
	reply, s, err := q.write(ctx, extendScript, h, h.Device.Keys(), by.Milliseconds())
	if err != nil {
		return Extension{}, err
	}
	return Extension{
		VisibleUntil:    moment(s.Visible),
		Remaining:       time.Duration(s.Visible-reply.Int(3)) * time.Millisecond,
		CancelRequested: s.Cancel,
	}, nil
}

// Release gives the command back; the attempt does not count. Refusals as those
// of Extend.
func (q *Queue) Release(ctx context.Context, h ClaimRef, reason string) (Status, error) {
	_, s, err := q.write(ctx, releaseScript, h, h.Device.Keys(), reason)
	return s.Status, err
}

// RecordedResult is what the queue made of a result.
type RecordedResult struct {
	Status    Status
	Late      bool // the lease had ended
	Duplicate bool // the same result was there already
}

// SubmitResult records what became of the command: Succeeded, Failed or Cancelled.
// The same result may be sent again. Refusals: command_not_found,
// invalid_claim_token, claim_superseded, command_finished. Any other status is a
// mistake of the caller.
func (q *Queue) SubmitResult(ctx context.Context, h ClaimRef, status Status, r Result) (RecordedResult, error) {
	if status != Succeeded && status != Failed && status != Cancelled {
		return RecordedResult{}, fmt.Errorf("a device cannot report %q", status)
	}
	content, err := json.Marshal(r)
	if err != nil {
		return RecordedResult{}, fmt.Errorf("writing a result: %w", err)
	}
	mark, err := fingerprint(string(status), string(content))
	if err != nil {
		return RecordedResult{}, err
	}
	keys := append(h.Device.Keys(), store.ResultKey(h.CommandID))
	reply, s, err := q.write(ctx, resultScript, h, keys, string(status), mark, content)
	if err != nil {
		return RecordedResult{}, err
	}
	return RecordedResult{Status: s.Status, Late: s.Late, Duplicate: reply.Int(3) == 1}, nil
}

// write makes a device's transition of a command that it holds.
func (q *Queue) write(ctx context.Context, script *store.Script, h ClaimRef, keys []string, args ...any) (store.Reply, state, error) {
	if !store.OwnsID(h.Device.Tenant, store.KindCommand, h.CommandID) {
		return nil, state{}, errCommandNotFound
	}
	scope := q.scope(h.Device, store.ActorDevice(h.Device.ID), h.RequestID)
	reply, err := q.store.Run(ctx, script, keys, scope.Args(append([]any{h.CommandID, hashToken(h.Token)}, args...)...)...)
	if err != nil {
		return nil, state{}, err
	}
	if !reply.OK() {
		return nil, state{}, refusal(reply, h.CommandID)
	}
	s, err := decodeState(reply.String(2))
	return reply, s, err
}
