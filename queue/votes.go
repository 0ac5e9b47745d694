package queue

import (
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/store"
)

// Vote is the decision of one user on a command.
type Vote struct {
	UserID    string
	Names     fieldgate.Names
	Decision  string // "approved" or "rejected"
	At        time.Time
	Reason    string
	Assurance string // assurance level of the sign-in; empty if the rule had no conditions, or the token no level
	Alone     bool   // an admin has approved without the other users whom the rule needs: see BreakGlass

	// Passkey is the assertion of the passkey that has signed the digest of the command, or nil.
	Passkey *passkey.Assertion
}

// approvals returns the approvals of a command, the oldest first.
func (s state) approvals() []approvalState {
	if a := s.Approval; a != nil && a.Decision == decisionApproved {
		return append(slices.Clip(s.Votes), *a)
	}
	return s.Votes
}

// requires returns the number of users who must approve the command, at least 1.
func (s state) requires() int { return max(s.Required, 1) }

// lacksApproval reports whether a command that needs approval has too few. It is the function
// lacks_approval of the scripts.
func (s state) lacksApproval() bool {
	a := s.Approval
	if s.ApproveBy == 0 {
		return false
	}
	if a == nil || a.Decision != decisionApproved {
		return true
	}
	return s.Required > 1 && !a.Glass && s.countVotes(policy.Requirement{}) < s.Required
}

// countVotes returns the number of distinct users whose approvals meet a requirement, without the
// proposer. All meet the zero Requirement.
func (s state) countVotes(needs policy.Requirement) int {
	seen := map[string]bool{s.Proposer: true}
	for _, vote := range s.approvals() {
		seen[vote.By] = seen[vote.By] || vote.meets(needs)
	}
	count := -1 // the proposer
	for _, counts := range seen {
		if counts {
			count++
		}
	}
	return count
}

// areVotesDistinct reports whether no user has two votes and, where several users must approve, none is
// that of the proposer. An admin who approves alone may be the proposer.
func (s state) areVotesDistinct() bool {
	if s.Approval != nil && s.Approval.Glass {
		s.Approval = nil
	}
	return len(s.Votes) == 0 || s.countVotes(policy.Requirement{}) == len(s.approvals())
}

// meets reports whether the approvals of a command are sufficient under a requirement. Only those that
// meet it count.
func (s state) meets(needs policy.Requirement) bool {
	a, required := s.Approval, max(s.requires(), needs.Votes())
	switch {
	case a == nil || a.Decision != decisionApproved:
		return false
	case a.Glass:
		return needs.BreakGlass && (needs.GlassByProposer || a.By != s.Proposer) && a.meets(needs)
	case required == 1:
		return a.meets(needs) // in a tenant with one user, the proposer may approve
	}
	return s.countVotes(needs) >= required
}

// meets reports whether an approval has what a requirement needs of each. An approval does not meet a
// condition whose facts were not recorded with it.
func (a approvalState) meets(needs policy.Requirement) bool {
	by := a.signIn()
	return checkRole(needs, by) == nil && checkSignIn(needs, by, store.TimeOf(a.At)) == nil && (!needs.Reason || !fieldgate.IsBlank(a.Reason))
}

// signIn returns the sign-in of the user at the time of an approval, as far as it was recorded.
func (a approvalState) signIn() SignIn {
	by := SignIn{Roles: strings.Fields(a.Roles), Assurance: a.AAL, Passkey: a.Passkey != ""}
	if a.Age > 0 {
		by.At = store.TimeOf(a.At - a.Age)
	}
	return by
}

// assertion returns the assertion of an approval, or nil if it has none.
func (a approvalState) assertion() *passkey.Assertion {
	parsed, err := passkey.ParseAssertion(a.Passkey)
	if a.Passkey == "" || err != nil {
		return nil
	}
	return &parsed
}

// votersWithout returns the users, as actors, whose votes do not meet a requirement.
func (s state) votersWithout(needs policy.Requirement) (actors []any) {
	for _, vote := range s.approvals() {
		if !vote.meets(needs) {
			actors = append(actors, vote.By)
		}
	}
	return actors
}

// votes returns all votes on a command, the oldest first.
func (s state) votes() (votes []Vote) {
	all := s.Votes
	if s.Approval != nil {
		all = append(slices.Clip(all), *s.Approval)
	}
	for _, v := range all {
		vote := Vote{
			UserID: store.ActorID(v.By), Names: fieldgate.Names{Name: v.Name, Email: v.Email}, Decision: v.Decision,
			At: store.TimeOf(v.At), Reason: v.Reason, Assurance: v.AAL, Alone: v.Glass, Passkey: v.assertion(),
		}
		if vote.Decision == "" {
			vote.Decision = decisionApproved
		}
		votes = append(votes, vote)
	}
	return votes
}
