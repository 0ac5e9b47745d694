package customer

import "time"

// These are default values of Config.
const (
	DefaultAudience    = "authenticated"
	DefaultTenantClaim = "app_metadata.customer_id"
	DefaultRoleClaim   = "app_metadata.role"
	DefaultEmailClaim  = "email"
	DefaultMaxLifetime = 7 * 24 * time.Hour
	DefaultMaxKeyAge   = 24 * time.Hour
)

// MaxPreviousSecrets is the maximum number of previous secrets of an issuer that signs with HS256.
// Each of them is one more signature to compute for a forged token.
const MaxPreviousSecrets = 2

// ClaimOff is the value of a setting of a claim that is not read.
const ClaimOff = "off"

// DefaultNameClaims returns the paths of the claims with the user's name, in order of preference.
// The first is that of OpenID Connect (Core 1.0, section 5.1), the others those of Supabase Auth.
func DefaultNameClaims() []string {
	return []string{"name", "user_metadata.full_name", "user_metadata.name"}
}

// APIKeyHeader is the header in which Supabase expects the public key of a project.
const APIKeyHeader = "apikey"
