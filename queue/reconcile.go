package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// Bounds of the reconciliation: how many commands one script looks at, and how
// many fields or entries one reading asks for.
const (
	reconcileBatch = 50
	reconcileRead  = 200
)

// commandFields matches the states of commands among the fields of their hash,
// and not their bodies, which may be large.
var commandFields = store.KindCommand + "_" + strings.Repeat("?", 28)

// Reconcile compares every command of a device with the structures that it should
// be in and mends what is not so: what a restored backup, a hand on the database
// or a mistake of ours can leave behind. What it finds is told to the store. It may
// run on several instances at once and beside everything else: what is read here
// only says where to look, the script decides.
//
// It tells how many commands it has looked at, finished ones included. It costs a
// script for every fifty of them and a reading for every two hundred or so.
func (q *Queue) Reconcile(ctx context.Context, d store.Device) (commands int, err error) {
	seen, err := q.seen(ctx, d)
	if err != nil {
		return 0, fmt.Errorf("reading what a device has: %w", err)
	}
	for some := range slices.Chunk(seen, reconcileBatch) {
		if err := q.reconcile(ctx, d, some); err != nil {
			return len(seen), fmt.Errorf("reconciling commands: %w", err)
		}
	}
	return len(seen), nil
}

func (q *Queue) reconcile(ctx context.Context, d store.Device, seen []string) error {
	args := make([]any, len(seen))
	for i := range seen {
		args[i] = seen[i]
	}
	reply, err := q.store.Run(ctx, reconcileScript, d.Keys(), q.scope(d, store.ActorSystem, "").Args(args...)...)
	if err != nil {
		return err
	}
	q.setAside(ctx, reply.String(2))
	found := reply.List(3)
	for i := range found {
		one := found.List(i)
		q.store.Violated(ctx, violation(d.ID, one.String(0), one.String(1), one.String(2), one.String(3)))
	}
	return nil
}

// violation says which promise the script found broken.
func violation(device, how, place, status, id string) store.Violation {
	return store.Violation{
		Invariant: string(broken(how, place, Status(status))),
		Damage:    strings.TrimSpace(how + " " + place + " " + status), ID: id, Device: device,
	}
}

func broken(how, place string, status Status) model.Invariant {
	left, inLine := how == "left", place == "ready"
	switch {
	case place == "sequence", how == "misplaced" && (inLine || place == "pending"):
		return model.FIFOWithinPriority
	case how == "misplaced", how == "missing" && place == "due":
		return model.NothingForgotten
	case how == "missing" && place == "cancels":
		return model.CancelIsHeard
	case how == "missing" && place == "approval", left && inLine && status == PendingApproval:
		return model.NoUnapprovedClaim
	case left && inLine && status == Claimed:
		return model.NoDoubleLease
	case left && status != "" && status.Final():
		return model.FinishedIsFinal
	}
	return model.NothingLost
}

// ReconcileInbox looks at the commands that are listed as waiting for a person of
// a tenant, and mends the entries of those that do not.
func (q *Queue) ReconcileInbox(ctx context.Context, tenant string) error {
	listing := store.Listing{Key: store.Tenant(tenant).InboxKey()}
	for page := (store.Page{Limit: reconcileRead}); ; {
		members, err := q.store.Members(ctx, listing, page)
		if err != nil {
			return fmt.Errorf("listing what waits for a person: %w", err)
		}
		for _, member := range members[:min(len(members), page.Limit)] {
			if err := q.reconcileEntry(ctx, tenant, member); err != nil {
				return err
			}
		}
		if len(members) <= page.Limit {
			return nil
		}
		page.Cursor = store.CursorAfter(members[page.Limit-1])
	}
}

func (q *Queue) reconcileEntry(ctx context.Context, tenant, member string) error {
	id, device, _ := strings.Cut(member, " ")
	if !store.OwnsID(tenant, store.KindDevice, device) {
		return nil
	}
	return q.reconcile(ctx, store.Device{Tenant: tenant, ID: device}, []string{":" + id})
}

// seen gives where commands of a device were seen, as reconcile.lua takes it: in
// its structures, its records and its index.
func (q *Queue) seen(ctx context.Context, d store.Device) ([]string, error) {
	seen := map[string]bool{}
	for _, read := range []func(context.Context, store.Device, map[string]bool) error{q.seenAlive, q.seenRecords, q.seenListed} {
		if err := read(ctx, d, seen); err != nil {
			return nil, err
		}
	}
	return inOrder(seen), nil
}

// inOrder leaves out what an entry of the index says more of.
func inOrder(seen map[string]bool) (list []string) {
	for one := range seen {
		if session, id, _ := strings.Cut(one, ":"); session != "" {
			delete(seen, ":"+id)
		}
	}
	for one := range seen {
		list = append(list, one)
	}
	slices.Sort(list)
	return list
}

// seenAlive reads the structures of what has not ended. They are bounded, by the
// bound of the line for the most part.
func (q *Queue) seenAlive(ctx context.Context, d store.Device, seen map[string]bool) error {
	return q.store.Do(ctx, "reconcile_alive", func(ctx context.Context, c store.Client) error {
		for _, key := range d.AliveKeys() {
			ids, err := c.ZRange(ctx, key, 0, -1).Result()
			if err != nil {
				return err
			}
			note(seen, ids)
		}
		ids, err := c.SMembers(ctx, d.CancelsKey()).Result()
		note(seen, ids)
		return err
	})
}

func note(seen map[string]bool, ids []string) {
	for _, id := range ids {
		seen[":"+id] = true
	}
}

// seenRecords reads the ids of all records, a part at a time.
func (q *Queue) seenRecords(ctx context.Context, d store.Device, seen map[string]bool) error {
	for cursor := uint64(0); ; {
		var pairs []string
		err := q.store.Do(ctx, "reconcile_records", func(ctx context.Context, c store.Client) (err error) {
			pairs, cursor, err = c.HScan(ctx, d.CommandsKey(), cursor, commandFields, reconcileRead).Result()
			return err
		})
		if err != nil {
			return err
		}
		for i := 0; i < len(pairs); i += 2 {
			seen[":"+pairs[i]] = true
		}
		if cursor == 0 {
			return nil
		}
	}
}

// seenListed reads the device's index, a page at a time.
func (q *Queue) seenListed(ctx context.Context, d store.Device, seen map[string]bool) error {
	listing := store.Listing{Key: d.IndexKey()}
	for page := (store.Page{Limit: reconcileRead}); ; {
		members, err := q.store.Members(ctx, listing, page)
		if err != nil {
			return err
		}
		for _, member := range members {
			seen[member] = true
		}
		if len(members) <= page.Limit {
			return nil
		}
		page.Cursor = store.CursorAfter(members[page.Limit-1])
	}
}
