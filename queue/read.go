package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// maxPageBytes bounds what the results of one page of commands may weigh. The
// page ends early then, and its cursor goes on.
const maxPageBytes = 4 << 20

var errCommandNotFound = fieldgate.Refuse(fieldgate.CodeCommandNotFound, details[fieldgate.CodeCommandNotFound])

// Get reads a command of a session, with its result. Refusals:
// session_not_found, command_not_found.
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
	found, _, err := q.read(ctx, []place{{d, commandID}})
	if err != nil {
		return Command{}, err
	}
	if len(found) == 0 {
		return Command{}, errCommandNotFound
	}
	return found[0], nil
}

// List reads the commands of a session, the oldest first, with their results.
// The second answer is the cursor of the next page. Refusals:
// session_not_found, validation_failed for a cursor that is not ours.
func (q *Queue) List(ctx context.Context, tenant, sessionID string, page store.Page) ([]Command, string, error) {
	device, err := q.locate(ctx, tenant, sessionID)
	if err != nil {
		return nil, "", err
	}
	listing := store.Listing{Key: device.IndexKey(), Prefix: sessionID + ":"}
	return q.page(ctx, listing, page, func(member string) place { return place{device, member} })
}

// Pending reads the commands of all devices that wait for a person, the oldest
// first. The second answer is the cursor of the next page. Refusal:
// validation_failed for a cursor that is not ours.
func (q *Queue) Pending(ctx context.Context, tenant string, page store.Page) ([]Command, string, error) {
	listing := store.Listing{Key: store.Tenant(tenant).InboxKey()}
	found, next, err := q.page(ctx, listing, page, func(member string) place {
		id, device, _ := strings.Cut(member, " ")
		return place{store.Device{Tenant: tenant, ID: device}, id}
	})
	decided := func(c Command) bool { return c.Status != PendingApproval }
	return slices.DeleteFunc(found, decided), next, err
}

// place is where a command is to be found.
type place struct {
	device store.Device
	id     string
}

// page reads the commands that a page of an index names. It ends early where
// they weigh too much.
func (q *Queue) page(ctx context.Context, l store.Listing, page store.Page, at func(member string) place) ([]Command, string, error) {
	members, err := q.store.Members(ctx, l, page)
	if err != nil {
		return nil, "", fmt.Errorf("listing commands: %w", err)
	}
	var places []place
	for _, member := range members[:min(len(members), page.Limit)] {
		places = append(places, at(member))
	}
	found, read, err := q.read(ctx, places)
	if err != nil || read == len(members) || read == 0 {
		return found, "", err
	}
	return found, store.CursorAfter(members[read-1]), nil
}

// read gets commands until they weigh too much. It tells how many places it got
// through; those without a record are left out.
func (q *Queue) read(ctx context.Context, places []place) (found []Command, read int, err error) {
	for weight := 0; read < len(places) && weight < maxPageBytes; {
		some := places[read:min(read+10, len(places))]
		records, err := q.readSome(ctx, some)
		if err != nil {
			return nil, 0, fmt.Errorf("reading commands: %w", err)
		}
		for _, r := range records {
			weight += len(r.body) + len(r.result)
			c, err := r.decode()
			if err != nil {
				q.log.ErrorContext(ctx, "a command cannot be read", "command", r.id, "error", err)
				continue
			}
			found = append(found, c)
		}
		read += len(some)
	}
	return found, read, nil
}

// readSome gets the records of a few commands, all of one tenant, in one round
// trip. Nothing it asks for answers an error for being missing, so that an error
// is never taken for a missing command.
func (q *Queue) readSome(ctx context.Context, places []place) (records []record, err error) {
	commands := make([]*redis.SliceCmd, len(places))
	resultKeys := make([]string, len(places))
	var results *redis.SliceCmd
	err = q.store.Do(ctx, "read_commands", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, p := range places {
			commands[i] = pipe.HMGet(ctx, p.device.CommandsKey(), p.id, p.id+":body")
			resultKeys[i] = store.ResultKey(p.id)
		}
		results = pipe.MGet(ctx, resultKeys...)
		_, err := pipe.Exec(ctx)
		return withoutDamage(err, commands, results)
	})
	if err != nil {
		return nil, err
	}
	for i, p := range places {
		if err := commands[i].Err(); err != nil {
			q.log.ErrorContext(ctx, "a command cannot be read", "command", p.id, "error", err)
		}
		fields, result := store.Reply(commands[i].Val()), store.Reply(results.Val()).String(i)
		if fields.String(0) != "" {
			records = append(records, record{p.device.Tenant, p.device.ID, p.id, fields.String(0), fields.String(1), result})
		}
	}
	return records, nil
}

// withoutDamage gives the error of reading commands. That the records of one device
// are none is none: it keeps nobody from those of the others.
func withoutDamage(err error, commands []*redis.SliceCmd, results *redis.SliceCmd) error {
	const damaged = "WRONGTYPE"
	if !redis.HasErrorPrefix(err, damaged) {
		return err
	}
	for _, command := range append(commands, results) {
		if err := command.Err(); err != nil && !redis.HasErrorPrefix(err, damaged) {
			return err
		}
	}
	return nil
}

// Backlog tells how many commands a device could claim, and which of those that
// it has claimed should be cancelled.
func (q *Queue) Backlog(ctx context.Context, d store.Device) (ready int64, cancels []string, err error) {
	err = q.store.Do(ctx, "backlog", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		line, wanted := pipe.ZCard(ctx, d.ReadyKey()), pipe.SMembers(ctx, d.CancelsKey())
		_, err := pipe.Exec(ctx)
		ready, cancels = line.Val(), wanted.Val()
		return err
	})
	return ready, cancels, err
}
