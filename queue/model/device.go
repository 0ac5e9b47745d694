package model

import (
	"fmt"
	"slices"
)

// claim claims the first ready commands. A repeated claim of the same instance with the same key
// returns the same leases while at least one of them has not expired.
func (m *Model) claim(op Operation) Response {
	if m.state.Device == "suspended" {
		return Response{Code: "unauthorized"}
	}
	if op.Key != "" && op.Instance != "" {
		op.Key += "\n" + op.Instance
	}
	if remembered := m.recall(op); remembered == nil || remembered.Code == "ok" {
		m.noteInstance(op.Instance)
	}
	return m.claimReady(op, op.Span)
}

// noteInstance records which instance of the device claims. A new one takes the place of the one
// before it, as after a restart. If an earlier one claims, both are alive.
func (m *Model) noteInstance(id string) {
	switch {
	case id == "" || id == m.state.Instance:
	case slices.Contains(m.instances, id):
		m.state.Conflict = true
	default:
		m.instances, m.state.Instance = append(m.instances, id), id
	}
}

// claimReady claims commands for a device that is not suspended, until it gets one that may run, or none is
// ready. The operation identifies the request, and span is the length of the leases.
func (m *Model) claimReady(op Operation, span int64) Response {
	for {
		response := m.claimOnce(op, span)
		claimed := len(response.Leases)
		response.Leases = m.withoutTakenBack(response.Leases)
		if len(response.Leases) > 0 || claimed == 0 {
			return response
		}
	}
}

// withoutTakenBack returns the leases of commands that the policy lets run. It takes the others back.
func (m *Model) withoutTakenBack(leases []Lease) (kept []Lease) {
	for _, l := range leases {
		if !m.takeBack(m.state.Commands[l.Command]) {
			kept = append(kept, l)
		}
	}
	return kept
}

// claimOnce claims commands whether they may run or not.
func (m *Model) claimOnce(op Operation, span int64) Response {
	if remembered := m.recall(op); remembered != nil {
		live := m.liveLeases(*remembered)
		if remembered.Code != "ok" || len(live.Leases) > 0 {
			return live
		}
	}
	m.settleLeases()
	response, until := ok(), m.state.Now
	for len(response.Leases) < op.Limit {
		c, found := m.firstReady()
		if !found {
			break
		}
		lease := m.lease(c, span)
		response.Leases, until = append(response.Leases, lease), max(until, lease.VisibleUntil)
	}
	if len(response.Leases) > 0 {
		m.remember(op, response, until)
	}
	return response
}

// liveLeases returns the remembered response of a claim without the leases that have expired.
func (m *Model) liveLeases(remembered Response) Response {
	live := Response{Code: remembered.Code}
	for _, l := range remembered.Leases {
		c := m.state.Commands[l.Command]
		if c.Status == Claimed && c.VisibleUntil > m.state.Now && c.Token == l.Token {
			live.Leases = append(live.Leases, Lease{c.ID, c.Token, c.Attempt, c.VisibleUntil})
		}
	}
	return live
}

// settleLeases ends the leases that have expired.
func (m *Model) settleLeases() {
	for _, c := range m.state.commandsInOrder() {
		if c.Status == Claimed {
			m.settle(&c)
		}
	}
}

// firstReady returns the first ready command that can still be delivered and is not held.
func (m *Model) firstReady() (Command, bool) {
	for _, id := range m.state.expectedIndex().Ready {
		if c := m.state.Commands[id]; !m.settle(&c) && !m.state.isHeld(c) {
			return c, true
		}
	}
	return Command{}, false
}

// lease starts a lease on a queued command.
func (m *Model) lease(c Command, span int64) Lease {
	if c.Token != "" {
		c.PastTokens = append(slices.Clip(c.PastTokens), c.Token)
		c.PastTokens = c.PastTokens[max(0, len(c.PastTokens)-pastTokens):]
	}
	c.Attempt, c.Claims = c.Attempt+1, c.Claims+1
	c.Token, c.Released = fmt.Sprintf("%s#%d", c.ID, c.Claims), false
	if c.FirstClaim == 0 {
		c.FirstClaim = m.state.Now
	}
	c.Status, c.VisibleUntil = Claimed, min(m.state.Now+span, c.FirstClaim+ExecutionCap)
	m.save(c, "claimed")
	return Lease{c.ID, c.Token, c.Attempt, c.VisibleUntil}
}

