package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// These are limits of one page of commands. A page that would exceed maxPageBytes ends early,
// and its cursor continues after its last command.
const (
	maxPageBytes        = 512 << 10 // maximum total size of the records of a page, in bytes; the first record may exceed it
	maxListedParameters = 4 << 10   // maximum size of the parameters of a command in a list, in bytes; lists omit larger parameters
	listBatch           = 50        // number of commands that one round trip reads
)

// Order is the order of the commands of a session in a list. The zero value is that of the cursor, or
// OldestFirst without a cursor.
type Order string

// These are the orders of commands, by the time of their proposals.
const (
	OldestFirst Order = "oldest"
	NewestFirst Order = "newest"
)

// newestCursor begins the cursors of lists with the newest commands first. It is not a part of a
// cursor of the store.
const newestCursor = "newest."

// resolve returns the order of a page, and the cursor of the store for it. The error is
// store.ErrCursor if the cursor belongs to a list in another order.
func (o Order) resolve(cursor string) (newest bool, inStore string, err error) {
	inStore, newest = strings.CutPrefix(cursor, newestCursor)
	switch {
	case cursor == "":
		return o == NewestFirst, "", nil
	case o != "" && newest != (o == NewestFirst):
		return false, "", store.ErrCursor
	}
	return newest, inStore, nil
}

// List reads a page of the commands of a session without results and large parameters. It also
// returns the cursor of the next page, which is empty on the last page. Refusals: session_not_found,
// and validation_failed for a cursor that List did not return for this order.
func (q *Queue) List(ctx context.Context, tenant, sessionID string, order Order, page store.Page) (found []Command, next string, err error) {
	newest, cursor, err := order.resolve(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	at, err := q.locate(ctx, tenant, sessionID)
	if err != nil {
		return nil, "", err
	}
	page.Cursor = cursor
	listing := store.Listing{Key: at.IndexKey(), Prefix: sessionID + ":", Newest: newest}
	found, next, err = q.page(ctx, listing, page, func(member string) commandKey { return commandKey{at.Device, member} })
	if newest && next != "" {
		next = newestCursor + next
	}
	return found, next, err
}

// Pending reads a page of the tenant's commands that are pending approval, on any device, the
// oldest first, without results and large parameters. It also returns the cursor of the next
// page, which is empty on the last page. Refusal: validation_failed for a cursor that the
// store did not issue.
func (q *Queue) Pending(ctx context.Context, tenant string, page store.Page) ([]Command, string, error) {
	found, next, err := q.inbox(ctx, tenant, page)
	decided := func(c Command) bool { return c.Status != PendingApproval } // a user may decide after the inbox was read and before the commands are read
	return slices.DeleteFunc(found, decided), next, err
}

// Unreviewed is like Pending, for the commands that an admin has approved alone and that no other user has
// reviewed yet. They are in the same index, so a page may have no command and still a cursor.
func (q *Queue) Unreviewed(ctx context.Context, tenant string, page store.Page) ([]Command, string, error) {
	found, next, err := q.inbox(ctx, tenant, page)
	reviewed := func(c Command) bool { return c.BreakGlass == nil || c.BreakGlass.Review != nil }
	return slices.DeleteFunc(found, reviewed), next, err
}

// inbox reads a page of the commands that wait for a decision or for the review of one.
func (q *Queue) inbox(ctx context.Context, tenant string, page store.Page) ([]Command, string, error) {
	listing := store.Listing{Key: store.Tenant(tenant).InboxKey()}
	return q.page(ctx, listing, page, func(member string) commandKey {
		id, device, _ := strings.Cut(member, " ")
		return commandKey{store.Device{Tenant: tenant, ID: device}, id}
	})
}

// commandKey identifies a command by its device and its id.
type commandKey struct {
	device store.Device
	id     string
}

// page reads the commands of one page of an index. The function parse converts a member of the
// index to a commandKey.
func (q *Queue) page(ctx context.Context, l store.Listing, page store.Page, parse func(member string) commandKey) ([]Command, string, error) {
	members, err := q.store.Members(ctx, l, page)
	if err != nil {
		return nil, "", fmt.Errorf("listing commands: %w", err)
	}
	var keys []commandKey
	for _, member := range members[:min(len(members), page.Limit)] {
		keys = append(keys, parse(member))
	}
	found, read, err := q.readListed(ctx, keys)
	if err != nil || read == len(members) || read == 0 {
		return found, "", err
	}
	return found, store.CursorAfter(members[read-1]), nil
}

// readListed reads commands for a list. It stops before the command with which the page would
// exceed maxPageBytes, and does not read the body of that command. It omits commands without a
// record, and commands whose record cannot be decoded. The result read is the number of keys
// that it has processed.
func (q *Queue) readListed(ctx context.Context, keys []commandKey) (found []Command, read int, err error) {
	for size := 0; read < len(keys); {
		batch := keys[read:min(read+listBatch, len(keys))]
		entries, err := q.readEntries(ctx, batch)
		if err != nil {
			return nil, 0, fmt.Errorf("reading commands: %w", err)
		}
		entries, size = fitting(entries, size)
		if err := q.readBodies(ctx, entries); err != nil {
			return nil, 0, fmt.Errorf("reading commands: %w", err)
		}
		found = append(found, q.decodeListed(ctx, entries)...)
		if read += len(entries); len(entries) < len(batch) {
			break
		}
	}
	return found, read, nil
}

// entry is the record of one command of a list. Its state is empty if the command does not
// exist. Its body is empty until readBodies has read it.
type entry struct {
	record
	bodySize int
}

// fitting returns the first entries that still fit into a page, and the size of the page with
// those entries. The argument size is the size of the page without them. Sizes are in bytes. The
// first entry of a page always fits.
func fitting(entries []entry, size int) ([]entry, int) {
	for i, e := range entries {
		next := size + len(e.state) + max(len(e.body), e.bodySize)
		if size > 0 && next > maxPageBytes {
			return entries[:i], size
		}
		size = next
	}
	return entries, size
}

func (q *Queue) decodeListed(ctx context.Context, entries []entry) (found []Command) {
	for _, e := range entries {
		if e.state == "" {
			continue
		}
		c, err := q.listed(e.record)
		if err != nil {
			q.logSkipped(ctx, e.id, err)
			continue
		}
		found = append(found, c)
	}
	return found
}

// readEntries reads the states of commands. It also reads the heads of their bodies, or the
// sizes of bodies without a head. It uses only Redis commands that do not fail for a missing
// key, so an error never means that a command is missing.
func (q *Queue) readEntries(ctx context.Context, keys []commandKey) ([]entry, error) {
	fields := make([]*redis.SliceCmd, len(keys))
	sizes := make([]*redis.IntCmd, len(keys))
	err := q.pipelined(ctx, "read_commands", func(ctx context.Context, pipe redis.Pipeliner) {
		for i, k := range keys {
			fields[i] = pipe.HMGet(ctx, k.device.CommandsKey(), k.id, k.id+":head", k.id+":aside")
			sizes[i] = pipe.HStrLen(ctx, k.device.CommandsKey(), k.id+":body")
		}
	})
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(keys))
	for i, k := range keys {
		if err := fields[i].Err(); err != nil {
			q.logSkipped(ctx, k.id, err)
		}
		values := store.Reply(fields[i].Val())
		entries[i].record = record{
			tenant: k.device.Tenant, deviceID: k.device.ID, id: k.id, state: values.String(0), body: values.String(1), aside: values.String(2),
		}
		if entries[i].state != "" && entries[i].body == "" {
			entries[i].bodySize = int(sizes[i].Val())
		}
	}
	return entries, nil
}

