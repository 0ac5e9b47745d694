package model

// elapse advances the clock by op.Span. It applies no deadlines, because the next operation
// does that.
func (m *Model) elapse(op Operation) Response {
	m.state.Now += op.Span
	return ok()
}

// settleDue applies the deadlines of the session and of all commands.
func (m *Model) settleDue(Operation) Response {
	s := &m.state
	if s.Session != "" && s.Sessions[s.Session].Expires <= s.Now {
		m.endSession("expired", Expired)
	}
	for _, c := range s.commandsInOrder() {
		if !c.Status.Final() && c.nextDeadline() <= s.Now {
			m.settle(&c)
		}
	}
	return ok()
}

// settle applies the deadlines of a command, and reports whether the command has changed.
func (m *Model) settle(c *Command) bool {
	now := m.state.Now
	expired := c.Status == PendingApproval && (c.ApproveBy <= now || m.state.sessionEnded(*c)) ||
		c.Status == Queued && (c.DeliverBy <= now || m.state.sessionEnded(*c))
	switch {
	case c.Status == Claimed && c.VisibleUntil <= now:
		*c = m.endLease(*c)
	case expired:
		*c = m.finish(*c, Expired)
	case (c.Status == Queued || c.Status == PendingApproval) && m.exhausted(*c):
		*c = m.finish(*c, TimedOut)
	default:
		return false
	}
	return true
}

// exhausted reports whether the command has reached the limit of its execution time or of its
// claims.
func (m *Model) exhausted(c Command) bool {
	return c.Claims >= MaxClaims || c.FirstClaim != 0 && c.FirstClaim+ExecutionCap <= m.state.Now
}

// endLease ends a command's expired lease. The command is queued again while it has
// attempts left, unless it was cancelled or can no longer be delivered.
func (m *Model) endLease(c Command) Command {
	if c.Attempt >= c.MaxAttempts || m.exhausted(c) {
		return m.finish(c, TimedOut)
	}
	c.Status = Queued
	c = m.save(c, "requeued")
	switch {
	case c.CancelRequested:
		return m.finish(c, Cancelled)
	case m.state.sessionEnded(c) || c.DeliverBy <= m.state.Now:
		return m.finish(c, Expired)
	}
	return c
}
