package customer

import "time"

// These are default values of Config.
const (
	DefaultAudience    = "authenticated"
	DefaultTenantClaim = "app_metadata.customer_id"
	DefaultRoleClaim   = "app_metadata.role"
	DefaultMaxLifetime = 7 * 24 * time.Hour
	DefaultMaxKeyAge   = 24 * time.Hour
)

// APIKeyHeader is the header in which Supabase expects the public key of a project.
const APIKeyHeader = "apikey"