// readBodies reads the bodies of the entries that have no head.
func (q *Queue) readBodies(ctx context.Context, entries []entry) error {
	if !slices.ContainsFunc(entries, func(e entry) bool { return e.bodySize > 0 }) {
		return nil
	}
	bodies := make([]*redis.SliceCmd, len(entries))
	err := q.pipelined(ctx, "read_bodies", func(ctx context.Context, pipe redis.Pipeliner) {
		for i, e := range entries {
			if e.bodySize > 0 {
				device := store.Device{Tenant: e.tenant, ID: e.deviceID}
				bodies[i] = pipe.HMGet(ctx, device.CommandsKey(), e.id+":body")
			}
		}
	})
	for i, body := range bodies {
		if body != nil {
			entries[i].body = store.Reply(body.Val()).String(0)
		}
	}
	return err
}

// pipelined runs a pipeline that reads commands, in one round trip. It ignores values of
// the wrong type, so that a damaged device does not hide the others.
func (q *Queue) pipelined(ctx context.Context, name string, fill func(context.Context, redis.Pipeliner)) error {
	return q.store.Do(ctx, name, func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		fill(ctx, pipe)
		return store.ExecReads(ctx, pipe, store.WrongType)
	})
}

func (q *Queue) logSkipped(ctx context.Context, id string, err error) {
	q.log.ErrorContext(ctx, "skipped a command that cannot be read", "command", id, "error", err)
}
