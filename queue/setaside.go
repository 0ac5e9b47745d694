package queue

import (
	"context"

	"github.com/fieldgate/fieldgate/store"
)

// setAside moves a command to the quarantine whose record was changed in the store. It raises an
// alarm unless the command was there before. It reports whether the command is in the quarantine
// now. If it is not, nothing is lost: every claim and decision verifies the record again.
func (q *Queue) setAside(ctx context.Context, r record, s state, requestID string) bool {
	device := store.Device{Tenant: r.tenant, ID: r.deviceID}
	scope := store.NewScope(device, store.ActorSystem, requestID, q.cfg.Retention)
	reply, err := q.store.Run(context.WithoutCancel(ctx), setAsideScript, device.Keys(), scope.Args(r.id, r.state)...)
	if err != nil || reply.Int(3) == 0 {
		q.reportChanged(ctx, r, s, requestID)
	}
	if err != nil {
		q.log.ErrorContext(ctx, "setting a changed command aside failed", "command", r.id, "error", err)
		return false
	}
	return reply.String(2) != ""
}

// reportChanged raises the alarm that a record was changed in the store.
func (q *Queue) reportChanged(ctx context.Context, r record, s state, requestID string) {
	q.log.ErrorContext(ctx, "refused a command whose record was changed in the store",
		"tenant", r.tenant, "device", r.deviceID, "session", s.Session, "command", r.id, "requestId", requestID)
	q.store.ReportViolation(ctx, store.Violation{
		Invariant: ApprovedIsWhatRuns, Damage: "record differs from what was proposed or approved", ID: r.id, Device: r.deviceID,
	})
}
