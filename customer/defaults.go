package customer

import "time"

// These are default values of Config.
const (
	DefaultAudience    = "authenticated"
	DefaultTenantClaim = "app_metadata.customer_id"
	DefaultRoleClaim   = "app_metadata.role"
	DefaultMaxKeyAge   = 24 * time.Hour
)
