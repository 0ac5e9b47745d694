package queue

import (
	"context"
	"strings"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// Settle brings commands whose moment has come to what time has made of them:
// it is the sweeper's part of the queue. Where a batch fails because of one of
// its commands, that one is set aside and the others are settled.
func (q *Queue) Settle(ctx context.Context, due []store.Due) error {
	err := q.settle(ctx, due)
	if err == nil || passing(ctx, err) {
		return err
	}
	for _, one := range due {
		if err := q.settleAlone(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) settleAlone(ctx context.Context, one store.Due) error {
	err := q.settle(ctx, []store.Due{one})
	if err == nil || passing(ctx, err) {
		return err
	}
	q.metrics.quarantined.Inc()
	q.log.ErrorContext(ctx, "a command cannot be settled and is set aside", "command", one.ID, "error", err)
	return q.store.SetAside(ctx, one)
}

// passing tells an outage, or the end of the sweeper, from a command that cannot
// be settled.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable
}

func (q *Queue) settle(ctx context.Context, due []store.Due) error {
	var keys []string
	var args []any
	for _, one := range due {
		keys = append(keys, one.Device.Keys()...)
		args = append(args, q.scope(one.Device, store.ActorSystem, "").Args(one.ID)...)
	}
	reply, err := q.store.Run(ctx, settleScript, keys, args...)
	if err != nil {
		return err
	}
	q.setAside(ctx, reply.String(2))
	for id := range strings.FieldsSeq(reply.String(3)) {
		q.store.Violated(ctx, store.Violation{Invariant: string(model.NothingLost), Damage: "record of what is due is gone", ID: id})
	}
	return nil
}
