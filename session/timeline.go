package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Event is an event in the timeline of a session.
type Event struct {
	ID          string
	Type        string // type of the event, such as "command.claimed"
	Time        time.Time
	Actor       string          // "user:<id>", "device:<id>" or "system"
	Names       fieldgate.Names // names of a user
	RequestID   string
	DeviceID    string
	SessionID   string
	CommandID   string
	Traceparent string          // span of the proposal of the command; may be empty
	Data        json.RawMessage // a JSON object; may be nil
}

// Events returns the timeline of a session, oldest event first, and the cursor of the next
// page. The cursor is empty after the last page. If page has a cursor, `since` is ignored.
// Errors: session_not_found, and validation_failed for an invalid cursor.
func (s *Service) Events(ctx context.Context, tenant, id string, since time.Time, page store.Page) ([]Event, string, error) {
	found, err := s.Get(ctx, tenant, id)
	if err != nil {
		return nil, "", err
	}
	from, err := pageStart(found, since, page.Cursor)
	if err != nil {
		return nil, "", err
	}
	return s.scan(ctx, found, from, page.Limit)
}

// pageStart returns the position in the device's timeline at which a page starts, in the form
// that XRANGE expects.
func pageStart(s Session, since time.Time, cursor string) (string, error) {
	if cursor == "" {
		// The id of the first event may be slightly earlier than CreatedAt, because Redis
		// reads its clock separately for the event and for CreatedAt.
		if first := s.CreatedAt.Add(-time.Second); since.Before(first) {
			since = first
		}
		return strconv.FormatInt(since.UnixMilli(), 10), nil
	}
	last, err := store.ReadCursor(cursor)
	if id, ok := store.ParseStreamID(last); err != nil || !ok || id.IsLast() {
		return "", store.ErrCursor
	}
	return "(" + last, nil
}

// scan reads the device's timeline and returns the events of the session. It reads beyond the
// end of the session, because a device may submit results days later. If scan reads many
// events of other sessions, it returns fewer events than limit, and a cursor.
func (s *Service) scan(ctx context.Context, session Session, from string, limit int) (events []Event, next string, err error) {
	size, device := max(limit+1, minBatch), store.Device{Tenant: session.Tenant, ID: session.DeviceID}
	for examined := 0; examined < maxExamined; examined += size {
		entries, err := s.entries(ctx, device, from, size)
		if err != nil {
			return nil, "", fmt.Errorf("reading the timeline: %w", err)
		}
		for _, entry := range entries {
			if e := decodeEvent(device, entry); e.SessionID == session.ID {
				events = append(events, e)
			}
		}
		if len(events) > limit {
			return events[:limit], store.CursorAfter(events[limit-1].ID), nil
		}
		if len(entries) < size {
			return events, "", nil
		}
		next = entries[size-1].ID
		from = "(" + next
	}
	return events, store.CursorAfter(next), nil
}

// Timeline returns the timeline of a device, with the events of all its sessions and of none, the
// oldest first, and the cursor of the next page. Error: validation_failed for an invalid cursor. The
// caller has checked that the device is one of the tenant.
func (s *Service) Timeline(ctx context.Context, d store.Device, page store.Page) (events []Event, next string, err error) {
	from := "-"
	if page.Cursor != "" {
		if from, err = pageStart(Session{}, time.Time{}, page.Cursor); err != nil {
			return nil, "", err
		}
	}
	entries, err := s.entries(ctx, d, from, page.Limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading the timeline: %w", err)
	}
	for _, entry := range entries {
		events = append(events, decodeEvent(d, entry))
	}
	if len(entries) == page.Limit {
		next = store.CursorAfter(entries[len(entries)-1].ID)
	}
	return events, next, nil
}

// entries returns at most count entries of a device's timeline, in order, beginning at the
// position `from`.
func (s *Service) entries(ctx context.Context, d store.Device, from string, count int) (entries []redis.XMessage, err error) {
	err = s.store.Do(ctx, "read_timeline", func(ctx context.Context, c store.Client) (err error) {
		entries, err = c.XRangeN(ctx, d.TimelineKey(), from, "+", int64(count)).Result()
		return err
	})
	return entries, err
}

// decodeEvent converts an entry of the timeline of a device to an event.
func decodeEvent(d store.Device, entry redis.XMessage) Event {
	stored := store.ParseEvent(entry)
	e := Event{
		ID: stored.ID, Type: stored.Type, Time: store.ParseTime(stored.Time), Actor: stored.Actor,
		Names:     fieldgate.Names{Name: stored.Name, Email: stored.Email},
		RequestID: stored.Request, DeviceID: d.ID, SessionID: stored.Session, CommandID: stored.Command, Traceparent: stored.Trace,
	}
	if data := []byte(stored.Data); json.Valid(data) {
		e.Data = data
	}
	return e
}
