package model

import (
	"fmt"
	"slices"
)

// open opens a session. It first ends the device's current session if that one has expired but
// was not settled.
func (m *Model) open(op Operation) Response {
	s := &m.state
	if s.Device != "active" {
		return Response{Code: "device_not_active"}
	}
	if s.Session != "" && s.Sessions[s.Session].Expires > s.Now {
		return Response{Code: "session_active"}
	}
	if s.Session != "" {
		m.endSession("expired", Expired)
	}
	s.Session = fmt.Sprintf("s%d", len(s.Sessions)+1)
	s.Sessions[s.Session] = Session{Status: "active", Expires: s.Now + op.Span}
	return Response{Code: "ok", ID: s.Session}
}

// close closes a session. The status of a session that has ended does not change.
func (m *Model) close(op Operation) Response {
	if op.Session == m.state.Session {
		m.endSession(m.endStatus(), Expired)
	}
	return Response{Code: "ok", Status: Status(m.state.Sessions[op.Session].Status)}
}

// endStatus returns the status of the device's session if it ends now: expired if its time has
// passed, otherwise closed.
func (m *Model) endStatus() string {
	if m.state.Sessions[m.state.Session].Expires <= m.state.Now {
		return "expired"
	}
	return "closed"
}

// endSession ends the device's session with sessionStatus. The commands of the session that
// are queued or pending approval get commandStatus.
func (m *Model) endSession(sessionStatus string, commandStatus Status) {
	s := &m.state
	ended := s.Sessions[s.Session]
	ended.Status, ended.Ended = sessionStatus, s.Now
	s.Sessions[s.Session] = ended
	s.Session = ""
	for _, c := range s.commandsInOrder() {
		if c.Status == Queued || c.Status == PendingApproval {
			m.finish(c, commandStatus)
		}
	}
}

// finish moves a command to a final status.
func (m *Model) finish(c Command, status Status) Command {
	c.Status, c.FinishedAt = status, m.state.Now
	return m.save(c, string(status))
}

// propose creates a command. No other operation creates one.
func (m *Model) propose(op Operation) Response {
	s := &m.state
	if s.Policy.RuleOf(op.Type).Denies {
		return Response{Code: "command_denied"}
	}
	if remembered := m.recall(op); remembered != nil {
		return *remembered
	}
	if session := s.Sessions[op.Session]; session.Status != "active" || session.Expires <= s.Now {
		return Response{Code: "session_closed"}
	}
	index, rule := s.expectedIndex(), s.Policy.RuleOf(op.Type)
	if len(index.Ready) >= MaxReady || rule.Required > 0 && len(index.Pending) >= MaxReady {
		return Response{Code: "device_queue_full"}
	}
	c := m.save(m.newCommand(op), "proposed")
	response := respond("ok", c)
	response.ID = c.ID
	m.remember(op, response, s.Now+IdempotencyTTL)
	return response
}

func (m *Model) newCommand(op Operation) Command {
	seq, required := len(m.state.Commands)+1, m.state.Policy.RuleOf(op.Type).Required
	c := Command{
		ID: fmt.Sprintf("c%d", seq), Session: op.Session, Type: op.Type, Proposer: op.UserID, Reviewed: required > 0, Required: raised(0, required),
		Priority: op.Priority, MaxAttempts: op.MaxAttempts, Seq: seq, Status: Queued,
		DeliverBy: min(m.state.Now+op.Span, m.state.Sessions[op.Session].Expires),
	}
	if c.Reviewed {
		c.Status, c.ApproveBy = PendingApproval, min(m.state.Now+ApproveWithin, c.DeliverBy)
	}
	return c
}

// decide records a user's vote. The last approval that the command needs, one without other users, or one
// rejection ends the wait. The same user may repeat the same vote.
func (m *Model) decide(op Operation) Response {
	c := m.state.Commands[op.Command]
	decision := Approval{By: op.UserID, Decision: "approved", Glass: op.Kind == BreakGlass}
	if op.Kind == Reject {
		decision.Decision = "rejected"
	}
	if op.Kind != Reject && c.Status == PendingApproval && m.state.Policy.RuleOf(c.Type).refuses(op.Kind) {
		return Response{Code: "command_denied"}
	}
	if c.isRepeated(decision) {
		return respond("ok", c)
	}
	if code := m.notPending(&c); code != "" {
		return respond(code, c)
	}
	if op.Kind != Reject {
		c.Required = raised(c.Required, m.state.Policy.RuleOf(c.Type).Required)
	}
	if op.Kind == Approve && c.Proposer == op.UserID && (!op.SoleUser || c.Required > 1) {
		return respond("self_approval", c)
	}
	if op.Kind == BreakGlass && c.Proposer == op.UserID && !c.proposerMayBreakGlass() {
		return respond("self_approval", c)
	}
	if op.Kind == BreakGlass && c.Broken != "" {
		return respond("command_denied", c)
	}
	if op.Kind == Approve && len(c.Votes)+1 < c.Required {
		c.Votes = append(slices.Clip(c.Votes), op.UserID)
		return respond("ok", m.save(c, "vote"))
	}
	return respond("ok", m.endWait(c, decision))
}

