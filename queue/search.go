package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of one call of Search.
const (
	maxSearched = 1000 // maximum number of commands that a call examines, but for its last batch
	searchBatch = 200  // number of commands per batch, if some of them may not match
)

// Filter selects the commands that match all of its fields. An empty field matches every command.
type Filter struct {
	Statuses   []Status // one of these
	Type       string   // a type, or a prefix followed by "*"
	DeviceID   string
	Tag        string // "key:value", or "key" for any value, of the device as it is now
	SessionID  string
	ProposedBy string    // id of the user
	Since      time.Time // not proposed before
	Until      time.Time // proposed before
}

// isIndexed reports whether every command of the filter's source matches.
func (f Filter) isIndexed() bool {
	ofDevice := f.DeviceID != "" || f.SessionID != ""
	return len(f.Statuses) == 0 && f.Type == "" && f.Tag == "" && f.ProposedBy == "" &&
		(!ofDevice || f.Since.IsZero() && f.Until.IsZero())
}

// matchesState reports whether a command matches the filter in what its state holds.
func (f Filter) matchesState(s state) bool {
	created := store.TimeOf(s.Created)
	return (len(f.Statuses) == 0 || slices.Contains(f.Statuses, s.Status)) &&
		(f.ProposedBy == "" || f.ProposedBy == store.ActorID(s.Proposer)) &&
		!created.Before(f.Since) && (f.Until.IsZero() || created.Before(f.Until))
}

func (f Filter) matchesType(commandType string) bool {
	return f.Type == "" || matchesPattern(f.Type, commandType)
}

// Search reads a page of the tenant's commands, on all devices, the newest first, without results
// and large parameters. It also returns the cursor of the next page, which is empty on the last page.
// It examines about maxSearched commands, and returns about maxPageBytes. A page may therefore be
// short or empty although more commands follow. Refusal: validation_failed for a cursor that the
// store did not issue for this filter.
//
// Commands that an instance of an earlier release has proposed are found after the reconciler has
// visited their device.
func (q *Queue) Search(ctx context.Context, tenant string, f Filter, page store.Page) ([]Command, string, error) {
	source, err := q.sourceOf(ctx, tenant, f)
	if err != nil || source == nil {
		return nil, "", err
	}
	s := search{queue: q, tenant: tenant, filter: f, limit: page.Limit, cursor: page.Cursor}
	for s.examined < maxSearched && !s.done {
		if err := s.step(ctx, source); err != nil {
			return nil, "", err
		}
	}
	return s.found, s.cursor, nil
}

// candidate is a command in an index, and the cursor of the page that begins after it.
type candidate struct {
	commandKey
	cursor string
}

// source reads a page of an index, the newest command first. It returns one candidate more than
// page.Limit if there is a next page.
type source func(ctx context.Context, page store.Page) ([]candidate, error)

// sourceOf returns the smallest index that contains all matching commands. It returns nil if the
// tenant has no such device or session, so that no command matches.
func (q *Queue) sourceOf(ctx context.Context, tenant string, f Filter) (source, error) {
	switch {
	case f.SessionID != "":
		at, err := q.locate(ctx, tenant, f.SessionID)
		if errors.Is(err, errSessionNotFound) || err == nil && f.DeviceID != "" && f.DeviceID != at.ID {
			return nil, nil
		}
		return q.ofDevice(at.Device, f.SessionID+":"), err
	case f.DeviceID == "":
		return q.ofTenant(tenant, f.Since, f.Until), nil
	case !store.OwnsID(tenant, store.KindDevice, f.DeviceID):
		return nil, nil
	}
	d := store.Device{Tenant: tenant, ID: f.DeviceID}
	if owner, err := q.store.Owner(ctx, d.RecordKey()); err != nil || owner != tenant {
		return nil, err
	}
	return q.ofDevice(d, ""), nil
}

// ofTenant returns the index of the tenant's commands.
func (q *Queue) ofTenant(tenant string, since, until time.Time) source {
	listing := store.TimeListing{Key: store.Tenant(tenant).CommandsKey(), Since: since, Until: until}
	return func(ctx context.Context, page store.Page) (found []candidate, err error) {
		members, err := q.store.Newest(ctx, listing, page)
		for _, m := range members {
			d, id, _ := store.Tenant(tenant).ParseListed(m.Member) // a damaged member names a command that does not exist
			found = append(found, candidate{commandKey{d, id}, m.Cursor()})
		}
		return found, err
	}
}

