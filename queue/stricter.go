package queue

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

var errDeniedByNow = fieldgate.Refuse(fieldgate.CodeCommandDenied,
	"The policy of this gateway denies commands of this type by now: reject the command.")

// CheckPolicy returns command_denied if the policy denies a type of command, so that a command that
// waits for a decision cannot be approved any more.
func (q *Queue) CheckPolicy(commandType string) error {
	if q.cfg.Policy.Mode(commandType) == Deny {
		return errDeniedByNow
	}
	return nil
}

// mayStillRun returns Auto if a command that was verified may run under the policy as it is now.
// The policy may have become stricter since the proposal: then mayStillRun returns Deny, or Review
// if the command was proposed without the approval that it would need now.
func (q *Queue) mayStillRun(s state, commandType string) Mode {
	mode := q.cfg.Policy.Mode(commandType)
	if mode == Review && s.Approval != nil {
		return Auto
	}
	return mode
}

// applyPolicy takes a claimed command back, under mode Deny to end it, and under mode Review to
// make it wait for an approval. It returns errTakenBack. If the store fails, the device does not get
// the command either: the command stays claimed until its lease ends, and a later claim judges it
// again.
func (q *Queue) applyPolicy(ctx context.Context, r record, s state, mode Mode, requestID string) error {
	device := store.Device{Tenant: r.tenant, ID: r.deviceID}
	scope := store.NewScope(device, store.ActorSystem, requestID, q.cfg.Retention)
	args := scope.Args(r.id, r.state, string(mode), q.key.mac(r.proposed(s, true)...), q.cfg.ApproveWithin.Milliseconds())
	if _, err := q.store.Run(context.WithoutCancel(ctx), applyPolicyScript, device.Keys(), args...); err != nil {
		return fmt.Errorf("taking back a command that the policy does not let run: %w", err)
	}
	q.log.WarnContext(ctx, "took back a command, because the policy has become stricter since it was proposed",
		"tenant", r.tenant, "device", r.deviceID, "session", s.Session, "command", r.id, "mode", string(mode), "requestId", requestID)
	return errTakenBack
}
