package faults_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/store"
)

// transitions maps a state and an event to the next state. When a lease expires, the command's
// status changes; a late result may change that status again.
var transitions = map[string]map[string]string{
	"":               {"proposed": "proposed"},
	"proposed":       {"approved": "queued", "rejected": "rejected", "expired": "expired", "cancelled": "cancelled", "claimed": "claimed"},
	"queued":         {"claimed": "claimed", "expired": "expired", "cancelled": "cancelled", "timed_out": "timed_out"},
	"claimed":        {"cancel_requested": "claimed", "released": "queued", "requeued": "lapsed", "timed_out": "timed_out", "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"lapsed":         {"claimed": "claimed", "expired": "expired late", "cancelled": "cancelled late", "timed_out": "timed_out", "succeeded": "succeeded", "failed": "failed"},
	"timed_out":      {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"expired late":   {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
	"cancelled late": {"succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"},
}

// keepsOther has the states in which another result is refused and kept beside the command.
var keepsOther = map[string]bool{"succeeded": true, "failed": true, "cancelled": true, "cancelled late": true}

// replay derives the state of a command from its timeline and compares it with the stored
// command.
func replay(id string, events []client.Event, stored client.Command) (found []finding) {
	state, attempt, path := "", 0, ""
	for _, e := range events {
		event := strings.TrimPrefix(e.Type, "command.")
		path += " " + event
		next, may := transitions[state][event]
		if event == "result_conflict" && keepsOther[state] {
			continue
		}
		if !may {
			return []finding{{inconsistent, id, fmt.Sprintf("the timeline is impossible:%s", path)}}
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
		found = append(found, finding{inconsistent, id, fmt.Sprintf("the timeline ends as %s and the command is %s:%s", status, stored.Status, path)})
	}
	if attempt != stored.Attempt {
		found = append(found, finding{inconsistent, id, fmt.Sprintf("the timeline has %d attempts and the command has %d", attempt, stored.Attempt)})
	}
	if attempt > stored.MaxAttempts {
		found = append(found, finding{duplicated, id, fmt.Sprintf("the timeline has %d attempts and %d are allowed", attempt, stored.MaxAttempts)})
	}
	return found
}

// checkStructures checks the store's structures after all commands are finished. No command
// may wait or be quarantined, and the realtime stream must have the same events as the
// timelines.
func (s *site) checkStructures() (found []finding) {
	s.t.Helper()
	ctx := s.t.Context()
	note := func(format string, args ...any) {
		found = append(found, finding{inconsistent, "", fmt.Sprintf(format, args...)})
	}
	for _, c := range s.tenants {
		if c.damaged.Load() {
			continue
		}
		streamed, trimmed := s.streamEvents(c)
		for _, d := range c.intact() {
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
			if c.isIntact(member) {
				note("%q is left in the inbox or the quarantine", member)
			}
		}
	}
	return found
}

// streamEvents returns the events of the tenant's stream by device, and reports whether the
// oldest events were trimmed.
func (s *site) streamEvents(c *tenant) (events map[string][]string, trimmed bool) {
	s.t.Helper()
	stream := store.Tenant(c.storeID()).StreamKey()
	events = map[string][]string{}
	for _, e := range s.store.XRange(s.t.Context(), stream, "-", "+").Val() {
		device := store.ParseEvent(e).Device
		events[device] = append(events[device], summary(e))
	}
	info, err := s.store.XInfoStream(s.t.Context(), stream).Result()
	return events, err == nil && info.EntriesAdded > info.Length
}

// isIntact reports whether an entry of the inbox or the quarantine names an undamaged device.
func (c *tenant) isIntact(member string) bool {
	return slices.ContainsFunc(c.intact(), func(d *device) bool { return strings.Contains(member, d.key.ID) })
}

func summary(entry redis.XMessage) string {
	e := store.ParseEvent(entry)
	return e.Type + " " + e.Command + " " + e.Time
}
