package queue

import (
	"context"
	"strings"

	"github.com/fieldgate/fieldgate/store"
)

// Settle applies the deadlines of due commands. It ends expired leases, expires commands whose
// deadline has passed, and deletes commands whose retention has ended. The store's sweeper
// calls it. If one command makes the batch fail, Settle quarantines that command and settles
// the others one by one.
func (q *Queue) Settle(ctx context.Context, due []store.Due) error {
	err := q.settle(ctx, due)
	if err == nil || store.IsTransient(ctx, err) {
		return err
	}
	for _, d := range due {
		if err := q.settleOne(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// settleOne settles one command. It quarantines the command if settling fails with a permanent
// error.
func (q *Queue) settleOne(ctx context.Context, due store.Due) error {
	err := q.settle(ctx, []store.Due{due})
	if err == nil || store.IsTransient(ctx, err) {
		return err
	}
	q.metrics.quarantined.Inc()
	q.log.ErrorContext(ctx, "quarantined a command that cannot be settled", "command", due.ID, "error", err)
	return q.store.Quarantine(ctx, due)
}

func (q *Queue) settle(ctx context.Context, due []store.Due) error {
	var keys []string
	var args []any
	for _, d := range due {
		keys = append(append(keys, d.Device.Keys()...), store.Tenant(d.Device.Tenant).CommandsKey())
		args = append(args, store.NewScope(d.Device, store.ActorSystem, "", q.cfg.Retention).Args(d.ID)...)
	}
	reply, err := q.store.Run(ctx, settleScript, keys, args...)
	if err != nil {
		return err
	}
	q.noteQuarantined(ctx, reply.String(2))
	for id := range strings.FieldsSeq(reply.String(3)) {
		q.store.ReportViolation(ctx, store.Violation{Invariant: store.NothingLost, Damage: "due command has no record", ID: id})
	}
	return nil
}