// checkToken returns "ok" for the token of the newest claim. For any other token it returns
// the code of the refusal.
func (c Command) checkToken(token string) string {
	switch {
	case token == c.Token && !c.Released && token != "":
		return "ok"
	case token == c.Token && c.Released, slices.Contains(c.PastTokens, token):
		return "claim_superseded"
	}
	return "invalid_claim_token"
}

// notClaimed returns the code with which an operation is refused if its token is the newest one
// but the command is no longer claimed.
func (c Command) notClaimed() string {
	if c.Result == "" && (c.Status == Queued || c.Status == TimedOut) {
		return "claim_expired"
	}
	return "command_finished"
}

func (m *Model) extend(op Operation) Response {
	c := m.state.Commands[op.Command]
	m.settle(&c)
	if code := c.checkToken(op.Token); code != "ok" {
		return respond(code, c)
	} else if c.Status != Claimed {
		return respond(c.notClaimed(), c)
	}
	c.VisibleUntil = min(m.state.Now+op.Span, c.FirstClaim+ExecutionCap)
	m.save(c)
	return Response{Code: "ok", VisibleUntil: c.VisibleUntil, CancelRequested: c.CancelRequested}
}

// progress keeps a report, which is no part of the state. Only a live lease may report.
func (m *Model) progress(op Operation) Response {
	c := m.state.Commands[op.Command]
	m.settle(&c)
	if code := c.checkToken(op.Token); code != "ok" {
		return respond(code, c)
	} else if c.Status != Claimed {
		return respond(c.notClaimed(), c)
	}
	return Response{Code: "ok", CancelRequested: c.CancelRequested}
}

// release ends a claim. A released claim does not count as an attempt.
func (m *Model) release(op Operation) Response {
	c := m.state.Commands[op.Command]
	m.settle(&c)
	if c.Released && c.Token == op.Token {
		return Response{Code: "ok", Status: c.Status}
	} else if code := c.checkToken(op.Token); code != "ok" {
		return respond(code, c)
	} else if c.Status != Claimed {
		return respond(c.notClaimed(), c)
	}
	c.Status, c.Attempt, c.Released = Queued, c.Attempt-1, true
	if c.Attempt == 0 {
		c.FirstClaim = 0
	}
	c = m.save(c, "released")
	if c.CancelRequested {
		c = m.finish(c, Cancelled)
	} else {
		m.settle(&c)
	}
	return Response{Code: "ok", Status: c.Status}
}

// submitResult records a result. On request it then claims the next command. The same result
// returns the same lease until that ends, whatever its length.
func (m *Model) submitResult(op Operation) Response {
	response := m.recordResult(op)
	if response.Code == "ok" && op.Next && m.state.Device != "suspended" {
		request := Operation{Kind: Claim, Key: "after " + op.Token, Limit: 1}
		response.Leases = m.claimReady(request, op.Span).Leases
	}
	return response
}

// recordResult records a result. The result replaces a status that a deadline has set, because
// only the device knows the outcome. It does not replace the status of a command that a user
// cancelled while it was not claimed.
func (m *Model) recordResult(op Operation) Response {
	c, result := m.state.Commands[op.Command], string(op.Status)+" "+op.Output
	m.settle(&c)
	if code := c.checkToken(op.Token); code != "ok" {
		return respond(code, c)
	} else if c.Result == result {
		return Response{Code: "ok", Status: c.Status, Late: c.Late, Duplicate: true}
	} else if c.Result != "" || c.Status == Cancelled && !c.CancelRequested {
		return respond("command_finished", m.keepOther(c))
	}
	c.Result, c.Late = result, c.Status != Claimed
	c = m.finish(c, op.Status)
	return Response{Code: "ok", Status: c.Status, Late: c.Late}
}

// keepOther records that another result was refused. Only the first one is recorded.
func (m *Model) keepOther(c Command) Command {
	if slices.Contains(c.Timeline, "result_conflict") {
		return c
	}
	return m.save(c, "result_conflict")
}
