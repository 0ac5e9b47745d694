package model

import "fmt"

// open opens a session. One that is over, and only has not been ended yet, is
// not in the way.
func (m *Model) open(e Event) Answer {
	s := &m.state
	if s.Device != "active" {
		return Answer{Code: "device_not_active"}
	}
	if s.Session != "" && s.Sessions[s.Session].Until > s.Now {
		return Answer{Code: "session_active"}
	}
	if s.Session != "" {
		m.endSession("expired", Expired)
	}
	s.Session = fmt.Sprintf("s%d", len(s.Sessions)+1)
	s.Sessions[s.Session] = Session{Status: "active", Until: s.Now + e.Span}
	return Answer{Code: "ok", ID: s.Session}
}

// close ends a session; one that has ended stays as it ended.
func (m *Model) close(e Event) Answer {
	if e.Session == m.state.Session {
		m.endSession(m.howItEnds(), Expired)
	}
	return Answer{Code: "ok", Status: Status(m.state.Sessions[e.Session].Status)}
}

// howItEnds says how the device's session ends when somebody ends it now: one
// whose time is over has expired already.
func (m *Model) howItEnds() string {
	if m.state.Sessions[m.state.Session].Until <= m.state.Now {
		return "expired"
	}
	return "closed"
}

// endSession ends the device's session, and with it all that nobody has claimed.
func (m *Model) endSession(how string, waiting Status) {
	s := &m.state
	ended := s.Sessions[s.Session]
	ended.Status, ended.Ended = how, s.Now
	s.Sessions[s.Session] = ended
	s.Session = ""
	for _, c := range s.inOrder() {
		if c.Status == Queued || c.Status == PendingApproval {
			m.finish(c, waiting)
		}
	}
}

// finish ends a command.
func (m *Model) finish(c Command, status Status) Command {
	c.Status, c.Finished = status, m.state.Now
	return m.keep(c, string(status))
}

// propose is the only way in.
func (m *Model) propose(e Event) Answer {
	s := &m.state
	if said := m.recall(e); said != nil {
		return *said
	}
	if session := s.Sessions[e.Session]; session.Status != "active" || session.Until <= s.Now {
		return Answer{Code: "session_closed"}
	}
	index := s.indexed()
	if len(index.Ready) >= Bound || e.Review && len(index.Pending) >= Bound {
		return Answer{Code: "device_queue_full"}
	}
	c := m.keep(m.proposed(e), "proposed")
	answer := told("ok", c)
	answer.ID = c.ID
	m.remember(e, answer, s.Now+Memory)
	return answer
}

func (m *Model) proposed(e Event) Command {
	seq := len(m.state.Commands) + 1
	c := Command{
		ID: fmt.Sprintf("c%d", seq), Session: e.Session, Proposer: e.By, Reviewed: e.Review,
		Priority: e.Priority, Max: e.Max, Seq: seq, DeliverBy: m.state.Now + e.Span, Status: Queued,
	}
	if e.Review {
		c.Status, c.ApproveBy = PendingApproval, min(m.state.Now+Decide, c.DeliverBy)
	}
	return c
}

// decide records a person's decision, once.
func (m *Model) decide(e Event) Answer {
	c, approval := m.state.Commands[e.Command], Approval{"approved", e.By}
	if e.Kind == Reject {
		approval.Decision = "rejected"
	}
	if c.Approval == approval {
		return told("ok", c)
	}
	if code := m.undecidable(&c); code != "" {
		return told(code, c)
	}
	if e.Kind == Approve && !e.Sole && c.Proposer == e.By {
		return told("self_approval", c)
	}
	c.Approval, c.Status = approval, Queued
	if e.Kind == Reject {
		c.Status, c.Finished = Rejected, m.state.Now
	}
	return told("ok", m.keep(c, approval.Decision))
}

// undecidable says why nobody can decide about the command any more, if so.
func (m *Model) undecidable(c *Command) string {
	switch {
	case c.Approval != Approval{}:
		return "already_decided"
	case c.Status == PendingApproval:
		over := m.state.sessionOver(*c)
		if settled := m.settle(c); settled && over {
			return "session_closed"
		} else if settled {
			return "approval_expired"
		}
		return ""
	case c.Status == Expired && c.Reviewed && c.Finished < c.ApproveBy:
		return "session_closed"
	case c.Status == Expired && c.Reviewed:
		return "approval_expired"
	case c.Status.Final():
		return "command_finished"
	}
	return "already_decided"
}

// cancel ends what nobody has claimed, and asks the device to stop otherwise.
func (m *Model) cancel(e Event) Answer {
	c := m.state.Commands[e.Command]
	m.settle(&c)
	switch {
	case c.Status == Cancelled:
	case c.Status.Final():
		return told("command_finished", c)
	case c.Status != Claimed:
		c = m.finish(c, Cancelled)
	case !c.Cancel:
		c.Cancel = true
		c = m.keep(c, "cancel_requested")
	}
	return told("ok", c)
}

// suspend shuts the device out; its session and commands stay as they are.
func (m *Model) suspend(Event) Answer {
	if m.state.Device == "decommissioned" {
		return Answer{Code: "device_decommissioned"}
	}
	m.state.Device = "suspended"
	return ok()
}

func (m *Model) resume(Event) Answer {
	if m.state.Device == "decommissioned" {
		return Answer{Code: "device_decommissioned"}
	}
	m.state.Device = "active"
	return ok()
}

// decommission takes the device out of service. What it has claimed is left to
// its leases.
func (m *Model) decommission(Event) Answer {
	if m.state.Device == "decommissioned" {
		return ok()
	}
	m.state.Device = "decommissioned"
	if m.state.Session != "" {
		m.endSession(m.howItEnds(), Cancelled)
	}
	return ok()
}
