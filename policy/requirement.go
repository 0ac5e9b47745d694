// Package policy decides what a command needs before it may run: nothing, the approval of one or
// several users, or a change of the policy, because it is denied.
package policy

import "time"

// Requirement holds the conditions of an approval, in addition to the permission of its approvers.
// The zero Requirement is the approval of one user.
type Requirement struct {
	// Approvals is the number of distinct users who must approve. 0 means 1.
	Approvals int

	// Roles are the roles that may approve, by their names in tokens. Each includes the higher ones.
	// Empty means approver.
	Roles []string

	// Assurance is what each approver's sign-in must have: "aal2" for a second factor, or empty.
	Assurance string

	// SignInAge is the largest age of each approver's sign-in at the approval. 0 means any.
	SignInAge time.Duration

	// Within is the time from the proposal until the last approval. 0 means that of the gateway.
	Within time.Duration

	// Reason reports whether each approval needs a reason.
	Reason bool

	// BreakGlass reports whether an admin may approve alone, with a reason, in an emergency.
	BreakGlass bool
}

// Votes returns the number of distinct users who must approve, at least 1.
func (r Requirement) Votes() int { return max(r.Approvals, 1) }
