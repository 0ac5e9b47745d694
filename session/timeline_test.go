package session_test

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestEvents_HaveActorTimeAndRequestID(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		proposed := b.propose(opened.ID, "reboot")
		_, err := b.queue.Decide(b.t.Context(), queue.Decision{
			Tenant: b.device.Tenant, SessionID: opened.ID, CommandID: proposed.ID, UserID: "u2", Names: storetest.NamesOf("u2"),
			RequestID: "r-decide", Approved: true, Reason: "Go ahead.",
		})
		require.NoError(b.t, err)
		b.submitResult(b.claim())
		b.close(opened.ID)

		events := b.events(opened.ID)
		device := "device:" + b.device.ID
		for i, want := range []struct{ kind, actor, command string }{
			{"session.opened", "user:u1", ""},
			{"command.proposed", "user:u1", proposed.ID},
			{"command.approved", "user:u2", proposed.ID},
			{"command.claimed", device, proposed.ID},
			{"command.succeeded", device, proposed.ID},
			{"session.closed", "user:u2", ""},
		} {
			e := events[i]
			require.Equal(b.t, want.kind, e.Type)
			require.Equal(b.t, want.actor, e.Actor, e.Type)
			require.Equal(b.t, namesOf(want.actor), e.Names, e.Type)
			require.Equal(b.t, want.command, e.CommandID, e.Type)
			require.Equal(b.t, b.device.ID, e.DeviceID)
			require.Equal(b.t, opened.ID, e.SessionID)
			require.NotEmpty(b.t, e.RequestID)
			require.WithinRange(b.t, e.Time, opened.CreatedAt, time.Now().Add(5*time.Second))
		}
		require.Len(b.t, events, 6)
		require.JSONEq(b.t, `{"type":"diagnostic"}`, string(events[0].Data))
		require.Equal(b.t, "r-open", events[0].RequestID)
	})
}

func TestEvents_OnlyOfSession(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		first := b.open()
		b.propose(first.ID, "diagnostic.ping")
		lease := b.claim()
		b.close(first.ID)
		second := b.open()
		b.propose(second.ID, "diagnostic.ping")
		b.submitResult(lease) // the command belongs to the first session, but the second session is active
		b.appendEvent("device.presence", "")
		b.close(second.ID)

		require.Equal(b.t, []string{
			"session.opened", "command.proposed", "command.claimed", "session.closed", "command.succeeded",
		}, typesOf(b.events(first.ID)))
		require.Equal(b.t, []string{
			"session.opened", "command.proposed", "command.expired", "session.closed",
		}, typesOf(b.events(second.ID)))
	})
}

// appendEvent appends an event to the device's timeline, with the fields that other packages
// write.
func (b *bench) appendEvent(kind, sessionID string, more ...string) {
	b.t.Helper()
	values := append([]string{"type", kind, "time", "1", "device", b.device.ID, "actor", "system", "session", sessionID}, more...)
	b.do(func(ctx context.Context, c store.Client) error {
		return c.XAdd(ctx, &redis.XAddArgs{Stream: b.device.TimelineKey(), Values: values}).Err()
	})
}

func TestEvents_Pages(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		for range 6 {
			b.propose(opened.ID, "diagnostic.ping")
			b.appendEvent("device.presence", "")
		}
		all := b.events(opened.ID)
		require.Len(b.t, all, 7)
		for limit, wantPages := range map[int]int{1: 7, 2: 4, 6: 2, 7: 1, 8: 1} {
			var read []session.Event
			page, pages := store.Page{Limit: limit}, 0
			for more := true; more; more = page.Cursor != "" {
				events, next, err := b.sessions.Events(b.t.Context(), b.device.Tenant, opened.ID, time.Time{}, page)
				require.NoError(b.t, err)
				require.LessOrEqual(b.t, len(events), limit)
				read, page.Cursor, pages = append(read, events...), next, pages+1
			}
			require.Equal(b.t, all, read)
			require.Equal(b.t, wantPages, pages, "pages of %d", limit)
		}
	})
}

func TestEvents_Since(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		b.appendEvent("command.proposed", opened.ID)
		all := b.events(opened.ID)
		read := func(since time.Time, page store.Page) []string {
			events, _, err := b.sessions.Events(b.t.Context(), b.device.Tenant, opened.ID, since, page)
			require.NoError(b.t, err)
			return typesOf(events)
		}
		both := []string{"session.opened", "command.proposed"}
		page := store.Page{Limit: 10}
		require.Equal(b.t, both, read(time.Time{}, page))
		require.Equal(b.t, both, read(time.Unix(-1e9, 0), page))
		require.Equal(b.t, both, read(opened.CreatedAt, page), "since must be inclusive")
		require.Empty(b.t, read(time.Now().Add(time.Hour), page))
		require.Empty(b.t, read(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), page))
		page.Cursor = store.CursorAfter(all[0].ID)
		require.Equal(b.t, both[1:], read(time.Now().Add(time.Hour), page), "the cursor must take precedence over since")
	})
}

