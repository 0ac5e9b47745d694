package model

// pass lets time pass. Nothing changes by itself: whoever looks next settles.
func (m *Model) pass(e Event) Answer {
	m.state.Now += e.Span
	return ok()
}

// sweep settles whatever is due.
func (m *Model) sweep(Event) Answer {
	s := &m.state
	if s.Session != "" && s.Sessions[s.Session].Until <= s.Now {
		m.endSession("expired", Expired)
	}
	for _, c := range s.inOrder() {
		if !c.Status.Final() && c.moment() <= s.Now {
			m.settle(&c)
		}
	}
	return ok()
}

// settle brings a command to what time has made of it, and tells whether it changed.
func (m *Model) settle(c *Command) bool {
	now := m.state.Now
	waits := c.Status == PendingApproval && (c.ApproveBy <= now || m.state.sessionOver(*c)) ||
		c.Status == Queued && (c.DeliverBy <= now || m.state.sessionOver(*c))
	switch {
	case c.Status == Claimed && c.Visible <= now:
		*c = m.endLease(*c)
	case waits:
		*c = m.finish(*c, Expired)
	case c.Status == Queued && m.wornOut(*c):
		*c = m.finish(*c, TimedOut)
	default:
		return false
	}
	return true
}

// wornOut tells whether the command has been in its device's hands for as long
// as it may, or as often.
func (m *Model) wornOut(c Command) bool {
	return c.Claims >= ClaimsCap || c.First != 0 && c.First+ExecutionCap <= m.state.Now
}

// endLease ends a lease that ran out: back into the line while attempts are
// left, unless nothing of it may run any more.
func (m *Model) endLease(c Command) Command {
	if c.Attempt >= c.Max || m.wornOut(c) {
		return m.finish(c, TimedOut)
	}
	c.Status = Queued
	c = m.keep(c, "requeued")
	switch {
	case c.Cancel:
		return m.finish(c, Cancelled)
	case m.state.sessionOver(c) || c.DeliverBy <= m.state.Now:
		return m.finish(c, Expired)
	}
	return c
}
