package model

import "slices"

// Type is a type of commands: the rule that applies to it under the Usual policy.
type Type string

// These are the types of commands.
const (
	Plain    Type = "plain"    // runs without an approval
	Reviewed Type = "reviewed" // one user must approve it
	Paired   Type = "paired"   // two users must approve it
)

// Policy is a set of rules, one for each Type.
type Policy string

// These are the policies, each stricter than the one before.
const (
	Usual   Policy = ""
	Strict  Policy = "strict"  // one more user must approve than under the Usual policy
	Denying Policy = "denying" // as Strict, and denies Reviewed commands
)

// Rule holds the requirements of a policy for a type of commands. The zero Rule lets them run.
type Rule struct {
	Denies   bool
	Required int // number of users who must approve
}

// RuleOf returns the rule of a type of commands.
func (p Policy) RuleOf(t Type) Rule {
	required := map[Type]int{Plain: 0, Reviewed: 1, Paired: 2}[t]
	if p != Usual {
		required++
	}
	return Rule{Denies: p == Denying && t == Reviewed, Required: required}
}

// allows reports whether a command may run under a rule. The rule of each type lets an admin approve alone.
func (r Rule) allows(c Command) bool {
	switch required := max(r.Required, c.Required); {
	case r.Denies:
		return false
	case r.Required == 0, c.Approval.Glass:
		return true
	case required == 1:
		return c.Approval.Decision == "approved"
	default:
		return c.Approval.Decision == "approved" && len(without(c.approvers(), c.Proposer)) >= required
	}
}

// refuses reports whether a rule lets no user approve a command, or no admin alone: there is nothing to break
// where no approval is needed.
func (r Rule) refuses(kind Kind) bool { return r.Denies || kind == BreakGlass && r.Required == 0 }

// setPolicy replaces the policy. It changes no command: the next claim of each does.
func (m *Model) setPolicy(op Operation) Response {
	m.state.Policy = op.Policy
	return ok()
}

// takeBack ends the claim of a command that the policy does not let run, and reports whether it has done so. The
// device does not get the command, so that the claim is no attempt.
func (m *Model) takeBack(c Command) bool {
	rule := m.state.Policy.RuleOf(c.Type)
	if rule.allows(c) {
		return false
	}
	c.Attempt, c.Released = c.Attempt-1, true
	if c.Attempt == 0 {
		c.FirstClaim = 0
	}
	if rule.Denies || c.CancelRequested {
		m.finish(c, Cancelled)
		return true
	}
	c.Reviewed, c.Required = true, raised(c.Required, rule.Required)
	if c.Approval.Decision == "approved" {
		c.Votes = append(slices.Clip(c.Votes), c.Approval.By)
	}
	if c.Required > 1 {
		c.Votes = without(c.Votes, c.Proposer)
	}
	c.Approval, c.Status, c.ApproveBy = Approval{}, PendingApproval, min(m.state.Now+ApproveWithin, c.DeliverBy)
	c = m.save(c, "released to pending_approval")
	m.settle(&c)
	return true
}

// raised returns the larger of two numbers of users who must approve, as a Command has it.
func raised(required, byNow int) int {
	if largest := max(required, byNow); largest > 1 {
		return largest
	}
	return required
}
