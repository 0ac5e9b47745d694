package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// These are the batch sizes of the reconciler.
const (
	reconcileBatch = 50  // maximum number of commands that one script checks
	scanBatch      = 200 // maximum number of fields or index entries that one round trip reads
)

// Reconcile compares every command of a device with the indexes that should contain the
// command, and repairs the differences. Differences come from a restored backup, a change
// of the database by hand or a bug. Each one is reported to the store as a violation of
// an invariant.
//
// Several instances may reconcile a device at the same time, while other calls run. Reconcile
// only selects the commands. The script checks each command again and repairs it atomically.
//
// Reconcile runs one script for each 50 commands and about one read for each 200.
func (q *Queue) Reconcile(ctx context.Context, d store.Device) (Reconciled, error) {
	return q.inBatches(ctx, d, func(entries []string) error { return q.reconcile(ctx, d, entries) })
}

// inBatches calls reconcile with all commands of a device, batch by batch.
func (q *Queue) inBatches(ctx context.Context, d store.Device, reconcile func(entries []string) error) (Reconciled, error) {
	entries, bytes, err := q.findCommands(ctx, d)
	if err != nil {
		return Reconciled{}, fmt.Errorf("reading the commands of a device: %w", err)
	}
	done := Reconciled{Count: len(entries), Bytes: bytes}
	for batch := range slices.Chunk(entries, reconcileBatch) {
		if err := reconcile(batch); err != nil {
			return done, fmt.Errorf("reconciling commands: %w", err)
		}
	}
	return done, nil
}

// Reconciled describes the commands that Reconcile has checked, including finished ones.
type Reconciled struct {
	Count int
	Bytes int64 // what they count towards the stored bytes of their tenant
}

// reconcile repairs what compare finds, and reports it to the store.
func (q *Queue) reconcile(ctx context.Context, d store.Device, entries []string) error {
	quarantined, found, err := q.compare(ctx, reconcileScript, d, entries)
	if err != nil {
		return err
	}
	q.noteQuarantined(ctx, quarantined)
	for _, v := range found {
		q.store.ReportViolation(ctx, v)
	}
	return nil
}

// compare runs reconcile.lua, or the check of the same script, on entries. An entry has the form
// "<session>:<command>" or ":<command>". It returns the violations and the ids of the commands
// that the script has quarantined.
func (q *Queue) compare(ctx context.Context, script *store.Script, d store.Device, entries []string) (quarantined string, found []store.Violation, err error) {
	args := []any{q.store.KeepsLonger()}
	for _, entry := range entries {
		args = append(args, entry)
	}
	reply, err := q.store.Run(ctx, script, append(d.Keys(), store.Tenant(d.Tenant).CommandsKey()), store.NewScope(d, store.ActorSystem, "", q.cfg.Retention).Args(args...)...)
	if err != nil {
		return "", nil, err
	}
	repairs := reply.List(3)
	for i := range repairs {
		r := repairs.List(i)
		found = append(found, violation(d.ID, r.String(0), r.String(1), r.String(2), r.String(3)))
	}
	return reply.String(2), found, nil
}

// violation describes one repair by reconcile.lua. The argument damage is "missing", "left" (a
// superfluous entry) or "misplaced", and index names the index with this damage. The arguments
// status and id belong to the command.
func violation(device, damage, index, status, id string) store.Violation {
	return store.Violation{
		Invariant: violatedBy(damage, index, Status(status)),
		Damage:    strings.TrimSpace(damage + " " + index + " " + status), ID: id, Device: device,
	}
}

// violatedBy returns the invariant that a damaged entry of an index violates.
func violatedBy(damage, index string, status Status) store.Invariant {
	left, inReady := damage == "left", index == "ready"
	switch {
	case index == "sequence", damage == "misplaced" && (inReady || index == "pending"):
		return FIFOWithinPriority
	case damage == "misplaced", damage == "missing" && index == "due":
		return store.NothingForgotten
	case damage == "missing" && index == "cancels":
		return CancelIsHeard
	case damage == "missing" && index == "approval", left && inReady && status == PendingApproval:
		return NoUnapprovedClaim
	case left && inReady && status == Claimed:
		return NoDoubleLease
	case left && status != "" && status.Final():
		return FinishedIsFinal
	}
	return store.NothingLost
}

