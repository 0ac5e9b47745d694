package main

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/ratelimit"
)

// defaults returns the default values of the settings, by the names in their tags. Defaults
// that another package defines are taken from there. The command dev overrides some defaults.
func defaults() kong.Vars {
	limits := ratelimit.Defaults()
	vars := quotaDefaults()
	maps.Copy(vars, kong.Vars{
		"addr":                  gateway.DefaultAddr,
		"audience":              gateway.DefaultAudience,
		"tenant_claim":          gateway.DefaultTenantClaim,
		"role_claim":            gateway.DefaultRoleClaim,
		"name_claim":            strings.Join(customer.DefaultNameClaims(), ","),
		"email_claim":           gateway.DefaultEmailClaim,
		"jwt_max_lifetime":      shortDuration(gateway.DefaultJWTMaxLifetime),
		"approval_aal":          gateway.DefaultApprovalAAL,
		"issuer_keys_max_age":   shortDuration(gateway.DefaultIssuerKeysMaxAge),
		"drain_delay":           "10s",
		"shutdown_timeout":      shortDuration(gateway.DefaultShutdownTimeout),
		"idle_timeout":          shortDuration(gateway.DefaultIdleTimeout),
		"balancer_idle_timeout": shortDuration(gateway.DefaultBalancerIdleTimeout),
		"body_timeout":          shortDuration(gateway.DefaultBodyTimeout),
		"body_min_rate":         strconv.Itoa(gateway.DefaultBodyMinRate),
		"policy":                queue.DefaultPolicy.String(),
		"retention":             shortDuration(gateway.DefaultRetention),
		"progress_interval":     shortDuration(gateway.DefaultProgressInterval),
		"activation_lifetime":   shortDuration(gateway.DefaultActivationLifetime),
		"reconcile_interval":    shortDuration(gateway.DefaultReconcileInterval),
		"reconcile_devices":     strconv.Itoa(gateway.DefaultReconcileDevices),
		"rate_tenant":           rate(limits.PerTenant).String(),
		"rate_register":         rate(limits.RegisterPerAddress).String(),
		"rate_register_total":   rate(limits.RegisterTotal).String(),
		"rate_unauthorized":     rate(limits.UnauthorizedPerAddress).String(),
		"rate_login":            rate(limits.AuthPerAddress).String(),
		"environment":           gateway.DefaultEnvironment,
		"personal_tenants":      "off",
		"log_format":            "json",
	})
	return vars
}

// shortDuration formats whole seconds without zero units: 90s, 720h.
func shortDuration(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
