package faults_test

import (
	"context"
	"fmt"
	"strings"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// finding is a difference between the responses that clients received and the stored state.
type finding struct {
	kind    kind
	command string
	what    string // description of the difference
}

// kind classifies a finding.
type kind string

// Kinds of findings.
const (
	lost         kind = "lost"         // accepted, but not stored
	duplicated   kind = "duplicated"   // claimed more often than allowed, or created twice
	inconsistent kind = "inconsistent" // any other difference
)

// verify compares the history with the stored records after the workload is finished. If
// commands differ, it fails the test with the seed and the history of these commands.
func (s *site) verify() {
	s.t.Helper()
	s.reportFindings(s.findings())
	s.t.Logf("seed %d: %d commands accepted, %d claims, calls repeated after %v", s.seed, len(s.history.nonces), len(s.history.claims), s.history.retries)
}

// maxFailoverFindings is the maximum number of findings that a failover may cause. They occur
// because a replica may lack the last writes that its master acknowledged.
const maxFailoverFindings = 10

// verifyAfterFailover is like verify, but allows up to maxFailoverFindings findings.
// Replication is asynchronous and the gateway does not wait for it. The last accepted
// commands may therefore be lost.
func (s *site) verifyAfterFailover() {
	s.t.Helper()
	found := s.findings()
	if len(found) <= maxFailoverFindings {
		s.t.Logf("seed %d: %d findings from the time of the failover: %v", s.seed, len(found), found)
		return
	}
	s.reportFindings(found)
}

// reportFindings fails the test with the findings and a command that repeats the run.
func (s *site) reportFindings(found []finding) {
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
		len(found), seedSetting, s.seed, s.t.Name(), text.String(), s.history.linesWith(ids))
}

// findings returns all differences between the history and the store.
func (s *site) findings() (found []finding) {
	s.t.Helper()
	state := s.readState()
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	found = append(found, s.history.violations...)
	found = append(found, state.violations...)
	for id, told := range s.history.commands {
		if state.devices[told.device] {
			found = append(found, told.compare(id, state)...)
		}
	}
	found = append(found, state.unknownCommands(s.history)...)
	for id, events := range state.timelines {
		found = append(found, replay(id, events, state.commands[id])...)
	}
	for _, what := range state.missing {
		found = append(found, finding{lost, "", what})
	}
	return append(found, s.checkStructures()...)
}

// storedState is the stored state as the API returns it.
type storedState struct {
	devices    map[string]bool // undamaged devices
	commands   map[string]client.Command
	timelines  map[string][]client.Event // by command, in order
	missing    []string                  // sessions that were opened but are not stored
	violations []finding
}

func (s *site) readState() *storedState {
	s.t.Helper()
	b := &storedState{devices: map[string]bool{}, commands: map[string]client.Command{}, timelines: map[string][]client.Event{}}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	known := map[string]bool{}
	for _, c := range s.tenants {
		for _, d := range c.intact() {
			b.devices[d.key.ID] = true
		}
		if c.damaged.Load() {
			continue
		}
		for session, err := range c.alice.AllSessions(ctx, client.ListSessionsParams{}) {
			if err != nil {
				b.violations = append(b.violations, finding{inconsistent, "", "listing the sessions: " + err.Error()})
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

func (b *storedState) readSession(ctx context.Context, c *tenant, session string) {
	for command, err := range c.alice.AllCommands(ctx, session, client.ListCommandsParams{}) {
		if err != nil {
			b.violations = append(b.violations, finding{inconsistent, session, "listing the commands: " + err.Error()})
			return
		}
		if command.ResultOmitted {
			if command, err = c.alice.Command(ctx, session, command.ID); err != nil {
				b.violations = append(b.violations, finding{inconsistent, session, "reading a command: " + err.Error()})
				return
			}
		}
		b.commands[command.ID] = command
	}
	for event, err := range c.alice.AllEvents(ctx, session, client.ListSessionEventsParams{}) {
		if err != nil {
			b.violations = append(b.violations, finding{inconsistent, session, "reading the timeline: " + err.Error()})
			return
		}
		if event.CommandID != "" {
			b.timelines[event.CommandID] = append(b.timelines[event.CommandID], event)
		}
	}
}

// compare compares the responses that clients received about a command with the stored state.
func (t *commandHistory) compare(id string, b *storedState) (found []finding) {
	note := func(k kind, format string, args ...any) {
		found = append(found, finding{k, id, fmt.Sprintf(format, args...)})
	}
	stored, there := b.commands[id]
	if !there {
		note(lost, "the command is not stored")
		return found
	}
	if !final(stored.Status) {
		note(inconsistent, "the command is still %s", stored.Status)
	}
	if t.decision != nil && stored.Approval.Decision != decisionOf(*t.decision) {
		note(lost, "the decision %s is stored as %q", decisionOf(*t.decision), stored.Approval.Decision)
	}
	if len(t.results) > 1 {
		note(inconsistent, "%d different results were accepted", len(t.results))
	}
	for _, r := range t.results {
		if string(stored.Status) != string(r.status) || stored.Result == nil || stored.Result.Output != r.output {
			note(lost, "the result %s %s is stored as %s %+v", r.status, r.output, stored.Status, stored.Result)
		}
	}
	if stored.Result != nil && t.refused[stored.Result.Output] {
		note(inconsistent, "the stored result was refused when it was repeated")
	}
	if t.cancelled && stored.Status != client.CommandStatusCancelled && len(t.claims) == 0 {
		note(lost, "the command was cancelled and is stored as %s", stored.Status)
	}
	if len(t.claims) > 0 && needsApproval(stored) && stored.Approval.Decision != client.DecisionApproved {
		note(inconsistent, "the command was claimed without an approval")
	}
	if claims := len(t.claims) - releases(b.timelines[id]); claims > stored.MaxAttempts {
		note(duplicated, "the command was claimed %d times and may be claimed %d times", claims, stored.MaxAttempts)
	}
	return found
}

// releases returns the number of claims that were released.
func releases(events []client.Event) (n int) {
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

// unknownCommands returns findings for commands that no client proposed, and for a second
// command of one proposal.
func (b *storedState) unknownCommands(h *history) (found []finding) {
	seen := map[string]string{}
	for id, c := range b.commands {
		key := strings.TrimSuffix(strings.TrimPrefix(string(c.Parameters), `{"nonce":"`), `"}`)
		switch {
		case !h.attempted[key]:
			found = append(found, finding{inconsistent, id, "no client proposed the command"})
		case seen[key] != "":
			found = append(found, finding{duplicated, id, "the proposal " + key + " also created " + seen[key]})
		case h.nonces[key] != "" && h.nonces[key] != id:
			found = append(found, finding{duplicated, id, "the response to the proposal " + key + " was " + h.nonces[key]})
		}
		seen[key] = id
	}
	return found
}