// ReconcileInbox checks the commands in a tenant's approval inbox. It removes the entry
// of each command that is not pending approval.
func (q *Queue) ReconcileInbox(ctx context.Context, tenant string) error {
	return q.eachInInbox(ctx, tenant, func(d store.Device, entry string) error {
		return q.reconcile(ctx, d, []string{entry})
	})
}

// staleBatch is the maximum number of entries of a tenant's index of commands that one call of
// ReconcileListed checks.
const staleBatch = 1000

// ReconcileListed removes entries without a command from a tenant's index of commands. An earlier
// release leaves them, because it deletes a command without its entry. Commands are deleted in the
// order of their age, more or less, so only the oldest entries are checked. The entries that commands
// lack are added with their devices: see Reconcile.
func (q *Queue) ReconcileListed(ctx context.Context, tenant string) error {
	var oldest []string
	err := q.store.Do(ctx, "read_oldest_commands", func(ctx context.Context, c store.Client) (err error) {
		oldest, err = c.ZRange(ctx, store.Tenant(tenant).CommandsKey(), 0, staleBatch-1).Result()
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the oldest commands of a tenant: %w", err)
	}
	for members := range slices.Chunk(oldest, scanBatch) {
		stale, err := q.staleAmong(ctx, tenant, members)
		if err != nil {
			return err
		}
		for _, k := range stale {
			if err := q.reconcile(ctx, k.device, []string{":" + k.id}); err != nil {
				return fmt.Errorf("removing a stale entry from the index of commands: %w", err)
			}
		}
	}
	return nil
}

// staleAmong returns the commands without a record among some members of a tenant's index of commands.
func (q *Queue) staleAmong(ctx context.Context, tenant string, members []string) (stale []commandKey, err error) {
	keys := listedKeys(tenant, members)
	found := make([]*redis.BoolCmd, len(keys))
	err = q.pipelined(ctx, "find_stale_commands", func(ctx context.Context, pipe redis.Pipeliner) {
		for i, k := range keys {
			found[i] = pipe.HExists(ctx, k.device.CommandsKey(), k.id)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("looking for commands without a record: %w", err)
	}
	for i, k := range keys {
		if found[i].Err() == nil && !found[i].Val() {
			stale = append(stale, k)
		}
	}
	return stale, nil
}

// listedKeys returns the commands that members of a tenant's index of commands stand for.
func listedKeys(tenant string, members []string) (keys []commandKey) {
	for _, member := range members {
		if d, id, ok := store.Tenant(tenant).ParseListed(member); ok {
			keys = append(keys, commandKey{d, id})
		}
	}
	return keys
}

// eachInInbox calls f for each entry of a tenant's approval inbox, with the device and an entry
// for compare. It ignores an entry that does not name a device of the tenant.
func (q *Queue) eachInInbox(ctx context.Context, tenant string, f func(d store.Device, entry string) error) error {
	listing := store.Listing{Key: store.Tenant(tenant).InboxKey()}
	for page := (store.Page{Limit: scanBatch}); ; {
		members, err := q.store.Members(ctx, listing, page)
		if err != nil {
			return fmt.Errorf("listing the approval inbox: %w", err)
		}
		for _, member := range members[:min(len(members), page.Limit)] {
			id, device, _ := strings.Cut(member, " ")
			if !store.OwnsID(tenant, store.KindDevice, device) {
				continue
			}
			if err := f(store.Device{Tenant: tenant, ID: device}, ":"+id); err != nil {
				return err
			}
		}
		if len(members) <= page.Limit {
			return nil
		}
		page.Cursor = store.CursorAfter(members[page.Limit-1])
	}
}

// findCommands returns an entry for reconcile.lua for each command of the device. It
// looks in the device's indexes, in the records and in the session index. It also returns
// what the records count towards the stored bytes.
func (q *Queue) findCommands(ctx context.Context, d store.Device) (entries []string, bytes int64, err error) {
	found := map[string]bool{}
	if err := q.addUnfinished(ctx, d, found); err != nil {
		return nil, 0, err
	}
	if bytes, err = q.addRecords(ctx, d, found); err != nil {
		return nil, 0, err
	}
	err = q.addIndexed(ctx, d, found)
	return sortedEntries(found), bytes, err
}

// sortedEntries returns the entries in sorted order. It omits ":<command>" if
// "<session>:<command>" exists for the same command.
func sortedEntries(found map[string]bool) (entries []string) {
	for entry := range found {
		if session, id, _ := strings.Cut(entry, ":"); session != "" {
			delete(found, ":"+id)
		}
	}
	for entry := range found {
		entries = append(entries, entry)
	}
	slices.Sort(entries)
	return entries
}

// addUnfinished adds to the map found an entry for each command in the indexes of unfinished
// commands. It reads each index as a whole, because most of these indexes have a maximum size,
// and all of them in one round trip.
func (q *Queue) addUnfinished(ctx context.Context, d store.Device, found map[string]bool) error {
	return q.store.Do(ctx, "reconcile_alive", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		var indexes []*redis.StringSliceCmd
		for _, key := range d.AliveKeys() {
			indexes = append(indexes, pipe.ZRange(ctx, key, 0, -1))
		}
		indexes = append(indexes, pipe.SMembers(ctx, d.CancelsKey()))
		_, err := pipe.Exec(ctx)
		for _, ids := range indexes {
			addIDs(found, ids.Val())
		}
		return err
	})
}

func addIDs(found map[string]bool, ids []string) {
	for _, id := range ids {
		found[":"+id] = true
	}
}

// addRecords adds the commands that have a record, and returns what the records count.
func (q *Queue) addRecords(ctx context.Context, d store.Device, found map[string]bool) (bytes int64, err error) {
	err = q.eachState(ctx, d, func(id, state string) {
		found[":"+id] = true
		bytes += countedBytes(state)
	})
	return bytes, err
}

// eachState calls f once for each command of a device that has a record, with its stored state.
// It reads the records in batches, of which several may have the same record.
func (q *Queue) eachState(ctx context.Context, d store.Device, f func(id, state string)) error {
	seen := map[string]bool{}
	for cursor := uint64(0); ; {
		var pairs []string
		err := q.store.Do(ctx, "reconcile_records", func(ctx context.Context, c store.Client) (err error) {
			pairs, cursor, err = c.HScan(ctx, d.CommandsKey(), cursor, store.StateFields, scanBatch).Result()
			return err
		})
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if !seen[pairs[i]] {
				f(pairs[i], pairs[i+1])
			}
			seen[pairs[i]] = true
		}
		if cursor == 0 {
			return nil
		}
	}
}

// countedBytes returns what a command counts, by its stored state. It returns zero for a
// state that cannot be decoded, and for one that an earlier version wrote.
func countedBytes(state string) int64 {
	if isPacked(state) {
		s, ok := parsePacked(state)
		if !ok {
			return 0
		}
		return s.Bytes
	}
	var counted struct{ Bytes int64 }
	if json.Unmarshal([]byte(state), &counted) != nil {
		return 0
	}
	return counted.Bytes
}

// addIndexed adds to the map found an entry for each command in the index of commands by
// session. It reads the index page by page.
func (q *Queue) addIndexed(ctx context.Context, d store.Device, found map[string]bool) error {
	listing := store.Listing{Key: d.IndexKey()}
	for page := (store.Page{Limit: scanBatch}); ; {
		members, err := q.store.Members(ctx, listing, page)
		if err != nil {
			return err
		}
		for _, member := range members {
			found[member] = true
		}
		if len(members) <= page.Limit {
			return nil
		}
		page.Cursor = store.CursorAfter(members[page.Limit-1])
	}
}
