package customer

import (
	"errors"

	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
)

// fault is a fault of a token or a ticket, for the log.
type fault struct {
	reason fieldgate.Reason
	text   string
}

// Error returns the fault as text.
func (f *fault) Error() string { return f.text }

// refuse returns the refusal of an invalid token. The caller receives the same for every
// fault, because details would help an attacker. The reason and the cause are for the log.
// A valid token without a tenant is refused with no_tenant, because another sign-in would
// not help. A token of a user who was cut off is refused with user_cut_off, so that its program
// does not renew it again and again.
func refuse(cause error) error {
	if errors.Is(cause, errNoTenant) {
		return fieldgate.Refuse(fieldgate.CodeNoTenant, noTenantDetail)
	}
	code := fieldgate.CodeUnauthorized
	if errors.Is(cause, errCutOff) {
		code = fieldgate.CodeUserCutOff
	}
	refused := refusal.New(code)
	refused.Reason, refused.Cause = reasonOf(cause), cause
	return refused
}

const noTenantDetail = "Your account is assigned to no customer. An administrator has to assign it; then sign in again."

// claimFaults are the errors of jwx for registered claims.
var claimFaults = []struct {
	err    error
	reason fieldgate.Reason
}{
	{jwt.ErrTokenExpired(), fieldgate.ReasonExpired},
	{jwt.ErrTokenNotYetValid(), fieldgate.ReasonNotYetValid},
	{jwt.ErrInvalidIssuedAt(), fieldgate.ReasonNotYetValid},
	{jwt.ErrRequiredClaim(), fieldgate.ReasonMissingClaim},
	{jwt.ErrInvalidAudience(), fieldgate.ReasonWrongAudience},
}

// reasonOf returns the reason in cause. It returns ReasonBadClaims for an error of jwx that
// is not in claimFaults.
func reasonOf(cause error) fieldgate.Reason {
	var known *fault
	if errors.As(cause, &known) {
		return known.reason
	}
	for _, c := range claimFaults {
		if errors.Is(cause, c.err) {
			return c.reason
		}
	}
	return fieldgate.ReasonBadClaims
}
