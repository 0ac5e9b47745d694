package queue

import (
	"context"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// ClaimRef identifies a claim on a command by the command's id and the claim token.
type ClaimRef struct {
	Device    store.Device
	CommandID string
	Token     string
	RequestID string
	Login     *store.LoginCheck // refuses the call if the device's login has ended; nil means that the login is not checked
}

// Extension describes the lease after Extend.
type Extension struct {
	VisibleUntil    time.Time
	Remaining       time.Duration // time until VisibleUntil, by the store's clock
	CancelRequested bool
}

// Extend moves the end of the lease to the current time plus extension, but to at most 12 h
// after the first claim that was not released. Refusals: command_not_found,
// invalid_claim_token, claim_superseded, claim_expired, command_finished.
func (q *Queue) Extend(ctx context.Context, ref ClaimRef, extension time.Duration) (Extension, error) {
	reply, s, err := q.runAsDevice(ctx, extendScript, ref, scriptCall{args: []any{extension.Milliseconds()}})
	if err != nil {
		return Extension{}, err
	}
	return Extension{
		VisibleUntil:    store.TimeOf(s.Visible),
		Remaining:       time.Duration(s.Visible-reply.Int(3)) * time.Millisecond,
		CancelRequested: s.Cancel,
	}, nil
}

// Release ends the claim and returns the command's status afterwards. A released claim does
// not count as an attempt. The command is queued again unless it was cancelled or has expired.
// The refusals are the same as those of Extend.
func (q *Queue) Release(ctx context.Context, ref ClaimRef, reason string) (Status, error) {
	_, s, err := q.runAsDevice(ctx, releaseScript, ref, scriptCall{args: []any{reason}})
	return s.Status, err
}

// scriptCall holds the KEYS and ARGV of a script that are not those of every call of a device.
type scriptCall struct {
	keys []string // follow the keys of the device and of its login
	args []any    // follow the scope and precede the arguments of the check of the login
	last []any    // follow the arguments of the check of the login
}

// runAsDevice runs a script on a claimed command, with the device as the actor. The script also
// checks the device's login. runAsDevice returns the reply, and the command's state from the reply.
func (q *Queue) runAsDevice(ctx context.Context, script *store.Script, ref ClaimRef, call scriptCall) (store.Reply, state, error) {
	if !store.OwnsID(ref.Device.Tenant, store.KindCommand, ref.CommandID) {
		return nil, state{}, errCommandNotFound
	}
	scope := store.NewScope(ref.Device, store.ActorDevice(ref.Device.ID), ref.RequestID, q.cfg.Retention)
	keys := slices.Concat(ref.Device.Keys(), ref.Login.Keys(ref.Device), call.keys)
	args := slices.Concat(scope.Args(ref.CommandID, hashToken(ref.Token)), call.args, ref.Login.Args(call.last...))
	reply, err := q.store.Run(ctx, script, keys, args...)
	ref.Login.Note(reply)
	if err != nil {
		return nil, state{}, err
	}
	if err := refused(reply, ref.CommandID); err != nil {
		return nil, state{}, err
	}
	s, err := decodeState(reply.String(2))
	return reply, s, err
}
