package faults_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// finding is something that should not be.
type finding struct {
	kind    kind
	command string
	what    string
}

// kind is what sort of harm was done.
type kind string

// Kinds of findings.
const (
	lost  kind = "lost"  // it was accepted and is not there
	twice kind = "twice" // it was handed out more often than it may
	wrong kind = "wrong" // all else
)

// account holds what everybody was told against what is stored, after everything
// has come to its end, and fails with the seed and the history where they differ.
func (s *site) account() {
	s.t.Helper()
	s.fail(s.findings())
	s.t.Logf("seed %d: %d commands accepted, %d claims, repeated after %v", s.seed, len(s.history.nonces), len(s.history.claims), s.history.unknown)
}

// lately is how many commands may be spoiled because a master died before its
// replica had what was answered: those of the last moment.
const lately = 10

// accountButLately is account where a replica takes over, which may not have the
// last of what was accepted. Replication is asynchronous, and the gateway does not
// wait for it.
func (s *site) accountButLately() {
	s.t.Helper()
	found := s.findings()
	if len(found) <= lately {
		s.t.Logf("seed %d: %d findings of the last moment: %v", s.seed, len(found), found)
		return
	}
	s.fail(found)
}

// fail tells what was found, and how to see it again.
func (s *site) fail(found []finding) {
	s.t.Helper()
	if len(found) == 0 {
		return
	}
	ids := map[string]bool{}
	var text strings.Builder
	for _, f := range found[:min(len(found), 20)] {
		fmt.Fprintf(&text, "%s: %s %s\n", f.kind, f.command, f.what)
		ids[f.command] = true
	}
	s.t.Errorf("%d findings with %s=%d, to be repeated with -run '%s':\n%s\nhistory:\n%s",
		len(found), seedSetting, s.seed, s.t.Name(), text.String(), s.history.about(ids))
}

// findings makes the accounts.
func (s *site) findings() (found []finding) {
	s.t.Helper()
	books := s.read()
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	found = append(found, s.history.wrong...)
	found = append(found, books.wrong...)
	for id, told := range s.history.commands {
		if books.devices[told.device] {
			found = append(found, told.compare(id, books)...)
		}
	}
	found = append(found, books.strangers(s.history)...)
	for id, events := range books.timelines {
		found = append(found, replay(id, events, books.commands[id])...)
	}
	for _, what := range books.missing {
		found = append(found, finding{lost, "", what})
	}
	return append(found, s.structures()...)
}

// books are what is stored.
type books struct {
	devices   map[string]bool // of which something can be expected
	commands  map[string]client.Command
	timelines map[string][]client.Event // by command, in order
	missing   []string                  // sessions that were opened
	wrong     []finding
}

func (s *site) read() *books {
	s.t.Helper()
	b := &books{devices: map[string]bool{}, commands: map[string]client.Command{}, timelines: map[string][]client.Event{}}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	known := map[string]bool{}
	for _, c := range s.customers {
		for _, d := range c.well() {
			b.devices[d.key.ID] = true
		}
		if c.spoiled.Load() {
			continue
		}
		for session, err := range c.alice.AllSessions(ctx, client.ListSessionsParams{}) {
			if err != nil {
				b.wrong = append(b.wrong, finding{wrong, "", "listing the sessions: " + err.Error()})
				break
			}
			known[session.ID] = true
			if b.devices[session.DeviceID] {
				b.readSession(ctx, c, session.ID)
			}
		}
	}
	for id, d := range s.history.sessions {
		if !known[id] && b.devices[d.key.ID] {
			b.missing = append(b.missing, "the session "+id)
		}
	}
	return b
}

func (b *books) readSession(ctx context.Context, c *customer, session string) {
	for command, err := range c.alice.AllCommands(ctx, session, client.ListCommandsParams{}) {
		if err != nil {
			b.wrong = append(b.wrong, finding{wrong, session, "listing the commands: " + err.Error()})
			return
		}
		b.commands[command.ID] = command
	}
	for event, err := range c.alice.AllEvents(ctx, session, client.ListSessionEventsParams{}) {
		if err != nil {
			b.wrong = append(b.wrong, finding{wrong, session, "reading the timeline: " + err.Error()})
			return
		}
		if event.CommandID != "" {
			b.timelines[event.CommandID] = append(b.timelines[event.CommandID], event)
		}
	}
}

// compare holds what was told of a command against what is stored.
func (t *told) compare(id string, b *books) (found []finding) {
	note := func(k kind, format string, args ...any) {
		found = append(found, finding{k, id, fmt.Sprintf(format, args...)})
	}
	stored, there := b.commands[id]
	if !there {
		note(lost, "the command is not there")
		return found
	}
	if !final(stored.Status) {
		note(wrong, "it is still %s", stored.Status)
	}
	if t.decision != nil && stored.Approval.Decision != decisionOf(*t.decision) {
		note(lost, "the decision %s is stored as %q", decisionOf(*t.decision), stored.Approval.Decision)
	}
	if len(t.results) > 1 {
		note(wrong, "%d different results were accepted", len(t.results))
	}
	for _, r := range t.results {
		if string(stored.Status) != string(r.status) || stored.Result == nil || stored.Result.Output != r.output {
			note(lost, "the result %s %s is stored as %s %+v", r.status, r.output, stored.Status, stored.Result)
		}
	}
	if stored.Result != nil && t.refused[stored.Result.Output] {
		note(wrong, "the result that stands was refused when it was repeated")
	}
	if t.cancelled && stored.Status != client.CommandStatusCancelled && len(t.claims) == 0 {
		note(lost, "it was cancelled and is %s", stored.Status)
	}
	if len(t.claims) > 0 && needsApproval(stored) && stored.Approval.Decision != client.DecisionApproved {
		note(wrong, "it was handed out without an approval")
	}
	if handed := len(t.claims) - t.givenBack(b.timelines[id]); handed > stored.MaxAttempts {
		note(twice, "it was handed out %d times and may be %d times", handed, stored.MaxAttempts)
	}
	return found
}

// givenBack counts the claims that were released.
func (t *told) givenBack(events []client.Event) (n int) {
	for _, e := range events {
		if e.Type == "command.released" {
			n++
		}
	}
	return n
}

func decisionOf(approved bool) client.Decision {
	if approved {
		return client.DecisionApproved
	}
	return client.DecisionRejected
}

func needsApproval(c client.Command) bool { return !c.ApproveBy.IsZero() }

func final(s client.CommandStatus) bool {
	return s != client.CommandStatusPendingApproval && s != client.CommandStatusQueued && s != client.CommandStatusClaimed
}

// strangers finds commands that nobody asked for, and second ones of a proposal.
func (b *books) strangers(h *history) (found []finding) {
	seen := map[string]string{}
	for id, c := range b.commands {
		key := strings.TrimSuffix(strings.TrimPrefix(string(c.Parameters), `{"nonce":"`), `"}`)
		switch {
		case !h.tried[key]:
			found = append(found, finding{wrong, id, "nobody proposed it"})
		case seen[key] != "":
			found = append(found, finding{twice, id, "the proposal " + key + " made also " + seen[key]})
		case h.nonces[key] != "" && h.nonces[key] != id:
			found = append(found, finding{twice, id, "the proposal " + key + " was answered with " + h.nonces[key]})
		}
		seen[key] = id
	}
	return found
}
