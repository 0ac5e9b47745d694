package store_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// fullEventScript records an event with every value, and one of the system with none that is optional.
var fullEventScript = newScript(`
--@include store/base
--@include store/device
--@include store/event
local device = device_at(1, 1)
emit(device, clock(), 'test.full', { session = 'ses', command = 'cmd', trace = '00-1-2-01', data = { text = 'a\nb', n = 1 } })
emit(device, clock(), 'test.system', { actor = SYSTEM })
emit_tenant(device.stream, clock(), 'test.tenant', { tenant = device.tenant, actor = 'user:u2', name = 'Eve', data = { n = 2 } })
return ok()`)

// eventsIn returns the events of a stream, without the ids and the times.
func eventsIn(t *testing.T, s *store.Store, key string) (events []store.Event, entries []redis.XMessage) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) (err error) {
		entries, err = c.XRange(ctx, key, "-", "+").Result()
		return err
	}))
	for _, entry := range entries {
		e := store.ParseEvent(entry)
		require.WithinRange(t, store.ParseTime(e.Time), time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
		e.ID, e.Time = "", ""
		events = append(events, e)
	}
	return events, entries
}

// TestEvent_HasTheSameValuesInBothForms records the same events in a store that an earlier release may
// read, and in one that only this release reads.
func TestEvent_HasTheSameValuesInBothForms(t *testing.T) {
	t.Parallel()
	earlier := storetest.Start(t)
	require.NoError(t, earlier.Client(t).HSet(t.Context(), "fg:meta", "partitions", store.Partitions).Err())
	for name, c := range map[string]struct {
		store  *store.Store
		packed bool
	}{
		"earlier":  {storetest.Connect(t, store.Config{URL: earlier.URL()}), false},
		"packed":   {storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()}), true},
		"evalsha":  {storetest.Connect(t, store.Config{URL: storetest.Start(t).URL(), NoFunctions: true}), true},
		"embedded": {storetest.Connect(t, store.Config{}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deviceOf(storetest.Tenant())
			scope := store.NewScope(d, store.ActorUser("u1"), "r1", time.Hour).WithNames(fieldgate.Names{Name: "Ann", Email: "ann@example.com"})
			_, err := c.store.Run(t.Context(), fullEventScript, d.Keys(), scope.Args()...)
			require.NoError(t, err)
			want := []store.Event{
				{
					Device: d.ID, Type: "test.full", Actor: "user:u1", Name: "Ann", Email: "ann@example.com", Request: "r1",
					Session: "ses", Command: "cmd", Data: `{"n":1,"text":"a\nb"}`, Trace: "00-1-2-01",
				},
				{Device: d.ID, Type: "test.system", Actor: "system", Request: "r1"},
				{Type: "test.tenant", Actor: "user:u2", Name: "Eve", Data: `{"n":2}`},
			}
			got, entries := eventsIn(t, c.store, store.Tenant(d.Tenant).StreamKey())
			require.JSONEq(t, want[0].Data, got[0].Data)
			got[0].Data = want[0].Data // its fields have no order
			require.Equal(t, want, got)
			require.Equal(t, c.packed, entries[0].Values["event"] != nil)

			kept, entries := eventsIn(t, c.store, d.TimelineKey())
			require.Len(t, kept, 2, "the event of the tenant is in no timeline")
			require.Equal(t, "cmd", kept[0].Command)
			if c.packed {
				require.Len(t, entries[0].Values, 1)
			}
		})
	}
}

// TestEvent_NoValueBecomesAnother sends values with a line break. None may become the value of another field.
func TestEvent_NoValueBecomesAnother(t *testing.T) {
	t.Parallel()
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()})
	for _, names := range []fieldgate.Names{
		{Name: "Ann\nuser:root", Email: "e\nother\nses_other"}, {Name: "Ann\neve@example.com"}, {Email: "\n\n"}, {Name: "\r\n"},
	} {
		d := deviceOf(storetest.Tenant())
		scope := store.NewScope(d, store.ActorUser("u1\nuser:root"), "r1\nses", time.Hour).WithNames(names)
		_, err := s.Run(t.Context(), fullEventScript, d.Keys(), scope.Args()...)
		require.NoError(t, err)
		events, _ := eventsIn(t, s, d.TimelineKey())
		require.Equal(t, store.Event{
			Device: "", Type: "test.full", Actor: "user:u1 user:root", Request: "r1 ses", Session: "ses", Command: "cmd",
			Name: strings.ReplaceAll(names.Name, "\n", " "), Email: strings.ReplaceAll(names.Email, "\n", " "), Data: events[0].Data, Trace: events[0].Trace,
		}, events[0])
		require.True(t, strings.HasPrefix(events[0].Data, "{"))
	}
}

// TestEvent_NoValueOfScriptBecomesAnother records an event of a tenant and one with values that do not come
// from the scope, each with a line break.
func TestEvent_NoValueOfScriptBecomesAnother(t *testing.T) {
	t.Parallel()
	hostile := newScript(`
--@include store/base
--@include store/device
--@include store/event
local device, hostile = device_at(1, 1), ARGV[6]
emit_tenant(device.stream, clock(), 'test.tenant', {
  tenant = device.tenant, actor = hostile, name = hostile, email = hostile, request = hostile, data = { text = hostile },
})
emit(device, clock(), 'test.device', { actor = hostile, request = hostile, session = hostile, command = hostile, data = { text = hostile } })
return ok()`)
	s := storetest.Connect(t, store.Config{URL: storetest.Start(t).URL()})
	for _, text := range []string{"a\nb", "\n", "\na", "a\n\nb\n", "100%\n%1", "a\r\nb\x00\u2028"} {
		d := deviceOf(storetest.Tenant())
		_, err := s.Run(t.Context(), hostile, d.Keys(), store.NewScope(d, store.ActorUser("u1"), "r1", time.Hour).Args(text)...)
		require.NoError(t, err)
		events, _ := eventsIn(t, s, store.Tenant(d.Tenant).StreamKey())
		line := strings.ReplaceAll(text, "\n", " ")
		for i, want := range []store.Event{
			{Type: "test.tenant", Actor: line, Name: line, Email: line, Request: line},
			{Type: "test.device", Actor: line, Request: line, Session: line, Command: line, Device: d.ID},
		} {
			var data struct{ Text string }
			require.NoError(t, json.Unmarshal([]byte(events[i].Data), &data))
			require.Equal(t, text, data.Text)
			events[i].Data = ""
			require.Equal(t, want, events[i])
		}
	}
}
