// Package policy decides what a command needs before it may run: nothing, the approval of one or
// several users, or a change of the policy, because it is denied.
//
// A Document is the policy of a tenant. Compile checks it and returns the Policy that judges commands.
// The operator has a policy for all tenants, the floor. Stricter combines the outcomes of both, so that a
// tenant may be stricter than the floor and never looser.
package policy

import (
	"cmp"
	"slices"
	"time"
)

// Requirement holds the conditions of an approval, in addition to the permission of its approvers.
// The zero Requirement is the approval of one user.
type Requirement struct {
	// Approvals is the number of distinct users who must approve. 0 means 1.
	Approvals int

	// Roles are the roles that may approve, by their names in tokens. Each includes the higher ones.
	// Empty means approver.
	Roles []string

	// Assurance is what each approver's sign-in must have: "aal2" for a second factor, "passkey" for a
	// passkey, or empty.
	Assurance string

	// SignInAge is the largest age of each approver's sign-in at the approval. 0 means any.
	SignInAge time.Duration

	// Within is the time from the proposal until the last approval. 0 means that of the gateway.
	Within time.Duration

	// Reason reports whether each approval needs a reason.
	Reason bool

	// BreakGlass reports whether an admin may approve alone, with a reason, in an emergency.
	BreakGlass bool

	// NoBreakGlass forbids it, also if another rule that applies allows it. The rule of a tenant either
	// allows or forbids it. The floor may leave it to the tenant.
	NoBreakGlass bool

	// GlassByProposer reports whether the admin who approves alone may be the proposer.
	GlassByProposer bool
}

// Votes returns the number of distinct users who must approve, at least 1.
func (r Requirement) Votes() int { return max(r.Approvals, 1) }

// assurances are the values of Requirement.Assurance in ascending order.
var assurances = []string{"", "aal2", "passkey"}

// approverRoles are the roles that may approve, in ascending order.
var approverRoles = []string{"approver", "admin"}

// leastRole returns the index of the lowest role that may approve: it includes the higher ones.
func (r Requirement) leastRole() int {
	least := len(approverRoles)
	for _, role := range r.Roles {
		if i := slices.Index(approverRoles, role); i >= 0 {
			least = min(least, i)
		}
	}
	if len(r.Roles) == 0 || least == len(approverRoles) {
		return 0
	}
	return least
}

// And returns the conditions of both requirements.
func (r Requirement) And(other Requirement) Requirement {
	both := Requirement{
		Approvals:    max(r.Approvals, other.Approvals),
		Assurance:    assurances[max(slices.Index(assurances, r.Assurance), slices.Index(assurances, other.Assurance), 0)],
		SignInAge:    shorter(r.SignInAge, other.SignInAge),
		Within:       shorter(r.Within, other.Within),
		Reason:       r.Reason || other.Reason,
		NoBreakGlass: r.NoBreakGlass || other.NoBreakGlass,
	}
	both.BreakGlass = (r.BreakGlass || other.BreakGlass) && !both.NoBreakGlass
	both.GlassByProposer = both.BreakGlass && r.allowsProposer() && other.allowsProposer()
	if least := max(r.leastRole(), other.leastRole()); least > 0 || len(r.Roles)+len(other.Roles) > 0 {
		both.Roles = []string{approverRoles[least]}
	}
	return both
}

// allowsProposer reports whether the proposer may break the glass, as far as r decides on it: a requirement
// that neither allows nor forbids break glass leaves that open too.
func (r Requirement) allowsProposer() bool {
	return r.GlassByProposer || !r.BreakGlass && !r.NoBreakGlass
}

// shorter returns the shorter of two durations of which 0 means no limit.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return cmp.Or(a, b)
	}
	return min(a, b)
}

// covers reports whether r has all conditions of other: what satisfies r satisfies other.
func (r Requirement) covers(other Requirement) bool {
	return r.Votes() >= other.Votes() && r.leastRole() >= other.leastRole() &&
		slices.Index(assurances, r.Assurance) >= slices.Index(assurances, other.Assurance) &&
		isWithin(r.SignInAge, other.SignInAge) && isWithin(r.Within, other.Within) &&
		(r.Reason || !other.Reason) && (!r.BreakGlass || other.BreakGlass || !other.NoBreakGlass) &&
		(!r.GlassByProposer || other.allowsProposer())
}

// isWithin reports whether a is as short as b, of which 0 means no limit.
func isWithin(a, b time.Duration) bool { return b == 0 || a != 0 && a <= b }
