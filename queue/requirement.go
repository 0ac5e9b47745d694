package queue

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/policy"
)

// SignIn describes the rights and the sign-in of a user who approves, from the user's token.
type SignIn struct {
	// Roles are the names of the user's role and of the roles that it includes.
	Roles []string

	// Assurance is the assurance level of the sign-in, such as "aal2". It is empty if the token has none.
	Assurance string

	// Passkey reports whether a passkey of the user has signed what is approved.
	Passkey bool

	// At is the time of the newest sign-in or second factor. It is zero if the token has none.
	At time.Time
}

// age returns the age of a sign-in in ms, at least 1. It is zero if the time of the sign-in is not known.
func (by SignIn) age(now time.Time) int64 {
	if by.At.IsZero() {
		return 0
	}
	return max(now.Sub(by.At).Milliseconds(), 1)
}

// approveWithin returns the time from a proposal until its last approval.
func (q *Queue) approveWithin(needs policy.Requirement) time.Duration {
	if needs.Within > 0 {
		return min(needs.Within, q.cfg.ApproveWithin)
	}
	return q.cfg.ApproveWithin
}

// demands are the requirements that an approval must meet: the one in the statement of the command, and
// the one of the policy as it is now, which may have become stricter. If the policy has become looser, the
// statement still applies: it is what the approvers see.
type demands [2]policy.Requirement

// demandsOn returns what an approval of c must meet. The error is command_denied if the policy of the
// gateway or of the tenant denies the command by now, so that it cannot be approved any more.
func (q *Queue) demandsOn(ctx context.Context, c Command) (demands, error) {
	view, err := q.policyOf(ctx, c.Tenant)
	if err != nil {
		return demands{}, err
	}
	by, err := q.judgeCommand(view, c, time.Now())
	switch {
	case err != nil:
		return demands{}, err
	case by.mode() == Deny:
		return demands{}, errDeniedByNow
	case c.Needs == nil:
		return demands{by.Needs, by.Needs}, nil
	}
	return demands{*c.Needs, by.Needs}, nil
}

// haveConditions reports whether an approver must meet any condition, or is one of several.
func (d demands) haveConditions() bool {
	return slices.ContainsFunc(d[:], func(r policy.Requirement) bool {
		return r.Votes() > 1 || len(r.Roles) > 0 || r.Assurance != "" || r.SignInAge > 0 || r.Reason || r.BreakGlass
	})
}

// now returns the requirement of the policy as it is now.
func (d demands) now() policy.Requirement { return d[1] }

// votes returns the number of distinct users who must approve, at least 1.
func (d demands) votes() int { return max(d[0].Votes(), d[1].Votes()) }

// allowBreakGlass reports whether an admin may approve without other users.
func (d demands) allowBreakGlass() bool { return d[0].BreakGlass && d[1].BreakGlass }

// allowGlassByProposer reports whether the admin who approves without other users may be the proposer.
func (d demands) allowGlassByProposer() bool { return d[0].GlassByProposer && d[1].GlassByProposer }

// needReason reports whether an approval needs a reason.
func (d demands) needReason() bool { return d[0].Reason || d[1].Reason }

// check returns nil if a user may approve. Errors: insufficient_role, step_up_required.
func (d demands) check(by SignIn, now time.Time) error {
	for _, needs := range d {
		if err := checkRole(needs, by); err != nil {
			return err
		}
		if err := checkSignIn(needs, by, now); err != nil {
			return err
		}
	}
	return nil
}

func checkRole(needs policy.Requirement, by SignIn) error {
	isAllowed := func(role string) bool { return slices.Contains(by.Roles, role) }
	if len(needs.Roles) == 0 || slices.ContainsFunc(needs.Roles, isAllowed) {
		return nil
	}
	return fieldgate.Refuse(fieldgate.CodeInsufficientRole,
		"The rule of this command requires the role "+strings.Join(needs.Roles, " or ")+" of its approvers.")
}

func checkSignIn(needs policy.Requirement, by SignIn, now time.Time) error {
	var detail string
	switch {
	case needs.Assurance == approver.Assurance && !by.Passkey:
		detail = "The rule of this command requires a passkey: sign its digest with one of yours, and send the assertion."
	case !by.Passkey && !meetsAssurance(by.Assurance, needs.Assurance):
		detail = "The rule of this command requires a sign-in with a second factor: verify your second factor and try again."
	case needs.SignInAge > 0 && (by.At.IsZero() || now.Sub(by.At) > needs.SignInAge):
		detail = "The rule of this command requires a sign-in within the last " + policy.FormatDuration(needs.SignInAge) + ": sign in again and try again."
	default:
		return nil
	}
	refused := fieldgate.Refuse(fieldgate.CodeStepUpRequired, detail)
	if refused.Assurance = needs.Assurance; needs.Assurance == "" {
		refused.Assurance = assuranceLevels[0]
	}
	return refused
}

// assuranceLevels are the levels of a sign-in in ascending order.
var assuranceLevels = []string{"aal1", "aal2", "aal3"}

// meetsAssurance reports whether a level is at least the required one. No level is at least one that this
// gateway does not know.
func meetsAssurance(level, required string) bool {
	least := slices.Index(assuranceLevels, required)
	return required == "" || least >= 0 && slices.Index(assuranceLevels, level) >= least
}

var errReasonRequired = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "The rule of this command requires a reason: send one.",
	Fields: []fieldgate.FieldError{{Pointer: "/reason", Keyword: "minLength", Reason: "must not be empty"}},
}

var errCommentRequired = &fieldgate.Error{
	Code:   fieldgate.CodeValidationFailed,
	Detail: "A review needs a comment: send what you have found.",
	Fields: []fieldgate.FieldError{{Pointer: "/comment", Keyword: "minLength", Reason: "must not be empty"}},
}

var errNoBreakGlass = fieldgate.Refuse(fieldgate.CodeCommandDenied,
	"The rule of this command does not let an admin approve it alone: ask the approvers.")
