package queue

import (
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
)

var errDeniedByNow = fieldgate.Refuse(fieldgate.CodeCommandDenied,
	"The policy denies this command by now: reject it.")

// mayStillRun returns Auto if a command that was verified may run under the policy as it is now.
// The policy may have become stricter since the proposal: then mayStillRun returns Deny, or Review
// if the command has not the approvals that it would need now.
func mayStillRun(s state, by judgement) Mode {
	if by.mode() == Review && s.meets(by.Needs) {
		return Auto
	}
	return by.mode()
}

// applyPolicy takes a claimed command back, under mode Deny to end it, and under mode Review to
// make it wait for the approvals that needs has. The votes that meet needs stay. It returns errTakenBack.
// If the store fails, the device does not get the command either: the command stays claimed until its
// lease ends, and a later claim judges it again.
func (q *Queue) applyPolicy(ctx context.Context, r record, s state, mode Mode, needs policy.Requirement, requestID string) error {
	device := store.Device{Tenant: r.tenant, ID: r.deviceID}
	scope := store.NewScope(device, store.ActorSystem, requestID, q.cfg.Retention)
	s.Required = max(s.requires(), needs.Votes())
	args := scope.Args(r.id, r.state, string(mode), q.key.MAC(r.proposed(s, true)...), q.approveWithin(needs).Milliseconds(), s.Required)
	args = append(args, s.votersWithout(needs)...)
	if _, err := q.store.Run(context.WithoutCancel(ctx), applyPolicyScript, device.Keys(), args...); err != nil {
		return fmt.Errorf("taking back a command that the policy does not let run: %w", err)
	}
	q.log.WarnContext(ctx, "took back a command, because the policy has become stricter since it was proposed",
		"tenant", r.tenant, "device", r.deviceID, "session", s.Session, "command", r.id, "mode", string(mode), "requestId", requestID)
	return errTakenBack
}
