// Package customer verifies access tokens of Supabase Auth and returns their principals:
// the user, the tenant and the role.
//
// Tokens are verified locally, with the keys that the issuer publishes (RFC 7517) or with
// a configured shared secret. The issuer is not called for each token. So a token is
// accepted until it expires, even if its user has been banned meanwhile. The lifetime of
// tokens should therefore be short.
package customer

import (
	"context"
	"time"
)

// Principal is the user that a verified token belongs to.
type Principal struct {
	// Tenant is the tenant for which the user acts: "c." and the token's tenant id, or
	// "u." and the user id if the token has no tenant id and personal tenants are allowed.
	// Because of the prefixes, a
	// tenant id that equals a user id does not give access to that user's own tenant.
	// Tenant contains only [A-Za-z0-9._~-], so that it can be part of a store key.
	Tenant string

	UserID   string // the token's subject
	Role     Role   // the user's role in the tenant
	SoleUser bool   // the tenant has no other user

	// Email and Name are for people who read them. They may be empty, they may change, and
	// users may edit their names. Only UserID identifies the user.
	Email string
	Name  string

	// Assurance is the authenticator assurance level of the sign-in, such as "aal2" after a
	// second factor (NIST SP 800-63B). It is empty if the token has none.
	Assurance string

	// SignedInAt is the time of the newest sign-in or second factor. It is zero if the token has none.
	SignedInAt time.Time

	// ClientID is the id of the OAuth client that the token was issued to. The client acts for
	// the user, who may have consented to no more than being recognized. It is empty if the
	// user has signed in directly.
	ClientID string

	// IssuedAt is the time at which the token was issued, by the issuer's clock. It decides which
	// cut-offs refuse the principal.
	IssuedAt time.Time

	// ExpiresAt is the time at which the token expires, without leeway. A connection
	// that outlives its request must be closed then.
	ExpiresAt time.Time

	// SessionID identifies the login at the issuer, so that the login can be revoked. It
	// is empty if the token has no session id.
	SessionID string
}

// IsProgram reports whether an OAuth client acts for the user.
func (p Principal) IsProgram() bool { return p.ClientID != "" }

type contextKey struct{}

// NewContext returns a copy of the context that carries the principal.
func NewContext(ctx context.Context, principal Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, principal)
}

// FromContext returns the principal in ctx, and reports whether ctx has one.
func FromContext(ctx context.Context) (Principal, bool) {
	principal, ok := ctx.Value(contextKey{}).(Principal)
	return principal, ok
}
