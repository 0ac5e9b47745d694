package customer

import (
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate"
)

// The assurance levels that ApprovalRules may require.
const (
	AAL1 = "aal1" // signed in
	AAL2 = "aal2" // signed in with a second factor
)

// assuranceLevels are the values of Principal.Assurance in ascending order.
var assuranceLevels = []string{AAL1, AAL2, "aal3"}

// ApprovalRules are the rules for the tokens with which users approve commands and cut users off,
// in addition to the role. Every token that may be used for reading may be used to reject a command.
type ApprovalRules struct {
	// Assurance is the least assurance level, AAL1 or AAL2. With AAL1, a token need not have a
	// level. Default: AAL1.
	Assurance string

	// Clients are the ids of the OAuth clients that may approve for their users. Default: none.
	Clients []string
}

// Check returns nil if the principal's token may be used to approve a command. Errors:
// client_not_allowed, and step_up_required, which a sign-in with a second factor remedies.
func (r ApprovalRules) Check(p Principal) error {
	return r.check(p,
		"This application may not approve commands for its user: approve in the console, or ask the operator to allow the application.",
		"Approving a command requires a sign-in with a second factor: verify your second factor and try again.")
}

// CheckWithdrawal is like Check for a token that is used to withdraw an approval. The rules are the same: what
// undoes an approval needs what the approval needs.
func (r ApprovalRules) CheckWithdrawal(p Principal) error {
	return r.check(p,
		"This application may not withdraw an approval of its user: withdraw it in the console, or ask the operator to allow the application.",
		"Withdrawing an approval requires a sign-in with a second factor: verify your second factor and try again.")
}

// CheckCutOff is like Check for a token that is used to cut a user off. The rules are the same: who
// could cut off with less would have the tenant without its other admins.
func (r ApprovalRules) CheckCutOff(p Principal) error {
	return r.check(p,
		"This application may not cut off users for its user: sign in directly, or ask the operator to allow the application.",
		"Cutting a user off requires a sign-in with a second factor: verify your second factor and try again.")
}

// CheckPolicyChange is like Check for a token that is used to change the policy of the tenant: who could
// change it with less could let commands run without an approval.
func (r ApprovalRules) CheckPolicyChange(p Principal) error {
	return r.check(p,
		"This application may not change the policy for its user: sign in directly, or ask the operator to allow the application.",
		"Changing the policy requires a sign-in with a second factor: verify your second factor and try again.")
}

// CheckKeyChange is like Check for a token that is used to register a passkey or to change the roster: who
// could do it with less could approve with a passkey of their own.
func (r ApprovalRules) CheckKeyChange(p Principal) error {
	return r.check(p,
		"This application may not change with what its user approves: sign in directly, or ask the operator to allow the application.",
		"Changing with what users approve requires a sign-in with a second factor: verify your second factor and try again.")
}

// check applies the rules. The details are those of its errors.
func (r ApprovalRules) check(p Principal, notAllowed, stepUp string) error {
	if p.ClientID != "" && !slices.Contains(r.Clients, p.ClientID) {
		return fieldgate.Refuse(fieldgate.CodeClientNotAllowed, notAllowed)
	}
	if r.Assurance != AAL2 || slices.Index(assuranceLevels, p.Assurance) >= slices.Index(assuranceLevels, AAL2) {
		return nil
	}
	refused := fieldgate.Refuse(fieldgate.CodeStepUpRequired, stepUp)
	refused.Assurance = AAL2
	return refused
}

// CheckAssurance returns an error if level is not one that ApprovalRules may require.
func CheckAssurance(level string) error {
	if level != "" && level != AAL1 && level != AAL2 {
		return fmt.Errorf("%q is not an assurance level that can be required: use aal1 or aal2", level)
	}
	return nil
}