// ofDevice returns the index of the commands of a device, or of its session if the prefix names one. A
// device has one session after the other, so that the order by session and command is that of time.
func (q *Queue) ofDevice(d store.Device, prefix string) source {
	listing := store.Listing{Key: d.IndexKey(), Prefix: prefix, Newest: true}
	return func(ctx context.Context, page store.Page) (found []candidate, err error) {
		members, err := q.store.Members(ctx, listing, page)
		for _, m := range members {
			found = append(found, candidate{commandKey{d, m[strings.LastIndex(m, ":")+1:]}, store.CursorAfter(m)})
		}
		return found, err
	}
}

// search reads an index batch by batch and collects the commands that match the filter.
type search struct {
	queue  *Queue
	tenant string
	filter Filter
	limit  int

	found    []Command
	examined int
	size     int    // total size of the records that were read completely, in bytes
	cursor   string // after the last command that was examined; empty at the end of the index
	done     bool   // the page is full or the index has ended
}

// step reads the next batch.
func (s *search) step(ctx context.Context, read source) error {
	size := searchBatch
	if s.filter.isIndexed() {
		size = min(size, s.limit-len(s.found))
	}
	batch, err := read(ctx, store.Page{Cursor: s.cursor, Limit: size})
	if err != nil {
		return fmt.Errorf("listing commands: %w", err)
	}
	more := len(batch) > size
	batch = batch[:min(len(batch), size)]
	s.examined += len(batch)
	examined, err := s.examine(ctx, batch)
	if err != nil {
		return fmt.Errorf("reading commands: %w", err)
	}
	if examined > 0 {
		s.cursor = batch[examined-1].cursor
	}
	if examined == len(batch) && !more {
		s.cursor = ""
	}
	s.done = s.done || examined < len(batch) || !more
	return nil
}

// examine adds the matching commands of a batch until the page is full. It returns the number of
// candidates that it has examined.
func (s *search) examine(ctx context.Context, batch []candidate) (examined int, err error) {
	keys := make([]commandKey, len(batch))
	for i, c := range batch {
		keys[i] = c.commandKey
	}
	entries, err := s.queue.readEntries(ctx, keys)
	if err != nil {
		return 0, err
	}
	matching, err := s.byState(ctx, entries)
	if err != nil {
		return 0, err
	}
	fit, size := fitting(matching, s.size)
	s.size = size
	if err := s.queue.readBodies(ctx, fit); err != nil {
		return 0, err
	}
	position := func(id string) int {
		return slices.IndexFunc(keys, func(k commandKey) bool { return k.id == id })
	}
	for _, e := range fit {
		s.add(ctx, e)
		if len(s.found) == s.limit {
			s.done = true
			return position(e.id) + 1, nil
		}
	}
	if len(fit) < len(matching) {
		return position(matching[len(fit)].id), nil
	}
	return len(batch), nil
}

// byState returns the entries that match the filter in their state and in the tags of their device.
func (s *search) byState(ctx context.Context, entries []entry) (matching []entry, err error) {
	for _, e := range entries {
		if e.state == "" {
			continue
		}
		state, err := decodeState(e.state)
		if err != nil {
			s.queue.logSkipped(ctx, e.id, err)
			continue
		}
		if s.filter.matchesState(state) {
			matching = append(matching, e)
		}
	}
	if s.filter.Tag == "" || len(matching) == 0 {
		return matching, nil
	}
	tagged, err := s.tagged(ctx, matching)
	return slices.DeleteFunc(matching, func(e entry) bool { return !tagged[e.deviceID] }), err
}

// tagged returns which devices of the entries have the tag of the filter.
func (s *search) tagged(ctx context.Context, entries []entry) (tagged map[string]bool, err error) {
	tagged = map[string]bool{}
	index := store.Tenant(s.tenant).DevicesByKey("tag", s.filter.Tag)
	scores := map[string]*redis.FloatCmd{}
	err = s.queue.pipelined(ctx, "read_tagged", func(ctx context.Context, pipe redis.Pipeliner) {
		for _, e := range entries {
			if scores[e.deviceID] == nil {
				scores[e.deviceID] = pipe.ZScore(ctx, index, e.deviceID)
			}
		}
	})
	for device, score := range scores {
		tagged[device] = score.Err() == nil
	}
	return tagged, err
}

// add adds a command to the page if its type matches. It skips a command that cannot be decoded, so
// that it does not hide the others.
func (s *search) add(ctx context.Context, e entry) {
	c, err := s.queue.listed(e.record)
	switch {
	case err != nil:
		s.queue.logSkipped(ctx, e.id, err)
	case s.filter.matchesType(c.Type):
		s.found = append(s.found, c)
	}
}
