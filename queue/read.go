package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// maxPageBytes bounds the size of one page of commands, as the sum of their bodies and
// results. A page ends early when it reaches this size, and its cursor continues after
// its last command.
const maxPageBytes = 4 << 20

// readBatch is the number of commands that are read in one round trip.
const readBatch = 10

var errCommandNotFound = refusal.New(fieldgate.CodeCommandNotFound)

// Get reads a command of a session, with its result. Refusals: session_not_found,
// command_not_found.
func (q *Queue) Get(ctx context.Context, tenant, sessionID, commandID string) (Command, error) {
	device, err := q.locate(ctx, tenant, sessionID)
	if err != nil {
		return Command{}, err
	}
	c, err := q.GetOwn(ctx, device, commandID)
	if err == nil && c.SessionID != sessionID {
		return Command{}, errCommandNotFound
	}
	return c, err
}

// GetOwn reads a command of a device, with its result. Refusal: command_not_found.
func (q *Queue) GetOwn(ctx context.Context, d store.Device, commandID string) (Command, error) {
	if !store.OwnsID(d.Tenant, store.KindCommand, commandID) {
		return Command{}, errCommandNotFound
	}
	found, _, err := q.read(ctx, []commandKey{{d, commandID}})
	if err != nil {
		return Command{}, err
	}
	if len(found) == 0 {
		return Command{}, errCommandNotFound
	}
	return found[0], nil
}

// List reads a page of a session's commands, the oldest first, with their results. It
// also returns the cursor of the next page, which is empty after the last page. Refusals:
// session_not_found, and validation_failed for a cursor that the store did not issue.
func (q *Queue) List(ctx context.Context, tenant, sessionID string, page store.Page) ([]Command, string, error) {
	device, err := q.locate(ctx, tenant, sessionID)
	if err != nil {
		return nil, "", err
	}
	listing := store.Listing{Key: device.IndexKey(), Prefix: sessionID + ":"}
	return q.page(ctx, listing, page, func(member string) commandKey { return commandKey{device, member} })
}

// Pending reads a page of the tenant's commands that are pending approval, on all
// devices, the oldest first. It also returns the cursor of the next page, which is empty
// after the last page. Refusal: validation_failed for a cursor that the store did not
// issue.
func (q *Queue) Pending(ctx context.Context, tenant string, page store.Page) ([]Command, string, error) {
	listing := store.Listing{Key: store.Tenant(tenant).InboxKey()}
	found, next, err := q.page(ctx, listing, page, func(member string) commandKey {
		id, device, _ := strings.Cut(member, " ")
		return commandKey{store.Device{Tenant: tenant, ID: device}, id}
	})
	decided := func(c Command) bool { return c.Status != PendingApproval } // decided on after the page was listed
	return slices.DeleteFunc(found, decided), next, err
}

// commandKey identifies a command by its device and its id. The record's key contains the
// device.
type commandKey struct {
	device store.Device
	id     string
}

// page reads the commands on one page of an index. The function parse converts a member
// of the index to a commandKey.
func (q *Queue) page(ctx context.Context, l store.Listing, page store.Page, parse func(member string) commandKey) ([]Command, string, error) {
	members, err := q.store.Members(ctx, l, page)
	if err != nil {
		return nil, "", fmt.Errorf("listing commands: %w", err)
	}
	var keys []commandKey
	for _, member := range members[:min(len(members), page.Limit)] {
		keys = append(keys, parse(member))
	}
	found, read, err := q.read(ctx, keys)
	if err != nil || read == len(members) || read == 0 {
		return found, "", err
	}
	return found, store.CursorAfter(members[read-1]), nil
}

// read reads commands until their total size exceeds maxPageBytes. It also returns how
// many of the keys it has processed. It omits a command without a record and a command
// whose record cannot be decoded.
func (q *Queue) read(ctx context.Context, keys []commandKey) (found []Command, read int, err error) {
	for size := 0; read < len(keys) && size < maxPageBytes; {
		batch := keys[read:min(read+readBatch, len(keys))]
		records, err := q.readRecords(ctx, batch)
		if err != nil {
			return nil, 0, fmt.Errorf("reading commands: %w", err)
		}
		for _, r := range records {
			size += len(r.body) + len(r.result)
			c, err := r.decode()
			if err != nil {
				q.logSkipped(ctx, r.id, err)
				continue
			}
			found = append(found, c)
		}
		read += len(batch)
	}
	return found, read, nil
}

func (q *Queue) logSkipped(ctx context.Context, id string, err error) {
	q.log.ErrorContext(ctx, "skipped a command that cannot be read", "command", id, "error", err)
}

// readRecords reads the records of commands in one round trip. All commands belong to one
// tenant. A missing key is no error in the Redis commands that it uses, so an error never
// means that a command is missing.
func (q *Queue) readRecords(ctx context.Context, keys []commandKey) (records []record, err error) {
	commands := make([]*redis.SliceCmd, len(keys))
	resultKeys := make([]string, len(keys))
	var results *redis.SliceCmd
	err = q.store.Do(ctx, "read_commands", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, k := range keys {
			commands[i] = pipe.HMGet(ctx, k.device.CommandsKey(), k.id, k.id+":body")
			resultKeys[i] = store.ResultKey(k.id)
		}
		results = pipe.MGet(ctx, resultKeys...)
		_, err := pipe.Exec(ctx)
		return ignoreWrongType(err, commands, results)
	})
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		if err := commands[i].Err(); err != nil {
			q.logSkipped(ctx, k.id, err)
		}
		fields, result := store.Reply(commands[i].Val()), store.Reply(results.Val()).String(i)
		if fields.String(0) != "" {
			records = append(records, record{k.device.Tenant, k.device.ID, k.id, fields.String(0), fields.String(1), result})
		}
	}
	return records, nil
}

// ignoreWrongType returns err, the error of a pipeline that reads commands. It returns
// nil if all errors of the pipeline are WRONGTYPE: a damaged device is skipped so that it
// does not hide the others.
func ignoreWrongType(err error, commands []*redis.SliceCmd, results *redis.SliceCmd) error {
	const wrongType = "WRONGTYPE"
	if !redis.HasErrorPrefix(err, wrongType) {
		return err
	}
	for _, command := range append(commands, results) {
		if err := command.Err(); err != nil && !redis.HasErrorPrefix(err, wrongType) {
			return err
		}
	}
	return nil
}

// Backlog returns the number of commands that a device could claim, and the ids of its
// claimed commands that a user asked to cancel.
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
