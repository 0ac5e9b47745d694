package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// Event is something that happened in a session.
type Event struct {
	ID        string
	Type      string // such as "command.claimed"
	Time      time.Time
	Actor     string // "user:<id>", "device:<id>" or "system"
	RequestID string
	DeviceID  string
	SessionID string
	CommandID string
	Data      json.RawMessage // an object, or nothing
}

// Events reads the timeline of a session, the oldest first, and the cursor of
// the next page. A cursor goes before since. Refusals: session_not_found,
// validation_failed for a cursor that is not ours.
func (s *Service) Events(ctx context.Context, tenant, id string, since time.Time, page store.Page) ([]Event, string, error) {
	found, err := s.Get(ctx, tenant, id)
	if err != nil {
		return nil, "", err
	}
	from, err := start(found, since, page.Cursor)
	if err != nil {
		return nil, "", err
	}
	return s.scan(ctx, found, from, page.Limit)
}

// start says where in the device's timeline a page begins.
func start(s Session, since time.Time, cursor string) (string, error) {
	if cursor == "" {
		// Two readings of the clock in one script may differ by a little.
		if first := s.CreatedAt.Add(-time.Second); since.Before(first) {
			since = first
		}
		return strconv.FormatInt(since.UnixMilli(), 10), nil
	}
	last, err := store.ReadCursor(cursor)
	if err != nil || !isStreamID(last) {
		return "", store.ErrCursor
	}
	return "(" + last, nil
}

// isStreamID tells whether Redis could have made an id, and can count beyond it.
func isStreamID(id string) bool {
	ms, seq, ok := strings.Cut(id, "-")
	_, err1 := strconv.ParseUint(ms, 10, 63)
	_, err2 := strconv.ParseUint(seq, 10, 63)
	return ok && err1 == nil && err2 == nil
}

// scan reads the device's timeline and keeps what belongs to the session. It does
// not stop where the session ended: a device may report days later. A page that
// looked at too much of what does not belong to it ends early.
func (s *Service) scan(ctx context.Context, session Session, from string, limit int) (events []Event, next string, err error) {
	chunk := max(limit+1, minChunk)
	for examined := 0; examined < maxExamined; examined += chunk {
		entries, err := s.entries(ctx, session, from, chunk)
		if err != nil {
			return nil, "", fmt.Errorf("reading the timeline: %w", err)
		}
		for _, entry := range entries {
			if e := event(entry); e.SessionID == session.ID {
				events = append(events, e)
			}
		}
		if len(events) > limit {
			return events[:limit], store.CursorAfter(events[limit-1].ID), nil
		}
		if len(entries) < chunk {
			return events, "", nil
		}
		next = entries[chunk-1].ID
		from = "(" + next
	}
	return events, store.CursorAfter(next), nil
}

func (s *Service) entries(ctx context.Context, session Session, from string, count int) (entries []redis.XMessage, err error) {
	key := store.Device{Tenant: session.Tenant, ID: session.DeviceID}.TimelineKey()
	err = s.store.Do(ctx, "read_timeline", func(ctx context.Context, c store.Client) (err error) {
		entries, err = c.XRangeN(ctx, key, from, "+", int64(count)).Result()
		return err
	})
	return entries, err
}

func event(entry redis.XMessage) Event {
	field := func(name string) string {
		value, _ := entry.Values[name].(string)
		return value
	}
	e := Event{
		ID: entry.ID, Type: field("type"), Time: moment(field("time")), Actor: field("actor"),
		RequestID: field("request"), DeviceID: field("device"), SessionID: field("session"), CommandID: field("command"),
	}
	if data := field("data"); json.Valid([]byte(data)) {
		e.Data = json.RawMessage(data)
	}
	return e
}
