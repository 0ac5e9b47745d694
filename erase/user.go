package erase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// NamesReport counts the records from which the name or the e-mail address of a user was erased, or
// would be in a dry run.
type NamesReport struct {
	Commands   int `json:"commands"`   // as proposer or as approver
	Sessions   int `json:"sessions"`   // that the user has opened
	Events     int `json:"events"`     // of timelines, and of the streams of tenants
	CutOffs    int `json:"cutOffs"`    // that the user has made
	Passkeys   int `json:"passkeys"`   // of the user; they were deleted
	Answers    int `json:"answers"`    // replies that are stored for repeated requests
	Sockets    int `json:"sockets"`    // sockets of the user that were closed
	Unreadable int `json:"unreadable"` // records that may have names and cannot be read; they stay as they are
}

// names erases the names of one user.
type names struct {
	eraser       *Eraser
	tenant, user string
	sessions     *session.Service
	queue        *queue.Queue
	cutOffs      *customer.CutOffs
	passkeys     *approver.Passkeys
	hub          *realtime.Hub
	report       NamesReport
}

// User erases the name and the e-mail address of a user from all records of a tenant, or of all
// tenants if it is empty, deletes the passkeys of the user, and closes the sockets of the user, whose records
// have both. A roster stays as it is: its approvers have signed it. The id of the
// user stays: rules, MACs and audits depend on it. The gateway may serve meanwhile. What it records of
// the user later has names again, so the user must first lose access. After an error, the report
// counts what was erased until then, and the call can be repeated.
//
// Tickets of the user expire within a minute. The commands and the timeline of a device without a
// record, which no gateway leaves behind, belong to no tenant: the commands stay as they are.
func (e *Eraser) User(ctx context.Context, tenant, userID string) (NamesReport, error) {
	log := slog.New(slog.DiscardHandler)
	n := &names{
		eraser: e, tenant: tenant, user: userID,
		sessions: session.New(session.Config{Store: e.cfg.Store, Retention: e.cfg.Retention, Logger: log}),
		queue:    queue.New(queue.Config{Store: e.cfg.Store, Retention: e.cfg.Retention, Logger: log}),
		cutOffs:  customer.NewCutOffs(customer.CutOffConfig{Store: e.cfg.Store, Logger: log}),
		passkeys: approver.NewPasskeys(approver.Config{Store: e.cfg.Store}),
		hub:      realtime.New(realtime.Config{Store: e.cfg.Store, Retention: e.cfg.Retention, Logger: log}),
	}
	err := n.erase(ctx)
	return n.report, err
}

// erase erases the names from each kind of record. The sockets come first, so that their frames
// record no more names.
func (n *names) erase(ctx context.Context) error {
	found, err := n.find(ctx)
	if err != nil {
		return fmt.Errorf("looking for the records with names: %w", err)
	}
	for _, step := range []struct {
		kind  holder
		erase func(ctx context.Context, key store.Key) error
	}{
		{ofSockets, n.eraseSockets},
		{ofCommands, n.eraseCommands},
		{ofEvents, n.eraseEvents},
		{ofCutOffs, n.eraseCutOffs},
		{ofPasskeys, n.erasePasskeys},
	} {
		for _, key := range found[step.kind] {
			if err := n.noteUnreadable(step.erase(ctx, key)); err != nil {
				return fmt.Errorf("%s: %w", key.Name, err)
			}
		}
	}
	return errors.Join(
		eachChunk(ctx, found[ofSessions], n.eraseSessions),
		eachChunk(ctx, found[ofAnswers], n.eraseAnswers),
	)
}

// holder is a kind of key whose value may have names of users.
type holder int

// These are the kinds. Other keys have no names.
const (
	ofNoNames holder = iota
	ofSockets
	ofCommands
	ofEvents
	ofCutOffs
	ofPasskeys
	ofSessions
	ofAnswers
)

// holderOf returns the kind of a key.
func holderOf(key store.Key) holder {
	switch {
	case key.Kind == "session" && key.Part == "":
		return ofSessions
	case key.Kind == "device" && key.Part == "commands":
		return ofCommands
	case key.Kind == "device" && key.Part == "timeline", key.Kind == "tenant" && key.Part == "events":
		return ofEvents
	case key.Kind == "tenant" && key.Part == "connections":
		return ofSockets
	case key.Kind == "tenant" && key.Part == "cut-offs:details":
		return ofCutOffs
	case key.Kind == "tenant" && key.Part == "passkeys":
		return ofPasskeys
	case key.Kind == "tenant" && strings.HasPrefix(key.Part, "idempotency:"):
		return ofAnswers
	}
	return ofNoNames
}

// find returns the keys that may have names of the user, by their kind. Those of the devices and the
// sessions of other tenants are left to the steps, because the keys name no tenant.
func (n *names) find(ctx context.Context) (map[holder][]store.Key, error) {
	found := map[holder][]store.Key{}
	err := n.eraser.cfg.Store.Scan(ctx, func(_ context.Context, names []string) error {
		for _, name := range names {
			key, ok := store.ParseKey(name)
			if kind := holderOf(key); ok && n.concerns(key) && kind != ofNoNames {
				found[kind] = append(found[kind], key)
			}
		}
		return nil
	})
	for kind, keys := range found { // a scan may visit a key twice
		slices.SortFunc(keys, func(a, b store.Key) int { return strings.Compare(a.Name, b.Name) })
		found[kind] = slices.Compact(keys)
	}
	return found, err
}

