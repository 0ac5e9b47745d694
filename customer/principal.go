// Package customer turns an access token of Supabase Auth into a principal:
// who is asking, for which tenant, with which role.
//
// Tokens are verified here, against the keys that the issuer publishes
// (RFC 7517) or against a shared secret that was configured; the issuer is not
// asked about each token. So a token stays good until it expires, even when
// its user was banned a minute ago: keep the lifetime of tokens short.
package customer

import (
	"context"
	"time"
)

// Principal is the person behind a verified token.
type Principal struct {
	// Tenant is the customer that the person acts for. It is "c." and the
	// customer id, or "u." and the user id for a person who belongs to no
	// customer: a customer id that equals someone's user id must never lead
	// into that person's own tenant. It holds only [A-Za-z0-9._~-] and so may
	// stand in a key of the store.
	Tenant string

	UserID   string // the token's subject
	Role     Role   // the most that the person may do in the tenant
	SoleUser bool   // the tenant is this one person

	// ExpiresAt is when the token ends, without leeway. A connection that
	// outlives a request must end with it.
	ExpiresAt time.Time

	// SessionID names the login at the issuer, for a revocation. It is empty
	// where the issuer names none.
	SessionID string
}

type contextKey struct{}

// NewContext gives a context that carries the principal.
func NewContext(ctx context.Context, principal Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, principal)
}

// FromContext gives the principal that a context carries, and false where it
// carries none.
func FromContext(ctx context.Context) (Principal, bool) {
	principal, ok := ctx.Value(contextKey{}).(Principal)
	return principal, ok
}
