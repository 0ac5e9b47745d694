package model

import (
	"fmt"
	"slices"
)

// claim hands out the head of the line, once for each key while leases live.
func (m *Model) claim(e Event) Answer {
	if m.state.Device == "suspended" {
		return Answer{Code: "unauthorized"}
	}
	if said := m.recall(e); said != nil {
		live := m.stillHeld(*said)
		if said.Code != "ok" || len(live.Leases) > 0 {
			return live
		}
	}
	m.settleLeases()
	answer, until := ok(), m.state.Now
	for len(answer.Leases) < e.Limit {
		c, found := m.head()
		if !found {
			break
		}
		lease := m.lease(c, e.Span)
		answer.Leases, until = append(answer.Leases, lease), max(until, lease.Until)
	}
	if len(answer.Leases) > 0 {
		m.remember(e, answer, until)
	}
	return answer
}

// stillHeld gives what is left of an earlier claim, as it stands now.
func (m *Model) stillHeld(said Answer) Answer {
	live := Answer{Code: said.Code}
	for _, l := range said.Leases {
		c := m.state.Commands[l.Command]
		if c.Status == Claimed && c.Visible > m.state.Now && c.Token == l.Token {
			live.Leases = append(live.Leases, Lease{c.ID, c.Token, c.Attempt, c.Visible})
		}
	}
	return live
}

// settleLeases ends all leases that have run out.
func (m *Model) settleLeases() {
	for _, c := range m.state.inOrder() {
		if c.Status == Claimed {
			m.settle(&c)
		}
	}
}

// head is the first command of the line that may be delivered.
func (m *Model) head() (Command, bool) {
	for _, id := range m.state.indexed().Ready {
		if c := m.state.Commands[id]; !m.settle(&c) {
			return c, true
		}
	}
	return Command{}, false
}

func (m *Model) lease(c Command, span int64) Lease {
	if c.Token != "" {
		c.Past = append(slices.Clip(c.Past), c.Token)
		c.Past = c.Past[max(0, len(c.Past)-pastTokens):]
	}
	c.Attempt, c.Claims = c.Attempt+1, c.Claims+1
	c.Token, c.Returned = fmt.Sprintf("%s#%d", c.ID, c.Claims), false
	if c.First == 0 {
		c.First = m.state.Now
	}
	c.Status, c.Visible = Claimed, min(m.state.Now+span, c.First+ExecutionCap)
	m.keep(c, "claimed")
	return Lease{c.ID, c.Token, c.Attempt, c.Visible}
}

// fence says whether a token is the newest claim's.
func (c Command) fence(token string) string {
	switch {
	case token == c.Token && !c.Returned && token != "":
		return "ok"
	case token == c.Token && c.Returned, slices.Contains(c.Past, token):
		return "claim_superseded"
	}
	return "invalid_claim_token"
}

// unheld says why a claim that is the newest holds nothing any more.
func (c Command) unheld() string {
	if c.Result == "" && (c.Status == Queued || c.Status == TimedOut) {
		return "claim_expired"
	}
	return "command_finished"
}

func (m *Model) extend(e Event) Answer {
	c := m.state.Commands[e.Command]
	m.settle(&c)
	if held := c.fence(e.Token); held != "ok" {
		return told(held, c)
	} else if c.Status != Claimed {
		return told(c.unheld(), c)
	}
	c.Visible = min(m.state.Now+e.Span, c.First+ExecutionCap)
	m.keep(c)
	return Answer{Code: "ok", Until: c.Visible, Cancel: c.Cancel}
}

// release gives a claim back, as if there had been none.
func (m *Model) release(e Event) Answer {
	c := m.state.Commands[e.Command]
	m.settle(&c)
	if c.Returned && c.Token == e.Token {
		return Answer{Code: "ok", Status: c.Status}
	} else if held := c.fence(e.Token); held != "ok" {
		return told(held, c)
	} else if c.Status != Claimed {
		return told(c.unheld(), c)
	}
	c.Status, c.Attempt, c.Returned = Queued, c.Attempt-1, true
	if c.Attempt == 0 {
		c.First = 0
	}
	c = m.keep(c, "released")
	if c.Cancel {
		c = m.finish(c, Cancelled)
	} else {
		m.settle(&c)
	}
	return Answer{Code: "ok", Status: c.Status}
}

// report records what became of a command. What time made of it is not the
// truth about it; what a person made of it stands.
func (m *Model) report(e Event) Answer {
	c, result := m.state.Commands[e.Command], string(e.Result)+" "+e.Content
	m.settle(&c)
	if held := c.fence(e.Token); held != "ok" {
		return told(held, c)
	} else if c.Result == result {
		return Answer{Code: "ok", Status: c.Status, Late: c.Late, Duplicate: true}
	} else if c.Result != "" || c.Status == Cancelled && !c.Cancel {
		return told("command_finished", c)
	}
	c.Result, c.Late = result, c.Status != Claimed
	c = m.finish(c, e.Result)
	return Answer{Code: "ok", Status: c.Status, Late: c.Late}
}
