package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// These errors say why a command stays in the quarantine, besides those of package store.
var (
	errUnreadable = errors.New("the record of the command cannot be read or lacks a part: repair it, or drop the entry")
	errNoRecord   = errors.New("the command has no record any more: drop the entry")
)

// Restore moves a command from the quarantine back to the structures of its status. The deadlines
// of the command that have passed meanwhile apply at once. A dry run changes nothing and returns
// the same error. Errors: store.ErrNotQuarantined, store.ErrScheduled, and errors for a record
// that is unreadable or gone.
func (q *Queue) Restore(ctx context.Context, due store.Due, dryRun bool) error {
	scope := store.NewScope(due.Device, store.ActorSystem, "", q.cfg.Retention)
	reply, err := q.store.Run(ctx, restoreScript, due.Device.Keys(), scope.Args(due.ID, dryRun)...)
	if err != nil {
		return fmt.Errorf("restoring a command: %w", err)
	}
	switch outcome := reply.String(2); outcome {
	case "unreadable":
		return errUnreadable
	case "lost":
		return errNoRecord
	default:
		return store.RestoreError(outcome)
	}
}

// Raw is the record of a command as it is stored, apart from its format, for an operator who has
// to find out why it cannot be read.
type Raw struct {
	State         string    // JSON, also of a packed state, if the record is intact
	Body          string    // JSON, if the record is intact
	QuarantinedAt time.Time // zero if the command is not in the quarantine
}

// ReadRaw reads the record of a command without decoding it. The fields of a record that is gone
// are empty.
func (q *Queue) ReadRaw(ctx context.Context, d store.Device, id string) (Raw, error) {
	var fields store.Reply
	err := q.store.Do(ctx, "read_raw_command", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HMGet(ctx, d.CommandsKey(), id, id+":body", id+":aside").Result()
		return err
	})
	if err != nil {
		return Raw{}, fmt.Errorf("reading the record of a command: %w", err)
	}
	return Raw{State: unpackedState(fields.String(0)), Body: fields.String(1), QuarantinedAt: store.ParseTime(fields.String(2))}, nil
}
