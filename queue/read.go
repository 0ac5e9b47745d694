package queue

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

var errCommandNotFound = refusal.New(fieldgate.CodeCommandNotFound)

// Get reads a command of a session, with its result. Refusals: session_not_found,
// command_not_found.
func (q *Queue) Get(ctx context.Context, tenant, sessionID, commandID string) (Command, error) {
	_, c, err := q.getRecord(ctx, tenant, sessionID, commandID)
	return c, err
}

// getRecord does the same as Get. It also returns the record.
func (q *Queue) getRecord(ctx context.Context, tenant, sessionID, commandID string) (r record, c Command, err error) {
	err = q.readAtDevice(ctx, tenant, sessionID, func(d store.Device) (err error) {
		r, c, err = q.getRecordOf(ctx, d, sessionID, commandID)
		return err
	})
	return r, c, err
}

// readAtDevice calls read with the device of a session, to read a command of that session. If read
// does not find the command at the device that this instance remembers, readAtDevice calls it again
// with the device that the session's record names. It returns the error of read, or
// session_not_found.
func (q *Queue) readAtDevice(ctx context.Context, tenant, sessionID string, read func(d store.Device) error) error {
	if at, found := q.recall(tenant, sessionID); found {
		if err := read(at.Device); fieldgate.CodeOf(err) != fieldgate.CodeCommandNotFound {
			return err
		}
	}
	at, err := q.locate(ctx, tenant, sessionID)
	if err != nil {
		return err
	}
	return read(at.Device)
}

// getRecordOf reads a command of a session of the device, with its result and its record.
func (q *Queue) getRecordOf(ctx context.Context, device store.Device, sessionID, commandID string) (record, Command, error) {
	r, c, err := q.getOwnRecord(ctx, device, commandID)
	if err == nil && c.SessionID != sessionID {
		return record{}, Command{}, errCommandNotFound
	}
	return r, c, err
}

// GetOwn reads a command of a device, with its result. Refusal: command_not_found.
func (q *Queue) GetOwn(ctx context.Context, d store.Device, commandID string) (Command, error) {
	_, c, err := q.getOwnRecord(ctx, d, commandID)
	return c, err
}

// getOwnRecord does the same as GetOwn. It also returns the record.
func (q *Queue) getOwnRecord(ctx context.Context, d store.Device, commandID string) (record, Command, error) {
	if !store.OwnsID(d.Tenant, store.KindCommand, commandID) {
		return record{}, Command{}, errCommandNotFound
	}
	r, err := q.readWhole(ctx, d, commandID)
	if err != nil {
		return record{}, Command{}, fmt.Errorf("reading a command: %w", err)
	}
	if r.state == "" {
		return record{}, Command{}, errCommandNotFound
	}
	c, err := q.decode(r)
	if err != nil {
		q.logSkipped(ctx, r.id, err)
		return record{}, Command{}, errCommandNotFound
	}
	return r, c, nil
}

// readWhole reads the record of a command in one round trip. The state in the record is empty
// if the command does not exist, or if the device's commands are not stored in a hash.
func (q *Queue) readWhole(ctx context.Context, d store.Device, id string) (record, error) {
	r := record{tenant: d.Tenant, deviceID: d.ID, id: id}
	err := q.store.Do(ctx, "read_command", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		command, earlier := pipe.HMGet(ctx, d.CommandsKey(), id, id+":body", id+":result", id+":conflict", id+":aside"), pipe.Get(ctx, store.ResultKey(id))
		err := store.ExecReads(ctx, pipe, store.WrongType)
		fields := store.Reply(command.Val())
		r.state, r.body, r.result = fields.String(0), fields.String(1), cmp.Or(fields.String(2), earlier.Val())
		r.other, r.aside = fields.String(3), fields.String(4)
		return err
	})
	return r, err
}

// Backlog returns the number of ready commands of a device, and the ids of its claimed
// commands that a user asked to cancel.
func (q *Queue) Backlog(ctx context.Context, d store.Device) (ready int64, cancels []string, err error) {
	err = q.store.Do(ctx, "backlog", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		readyCount, cancelIDs := pipe.ZCard(ctx, d.ReadyKey()), pipe.SMembers(ctx, d.CancelsKey())
		_, err := pipe.Exec(ctx)
		ready, cancels = readyCount.Val(), cancelIDs.Val()
		return err
	})
	return ready, cancels, err
}