// proposerMayBreakGlass reports whether the rule lets an admin approve alone what they have proposed: that
// of Paired commands does not.
func (c Command) proposerMayBreakGlass() bool { return c.Type != Paired }

// endWait records the decision that ends the wait. It takes the place of an earlier vote of the user.
func (m *Model) endWait(c Command, decision Approval) Command {
	c.Votes = without(c.Votes, decision.By)
	c.Approval, c.Status = decision, Queued
	if decision.Decision == "rejected" {
		c.Status, c.FinishedAt = Rejected, m.state.Now
	}
	events := []string{decision.Decision}
	switch {
	case decision.Glass:
		c.Broken = decision.By
		events = []string{"break_glass", "approved"}
	case c.Required > 1:
		events = []string{"vote", decision.Decision}
	}
	return m.save(c, events...)
}

// isRepeated reports whether the command has the vote already. An admin who has approved alone may repeat
// that as an approval.
func (c Command) isRepeated(vote Approval) bool {
	if c.Approval.By == vote.By && c.Approval.By != "" {
		return c.Approval.Decision == vote.Decision && (c.Approval.Glass || !vote.Glass)
	}
	return vote.Decision == "approved" && !vote.Glass && slices.Contains(c.Votes, vote.By)
}

// without returns the users apart from one. It returns nil instead of an empty list.
func without(users []string, user string) (others []string) {
	for _, other := range users {
		if other != user {
			others = append(others, other)
		}
	}
	return others
}

// withdraw takes back an approval of a command that no device has claimed. The command waits again if it
// lacks the approval.
func (m *Model) withdraw(op Operation) Response {
	c := m.state.Commands[op.Command]
	m.settle(&c)
	switch {
	case c.Status.Final():
		return respond("command_finished", c)
	case c.Status == Claimed || c.Attempt > 0:
		return respond("already_claimed", c)
	case c.Approval.By != op.UserID && !slices.Contains(c.Votes, op.UserID):
		if c.Withdrawn != op.UserID {
			return respond("vote_not_found", c)
		}
		return respond("ok", c)
	}
	c.Withdrawn = op.UserID
	if c.Approval.By == op.UserID {
		c.Approval = Approval{}
	}
	c.Votes = without(c.Votes, op.UserID)
	if c.Approval.Glass {
		return respond("ok", m.save(c, "vote_withdrawn"))
	}
	if c.Approval.By != "" {
		c.Votes = append(slices.Clip(c.Votes), c.Approval.By)
	}
	c.Approval, c.Status = Approval{}, PendingApproval
	c = m.save(c, "vote_withdrawn to pending_approval")
	m.settle(&c)
	return respond("ok", c)
}

// notPending returns the code of the refusal for a decision on a command that is no longer
// pending approval. It returns an empty string for a pending command.
func (m *Model) notPending(c *Command) string {
	switch {
	case c.Approval != Approval{}:
		return "already_decided"
	case c.Status == PendingApproval:
		ended := m.state.sessionEnded(*c)
		if settled := m.settle(c); settled && ended {
			return "session_closed"
		} else if settled {
			return "approval_expired"
		}
		return ""
	case c.Status == Expired && c.Reviewed && c.FinishedAt < c.ApproveBy:
		return "session_closed"
	case c.Status == Expired && c.Reviewed:
		return "approval_expired"
	case c.Status.Final():
		return "command_finished"
	}
	return "already_decided"
}

// cancel ends a command that is not claimed, and asks the device to stop a claimed one.
func (m *Model) cancel(op Operation) Response {
	c := m.state.Commands[op.Command]
	m.settle(&c)
	switch {
	case c.Status == Cancelled:
	case c.Status.Final():
		return respond("command_finished", c)
	case c.Status != Claimed:
		c = m.finish(c, Cancelled)
	case !c.CancelRequested:
		c.CancelRequested = true
		c = m.save(c, "cancel_requested")
	}
	return respond("ok", c)
}

// resolve ends the conflict of the device's instances.
func (m *Model) resolve(Operation) Response {
	if m.state.Device == "decommissioned" {
		return Response{Code: "device_decommissioned"}
	}
	m.state.Conflict = false
	return ok()
}

// suspend suspends the device, so that it can no longer claim. The session and the commands do
// not change.
func (m *Model) suspend(Operation) Response {
	if m.state.Device == "decommissioned" {
		return Response{Code: "device_decommissioned"}
	}
	m.state.Device = "suspended"
	return ok()
}

func (m *Model) resume(Operation) Response {
	if m.state.Device == "decommissioned" {
		return Response{Code: "device_decommissioned"}
	}
	m.state.Device = "active"
	return ok()
}

// decommission takes the device out of service and ends its session. Its claimed commands
// stay claimed until their leases end.
func (m *Model) decommission(Operation) Response {
	if m.state.Device == "decommissioned" {
		return ok()
	}
	m.state.Device = "decommissioned"
	if m.state.Session != "" {
		m.endSession(m.endStatus(), Cancelled)
	}
	return ok()
}
