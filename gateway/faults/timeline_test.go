package faults_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store"
)

// after says which events may follow in each state, and what state they lead to.
// A result that comes late corrects what time has made of a claimed command.
var after = map[string]map[string]string{
	"":               {"proposed": "proposed"},
	"proposed":       {"approved": "queued", "rejected": "rejected", "expired": "expired", "cancelled": "cancelled", "claimed": "claimed"},
	"queued":         {"claimed": "claimed", "expired": "expired", "cancelled": "cancelled", "timed_out": "timed_out"},
	"claimed":        {"cancel_requested": "claimed", "released": "queued", "requeued": "lapsed", "timed_out": "timed_out", "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"lapsed":         {"claimed": "claimed", "expired": "expired late", "cancelled": "cancelled late", "timed_out": "timed_out", "succeeded": "succeeded", "failed": "failed"},
	"timed_out":      {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"expired late":   {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"cancelled late": {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
}

// replay lives the life of a command again from its timeline, and holds it against
// what is stored.
func replay(id string, events []client.Event, stored client.Command) (found []finding) {
	state, attempt, path := "", 0, ""
	for _, e := range events {
		event := strings.TrimPrefix(e.Type, "command.")
		path += " " + event
		next, may := after[state][event]
		if !may {
			return []finding{{wrong, id, fmt.Sprintf("its timeline is impossible:%s", path)}}
		}
		switch event {
		case "claimed":
			attempt++
		case "released":
			attempt--
		}
		state = next
	}
	if status := strings.TrimSuffix(state, " late"); status != string(stored.Status) {
		found = append(found, finding{wrong, id, fmt.Sprintf("its timeline ends as %s and it is %s:%s", status, stored.Status, path)})
	}
	if attempt != stored.Attempt {
		found = append(found, finding{wrong, id, fmt.Sprintf("its timeline has %d attempts and it has %d", attempt, stored.Attempt)})
	}
	if attempt > stored.MaxAttempts {
		found = append(found, finding{twice, id, fmt.Sprintf("it was handed out %d times and may be %d times", attempt, stored.MaxAttempts)})
	}
	return found
}

// structures looks into the store itself: after everything has come to its end,
// nothing waits, nothing is overdue, nothing was set aside, and the stream for
// realtime says what the timelines say.
func (s *site) structures() (found []finding) {
	s.t.Helper()
	ctx := s.t.Context()
	note := func(format string, args ...any) {
		found = append(found, finding{wrong, "", fmt.Sprintf(format, args...)})
	}
	for _, c := range s.customers {
		if c.spoiled.Load() {
			continue
		}
		streamed, trimmed := s.streamed(c)
		for _, d := range c.well() {
			keys := d.key.Keys()
			if n := s.store.SCard(ctx, keys[cancelsKey]).Val(); n > 0 {
				note("%d requests to cancel are left of device %s", n, d.name)
			}
			var kept []string
			for _, e := range s.store.XRange(ctx, keys[timelineKey], "-", "+").Val() {
				kept = append(kept, summary(e))
			}
			if last := streamed[d.key.ID]; trimmed && len(last) < len(kept) {
				kept = kept[len(kept)-len(last):]
			}
			if !slices.Equal(kept, streamed[d.key.ID]) {
				note("the stream and the timeline of device %s differ", d.name)
			}
		}
		keys := c.devices[0].key.Keys()
		for _, member := range append(s.store.ZRange(ctx, keys[inboxKey], 0, -1).Val(), s.store.LRange(ctx, keys[quarantineKey], 0, -1).Val()...) {
			if c.isWell(member) {
				note("%q is left in the inbox or was set aside", member)
			}
		}
	}
	return found
}

// streamed gives what the customer's stream says of each device, and whether the
// stream has grown so long that the oldest events were dropped.
func (s *site) streamed(c *customer) (events map[string][]string, trimmed bool) {
	s.t.Helper()
	stream := store.Tenant(c.tenant()).StreamKey()
	events = map[string][]string{}
	for _, e := range s.store.XRange(s.t.Context(), stream, "-", "+").Val() {
		device, _ := e.Values["device"].(string)
		events[device] = append(events[device], summary(e))
	}
	info, err := s.store.XInfoStream(s.t.Context(), stream).Result()
	return events, err == nil && info.EntriesAdded > info.Length
}

// isWell tells whether a member names a device that is well.
func (c *customer) isWell(member string) bool {
	return slices.ContainsFunc(c.well(), func(d *device) bool { return strings.Contains(member, d.key.ID) })
}

func summary(e redis.XMessage) string {
	return fmt.Sprint(e.Values["type"], " ", e.Values["command"], " ", e.Values["time"])
}
