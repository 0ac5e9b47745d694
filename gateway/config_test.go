package gateway_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func TestConfig_InvalidSettingIsRefusedByName(t *testing.T) {
	t.Parallel()
	good := gateway.Config{
		Embedded: true, SupabaseURL: "http://127.0.0.1:1", Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	}
	for name, c := range map[string]struct {
		change  func(*gateway.Config)
		setting string
	}{
		"no store":             {func(c *gateway.Config) { c.Embedded = false }, "FIELDGATE_REDIS_URL"},
		"two stores":           {func(c *gateway.Config) { c.RedisURL = "redis://127.0.0.1:1" }, "FIELDGATE_REDIS_URL"},
		"a key of no project":  {func(c *gateway.Config) { c.SupabaseURL, c.SupabaseAnonKey = "", "key" }, "FIELDGATE_SUPABASE_ANON_KEY"},
		"no issuer":            {func(c *gateway.Config) { c.SupabaseURL = "" }, "FIELDGATE_SUPABASE_URL"},
		"a word for an issuer": {func(c *gateway.Config) { c.SupabaseURL = "abc" }, "FIELDGATE_SUPABASE_URL"},
		"a bad JWKS URL":       {func(c *gateway.Config) { c.JWKSURL = "ftp://keys" }, "FIELDGATE_JWKS_URL"},
		"a short secret":       {func(c *gateway.Config) { c.JWTSecret = "short" }, "FIELDGATE_JWT_SECRET"},
		"the user's own tenant": {func(c *gateway.Config) { c.TenantClaim = "user_metadata.customer" },
			"FIELDGATE_TENANT_CLAIM"},
		"the user's own role":      {func(c *gateway.Config) { c.RoleClaim = "user_metadata.role" }, "FIELDGATE_ROLE_CLAIM"},
		"idle before the balancer": {func(c *gateway.Config) { c.IdleTimeout = 60 * time.Second }, "FIELDGATE_IDLE_TIMEOUT"},
		"a balancer that cuts waits": {func(c *gateway.Config) { c.BalancerIdleTimeout = 30 * time.Second },
			"FIELDGATE_BALANCER_IDLE_TIMEOUT"},
		"an origin with a path": {func(c *gateway.Config) { c.AllowedOrigins = []string{"https://app.example.com/page"} },
			"FIELDGATE_ALLOWED_ORIGINS"},
		"a short memory":    {func(c *gateway.Config) { c.Retention = time.Minute }, "FIELDGATE_RETENTION"},
		"a negative delay":  {func(c *gateway.Config) { c.DrainDelay = -1 }, "FIELDGATE_DRAIN_DELAY"},
		"a negative pause":  {func(c *gateway.Config) { c.ReconcileInterval = -1 }, "FIELDGATE_RECONCILE_INTERVAL"},
		"less than nothing": {func(c *gateway.Config) { c.ReconcileDevices = -1 }, "FIELDGATE_RECONCILE_DEVICES"},
		"a short code key":  {func(c *gateway.Config) { c.CodeKey = "short" }, "FIELDGATE_CODE_KEY"},
		"an address in use": {func(c *gateway.Config) { c.Addr = strings.TrimPrefix(gatewaytest.Start(t).URL, "http://") }, "FIELDGATE_ADDR"},
		"no such metrics":   {func(c *gateway.Config) { c.MetricsAddr = "nowhere.invalid:1" }, "FIELDGATE_METRICS_ADDR"},
		"no such Redis": {func(c *gateway.Config) { c.Embedded, c.RedisURL = false, "redis://:hunter2@127.0.0.1:1" },
			"FIELDGATE_REDIS_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			c.change(&cfg)
			_, err := gateway.New(t.Context(), cfg)
			require.ErrorContains(t, err, c.setting)
			require.NotContains(t, err.Error(), "\n", "one sentence")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