// concerns reports whether a key may be one of the tenant.
func (n *names) concerns(key store.Key) bool {
	if n.tenant == "" {
		return true
	}
	return key.Partition == store.PartitionOf(n.tenant) && (key.Kind != "tenant" || key.ID == n.tenant)
}

// noteUnreadable counts a key that has another type than the gateway gives it. It returns any other
// error.
func (n *names) noteUnreadable(err error) error {
	if redis.HasErrorPrefix(err, store.WrongType) {
		n.report.Unreadable++
		return nil
	}
	return err
}

func (n *names) dryRun() bool { return n.eraser.cfg.DryRun }

// deviceOf returns the device of a key, and false if it is none of the tenant or has no record.
func (n *names) deviceOf(ctx context.Context, key store.Key) (d store.Device, ok bool, err error) {
	record := store.Key{Name: store.DeviceKey(key.ID), Kind: "device", ID: key.ID}
	owner, err := n.eraser.ownerOf(ctx, record)
	return store.Device{Tenant: owner, ID: key.ID}, owner != "" && (n.tenant == "" || owner == n.tenant), err
}

func (n *names) eraseCommands(ctx context.Context, key store.Key) error {
	d, ok, err := n.deviceOf(ctx, key)
	if err != nil || !ok {
		return err
	}
	done, err := n.queue.EraseNames(ctx, d, n.user, n.dryRun())
	n.report.Commands += done.Erased
	n.report.Unreadable += done.Unreadable
	return err
}

func (n *names) eraseEvents(ctx context.Context, key store.Key) error {
	if key.Kind == "device" && n.tenant != "" {
		if _, ok, err := n.deviceOf(ctx, key); err != nil || !ok {
			return err
		}
	}
	erased, err := n.eraser.cfg.Store.EraseEventNames(ctx, key.Name, n.user, n.dryRun())
	n.report.Events += erased
	return err
}

// erasePasskeys deletes the passkeys of the user, whose names the user has chosen.
func (n *names) erasePasskeys(ctx context.Context, key store.Key) error {
	by := approver.User{Tenant: key.ID, UserID: n.eraser.cfg.By, RequestID: n.eraser.cfg.RequestID}
	erased, err := n.passkeys.Erase(ctx, by, n.user, n.dryRun())
	n.report.Passkeys += erased
	return err
}

func (n *names) eraseCutOffs(ctx context.Context, key store.Key) error {
	erased, err := n.cutOffs.EraseNames(ctx, key.ID, n.user, n.dryRun())
	n.report.CutOffs += erased
	return err
}

// eraseSockets closes the sockets of the user in a tenant. An instance would write the names again
// with the next renewal of an open socket.
func (n *names) eraseSockets(ctx context.Context, key store.Key) error {
	for c, err := range n.hub.All(ctx, key.ID) {
		if err != nil {
			return err
		}
		if c.UserID != n.user {
			continue
		}
		if !n.dryRun() {
			err = n.hub.Kick(ctx, key.ID, c.ID)
		}
		if err != nil && fieldgate.CodeOf(err) != fieldgate.CodeConnectionNotFound { // closed meanwhile
			return err
		}
		n.report.Sockets++
	}
	return nil
}

func (n *names) eraseSessions(ctx context.Context, keys []store.Key) error {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	erased, unreadable, err := n.sessions.EraseNames(ctx, n.tenant, ids, n.user, n.dryRun())
	n.report.Sessions += erased
	n.report.Unreadable += unreadable
	return err
}

// eraseAnswers erases the names from replies that are stored for repeated requests. Those to a
// proposal and to the opening of a session have names.
func (n *names) eraseAnswers(ctx context.Context, keys []store.Key) error {
	stored, err := n.readAnswers(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading stored answers: %w", err)
	}
	for i, answer := range stored {
		if !strings.Contains(answer, store.ActorUser(n.user)) {
			continue
		}
		if err := n.eraseAnswer(ctx, keys[i].Name); err != nil {
			return err
		}
	}
	return nil
}

func (n *names) eraseAnswer(ctx context.Context, key string) error {
	proposed, err := n.queue.EraseAnswerNames(ctx, key, n.user, n.dryRun())
	if err != nil {
		return err
	}
	n.report.Answers += proposed.Erased
	n.report.Unreadable += proposed.Unreadable
	opened, err := n.sessions.EraseAnswerNames(ctx, key, n.user, n.dryRun())
	if opened {
		n.report.Answers++
	}
	return err
}

// readAnswers returns the stored answers with these keys. One that has expired is empty, and so is a
// value of another type, which readAnswers counts as unreadable.
func (n *names) readAnswers(ctx context.Context, keys []store.Key) ([]string, error) {
	replies := make([]*redis.StringCmd, len(keys))
	err := n.eraser.cfg.Store.Do(ctx, "read_answers", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, key := range keys {
			replies[i] = pipe.Get(ctx, key.Name)
		}
		return store.ExecReads(ctx, pipe, store.WrongType)
	})
	if err != nil {
		return nil, err
	}
	stored := make([]string, len(keys))
	for i, reply := range replies {
		stored[i] = reply.Val()
		_ = n.noteUnreadable(reply.Err()) // ExecReads has returned all other errors but redis.Nil
	}
	return stored, nil
}

// eachChunk calls f with the keys, readBatch at a time.
func eachChunk(ctx context.Context, keys []store.Key, f func(ctx context.Context, keys []store.Key) error) error {
	for chunk := range slices.Chunk(keys, readBatch) {
		if err := f(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}
