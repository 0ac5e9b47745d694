package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// afterwards is how long after its end something may still happen in a session:
// a command that was claimed may run for 12 h, and report later.
const afterwards = 24 * time.Hour

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
	until := "+"
	if !found.ClosedAt.IsZero() {
		until = strconv.FormatInt(found.ClosedAt.Add(afterwards).UnixMilli(), 10)
	}
	return s.scan(ctx, found, from, until, page.Limit)
}

// start says where in the device's timeline a page begins.
func start(s Session, since time.Time, cursor string) (string, error) {
	if cursor != "" {
		last, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || !isStreamID(string(last)) {
			return "", &fieldgate.Error{
				Code: fieldgate.CodeValidationFailed, Detail: "The cursor is not one that this list gave out.",
				Fields: []fieldgate.FieldError{{Pointer: "/query/cursor", Keyword: "format", Reason: "must be a nextCursor of this list"}},
			}
		}
		return "(" + string(last), nil
	}
	if since.Before(s.CreatedAt) {
		since = s.CreatedAt
	}
	return strconv.FormatInt(since.UnixMilli(), 10), nil
}

func isStreamID(id string) bool {
	ms, seq, ok := strings.Cut(id, "-")
	_, err1 := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return ok && err1 == nil && err2 == nil
}

// scan reads the device's timeline and keeps what belongs to the session. A page
// that looked at too much of what does not ends early.
func (s *Service) scan(ctx context.Context, session Session, from, until string, limit int) (events []Event, next string, err error) {
	key := store.Device{Tenant: session.Tenant, ID: session.DeviceID}.TimelineKey()
	var entries []redis.XMessage
	for examined := 0; examined < maxExamined; examined += limit {
		err = s.store.Do(ctx, "read_timeline", func(ctx context.Context, c store.Client) (err error) {
			entries, err = c.XRangeN(ctx, key, from, until, int64(limit)).Result()
			return err
		})
		if err != nil {
			return nil, "", fmt.Errorf("reading the timeline: %w", err)
		}
		for _, entry := range entries {
			from = "(" + entry.ID
			if e := event(entry); e.SessionID == session.ID {
				events = append(events, e)
			}
			if len(events) == limit {
				return events, store.CursorAfter(entry.ID), nil
			}
		}
		if len(entries) < limit {
			return events, "", nil
		}
	}
	return events, store.CursorAfter(from[1:]), nil
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