func TestEvents_InvalidCursorIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		for _, id := range []string{
			"", "-", "+", "1", "1-", "-1", "a-b", "1-1-1", "(1-1", " 1-1", "+1-1", "1-1\n",
			"18446744073709551615-18446744073709551615", "99999999999999999999-0",
		} {
			cursor := base64.RawURLEncoding.EncodeToString([]byte(id))
			if id == "" {
				cursor = "!"
			}
			_, _, err := b.sessions.Events(b.t.Context(), b.device.Tenant, opened.ID, time.Time{}, store.Page{Cursor: cursor, Limit: 10})
			require.Equal(b.t, fieldgate.CodeValidationFailed, fieldgate.CodeOf(err), "%q", id)
		}
		for _, id := range []string{"0-0", "9223372036854775807-9223372036854775807"} {
			_, _, err := b.sessions.Events(b.t.Context(), b.device.Tenant, opened.ID, time.Time{}, store.Page{Cursor: store.CursorAfter(id), Limit: 10})
			require.NoError(b.t, err)
		}
	})
}

// TestEvents_ReadsAtMostThousandEntries submits a result long after the session has ended.
// Thousands of other events come before the result in the timeline, so the first calls return
// too few events and a cursor.
func TestEvents_ReadsAtMostThousandEntries(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		b.close(opened.ID)
		b.do(func(ctx context.Context, c store.Client) error {
			pipe := c.Pipeline()
			for range 2500 {
				pipe.XAdd(ctx, &redis.XAddArgs{Stream: b.device.TimelineKey(), Values: []string{"type", "device.presence"}})
			}
			_, err := pipe.Exec(ctx)
			return err
		})
		b.appendEvent("command.succeeded", opened.ID, "data", `not JSON`)

		page := store.Page{Limit: 10}
		var read []session.Event
		for pages := 1; ; pages++ {
			events, next, err := b.sessions.Events(b.t.Context(), b.device.Tenant, opened.ID, time.Time{}, page)
			require.NoError(b.t, err)
			if read, page.Cursor = append(read, events...), next; next == "" {
				require.Equal(b.t, 3, pages)
				break
			}
		}
		require.Equal(b.t, []string{"session.opened", "session.closed", "command.succeeded"}, typesOf(read))
		require.Nil(b.t, read[2].Data)
	})
}

func TestSession_LifecycleOnCluster(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{URL: storetest.StartCluster(t, 3).URL(), AutoPipeline: true})
	for range 10 {
		b := newBench(t, s)
		opened := b.open(func(o *session.OpenRequest) { o.IdempotencyKey = "key-1" })
		b.propose(opened.ID, "diagnostic.ping")
		lease := b.claim()
		waiting := b.propose(opened.ID, "diagnostic.ping")
		b.close(opened.ID)
		b.submitResult(lease)
		b.settle(opened.ID)
		require.Equal(t, queue.Expired, b.command(waiting.ID).Status)
		ids, _ := b.list(session.Filter{DeviceID: b.device.ID, Status: session.Closed}, 10)
		require.Equal(t, []string{opened.ID}, ids)
		require.Len(t, b.events(opened.ID), 7)
	}
}

// namesOf returns the names that the bench gives to the user who is the actor, and no names for
// another actor.
func namesOf(actor string) fieldgate.Names {
	if kind, id := store.ParseActor(actor); kind == "user" {
		return storetest.NamesOf(id)
	}
	return fieldgate.Names{}
}

// TestSession_HasTheNamesOfItsUser checks that names are those of the act: the end of a session by
// the system, or by another user, changes none.
func TestSession_HasTheNamesOfItsUser(t *testing.T) {
	t.Parallel()
	each(t, func(b *bench) {
		opened := b.open()
		require.Equal(b.t, storetest.NamesOf("u1"), opened.Names)
		b.expire(opened.ID)
		require.Equal(b.t, session.Expired, b.close(opened.ID).Status, "the system ends it during the call of u2")
		require.Equal(b.t, storetest.NamesOf("u1"), b.get(opened.ID).Names)
		events := b.events(opened.ID)
		require.Equal(b.t, []string{"session.opened", "session.expired"}, typesOf(events))
		require.Equal(b.t, storetest.NamesOf("u1"), events[0].Names)
		require.Zero(b.t, events[1].Names)

		nameless := b.open(func(o *session.OpenRequest) { o.Names = fieldgate.Names{} })
		require.Zero(b.t, nameless.Names)
		require.Equal(b.t, storetest.NamesOf("u2"), b.events(b.close(nameless.ID).ID)[1].Names)
	})
}
