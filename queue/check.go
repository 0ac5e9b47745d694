package queue

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of a command, as queue/lua/command.lua has them.
const (
	maxClaims    = 2000           // maximum number of claims, including released ones
	maxExecution = 12 * time.Hour // maximum time from the first claim to the end of the last lease
)

// timelineBatch is the number of events that one read of a timeline returns.
const timelineBatch = 1000

// Check returns the violations of invariants in the commands of a device, and repairs none. It
// runs the check of the script that Reconcile runs, and compares each command with its own
// bounds and with the events in the timeline. Other calls may run at the same time.
func (q *Queue) Check(ctx context.Context, d store.Device) (found []store.Violation, done Reconciled, err error) {
	done, err = q.inBatches(ctx, d, func(entries []string) error {
		_, damages, err := q.compare(ctx, checkScript, d, entries)
		found = append(found, damages...)
		return err
	})
	if err != nil {
		return nil, done, err
	}
	others, err := q.checkStates(ctx, d)
	return append(found, others...), done, err
}

// CheckInbox returns the violations that ReconcileInbox would repair.
func (q *Queue) CheckInbox(ctx context.Context, tenant string) (found []store.Violation, err error) {
	err = q.eachInInbox(ctx, tenant, func(d store.Device, entry string) error {
		_, damages, err := q.compare(ctx, checkScript, d, []string{entry})
		found = append(found, damages...)
		return err
	})
	return found, err
}

// checkStates checks the states of the commands of a device, and the statements that they have. It reads
// the timeline after the states, so that the timeline has the events of all that the states show.
func (q *Queue) checkStates(ctx context.Context, d store.Device) ([]store.Violation, error) {
	states := map[string]state{}
	err := q.eachState(ctx, d, func(id, raw string) {
		if s, err := decodeState(raw); err == nil {
			states[id] = s
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading the commands of a device: %w", err)
	}
	if len(states) == 0 {
		return nil, nil
	}
	told, err := q.readTimeline(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("reading the timeline of a device: %w", err)
	}
	found, err := q.checkStatements(ctx, d, states)
	for id, s := range states {
		found = append(found, s.violations(d, id, told)...)
	}
	return found, err
}

// checkStatements compares the statements of commands with their digests and their states. What they
// compare never changes during the life of a command.
func (q *Queue) checkStatements(ctx context.Context, d store.Device, states map[string]state) (found []store.Violation, err error) {
	for ids := range slices.Chunk(slices.Collect(maps.Keys(states)), listBatch) {
		fields := make([]string, len(ids))
		for i, id := range ids {
			fields[i] = id + ":body"
		}
		var bodies store.Reply
		err := q.store.Do(ctx, "check_statements", func(ctx context.Context, c store.Client) (err error) {
			bodies, err = c.HMGet(ctx, d.CommandsKey(), fields...).Result()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the statements of a device: %w", err)
		}
		for i, id := range ids {
			r := record{tenant: d.Tenant, deviceID: d.ID, id: id, body: bodies.String(i)}
			if isStatement(r.body) && verifyStatement(r, states[id]) != nil {
				found = append(found, store.Violation{
					Invariant: ApprovedIsWhatRuns, Damage: "statement, digest and state do not agree", ID: id, Device: d.ID,
				})
			}
		}
	}
	return found, nil
}

// violations returns the violations in the state of one command.
func (s state) violations(d store.Device, id string, told timeline) (found []store.Violation) {
	add := func(invariant store.Invariant, damage string) {
		found = append(found, store.Violation{Invariant: invariant, Damage: damage, ID: id, Device: d.ID})
	}
	if s.Attempt > s.Max || s.Claims > maxClaims {
		add(AttemptsBounded, fmt.Sprintf("%d attempts of %d, %d claims", s.Attempt, s.Max, s.Claims))
	}
	if s.Status == Claimed && s.Visible > s.First+maxExecution.Milliseconds() {
		add(ExecutionCapped, "a lease that ends more than 12 h after the first claim")
	}
	// A claim that was taken back may be what made the command wait for its approval: see applyPolicy.
	if s.lacksApproval() && (s.Status == Claimed || s.Claims > 0 && !s.Returned) {
		add(NoUnapprovedClaim, "claimed without the approvals that it needs")
	}
	if !s.areVotesDistinct() {
		add(VotesAreDistinct, "two votes of one user, or one of the proposer")
	}
	if s.isUntold(told.commands[id], told.begin) {
		add(EverythingIsTold, "no event for "+string(s.Status)+" in the timeline")
	}
	return found
}

// isUntold reports whether the timeline lacks the event of the last change of the status, or of a
// claim. The timeline is trimmed by age, so it proves nothing about changes before begin.
func (s state) isUntold(events events, begin int64) bool {
	changed := s.Created
	switch {
	case s.Status.Final():
		changed = s.Finished
	case s.Status == Claimed:
		changed = s.Claimed
	case s.Status == Queued && s.Queued > 0:
		changed = s.Queued
	}
	return begin < changed && !events.statuses[s.Status] || begin < s.Created && events.claims < s.Claims
}

// timeline holds what the timeline of a device has recorded about its commands.
type timeline struct {
	begin    int64 // time of the oldest event, in Unix ms; the end of time if there is none
	commands map[string]events
}

// events describes the events of one command.
type events struct {
	statuses map[Status]bool // the statuses that the events set
	claims   int
}

// readTimeline reads the timeline of a device.
func (q *Queue) readTimeline(ctx context.Context, d store.Device) (timeline, error) {
	t, from := timeline{begin: math.MaxInt64, commands: map[string]events{}}, "-"
	for {
		var entries []redis.XMessage
		err := q.store.Do(ctx, "check_timeline", func(ctx context.Context, c store.Client) (err error) {
			entries, err = c.XRangeN(ctx, d.TimelineKey(), from, "+", timelineBatch).Result()
			return err
		})
		if err != nil {
			return timeline{}, err
		}
		for _, entry := range entries {
			t.add(store.ParseEvent(entry))
		}
		if len(entries) < timelineBatch {
			return t, nil
		}
		from = "(" + entries[len(entries)-1].ID
	}
}

// add adds one event of the timeline.
func (t *timeline) add(event store.Event) {
	t.begin = min(t.begin, store.ParseTime(event.Time).UnixMilli())
	if event.Command == "" {
		return
	}
	e, found := t.commands[event.Command]
	if !found {
		e.statuses = map[Status]bool{}
	}
	for _, status := range statusesAfter(event.Type) {
		e.statuses[status] = true
	}
	if event.Type == "command.claimed" {
		e.claims++
	}
	t.commands[event.Command] = e
}

// statusesAfter returns the statuses that a command may have after an event of this type.
func statusesAfter(event string) []Status {
	switch event = strings.TrimPrefix(event, "command."); event {
	case "proposed":
		return []Status{PendingApproval, Queued}
	case "approved", "requeued", "released":
		return []Status{Queued}
	case "vote", "vote_withdrawn", "break_glass", "break_glass_reviewed":
		return nil // the status stays, or is pending_approval as after the proposal
	}
	return []Status{Status(event)}
}
