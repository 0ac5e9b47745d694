package model

import "fmt"

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
	if remembered := m.recall(op); remembered != nil {
		return *remembered
	}
	if session := s.Sessions[op.Session]; session.Status != "active" || session.Expires <= s.Now {
		return Response{Code: "session_closed"}
	}
	index := s.expectedIndex()
	if len(index.Ready) >= MaxReady || op.Review && len(index.Pending) >= MaxReady {
		return Response{Code: "device_queue_full"}
	}
	c := m.save(m.newCommand(op), "proposed")
	response := respond("ok", c)
	response.ID = c.ID
	m.remember(op, response, s.Now+IdempotencyTTL)
	return response
}

func (m *Model) newCommand(op Operation) Command {
	seq := len(m.state.Commands) + 1
	c := Command{
		ID: fmt.Sprintf("c%d", seq), Session: op.Session, Proposer: op.UserID, Reviewed: op.Review,
		Priority: op.Priority, MaxAttempts: op.MaxAttempts, Seq: seq, DeliverBy: m.state.Now + op.Span, Status: Queued,
	}
	if op.Review {
		c.Status, c.ApproveBy = PendingApproval, min(m.state.Now+ApproveWithin, c.DeliverBy)
	}
	return c
}

// decide records a user's decision. The first decision is final. The same user may repeat
// the same decision.
func (m *Model) decide(op Operation) Response {
	c, approval := m.state.Commands[op.Command], Approval{"approved", op.UserID}
	if op.Kind == Reject {
		approval.Decision = "rejected"
	}
	if c.Approval == approval {
		return respond("ok", c)
	}
	if code := m.notPending(&c); code != "" {
		return respond(code, c)
	}
	if op.Kind == Approve && !op.SoleUser && c.Proposer == op.UserID {
		return respond("self_approval", c)
	}
	c.Approval, c.Status = approval, Queued
	if op.Kind == Reject {
		c.Status, c.FinishedAt = Rejected, m.state.Now
	}
	return respond("ok", m.save(c, approval.Decision))
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
