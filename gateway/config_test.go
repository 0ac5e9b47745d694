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
		"no store":                          {func(c *gateway.Config) { c.Embedded = false }, "FIELDGATE_REDIS_URL"},
		"two stores":                        {func(c *gateway.Config) { c.RedisURL = "redis://127.0.0.1:1" }, "FIELDGATE_REDIS_URL"},
		"an anon key without a project URL": {func(c *gateway.Config) { c.SupabaseURL, c.SupabaseAnonKey = "", "key" }, "FIELDGATE_SUPABASE_ANON_KEY"},
		"no issuer":                         {func(c *gateway.Config) { c.SupabaseURL = "" }, "FIELDGATE_SUPABASE_URL"},
		"an issuer that is not a URL":       {func(c *gateway.Config) { c.SupabaseURL = "abc" }, "FIELDGATE_SUPABASE_URL"},
		"a URL with the path of Auth":       {func(c *gateway.Config) { c.SupabaseURL += "/auth/v1" }, "FIELDGATE_SUPABASE_URL"},
		"an issuer and none":                {func(c *gateway.Config) { c.Issuers = []string{"https://a.example.com", "off"} }, "FIELDGATE_JWT_ISSUER"},
		"a bad JWKS URL":                    {func(c *gateway.Config) { c.JWKSURL = "ftp://keys" }, "FIELDGATE_JWKS_URL"},
		"a short secret":                    {func(c *gateway.Config) { c.JWTSecret = "short" }, "FIELDGATE_JWT_SECRET"},
		"a tenant claim that users edit": {func(c *gateway.Config) { c.TenantClaim = "user_metadata.customer" },
			"FIELDGATE_TENANT_CLAIM"},
		"a role claim that users edit":         {func(c *gateway.Config) { c.RoleClaim = "user_metadata.role" }, "FIELDGATE_ROLE_CLAIM"},
		"a negative lifetime of tokens":        {func(c *gateway.Config) { c.JWTMaxLifetime = -1 }, "FIELDGATE_JWT_MAX_LIFETIME"},
		"an assurance level of no token":       {func(c *gateway.Config) { c.ApprovalAAL = "2" }, "FIELDGATE_APPROVAL_AAL"},
		"an idle timeout below the balancer's": {func(c *gateway.Config) { c.IdleTimeout = 60 * time.Second }, "FIELDGATE_IDLE_TIMEOUT"},
		"a balancer timeout below the long poll": {func(c *gateway.Config) { c.BalancerIdleTimeout = 30 * time.Second },
			"FIELDGATE_BALANCER_IDLE_TIMEOUT"},
		"an origin with a path": {func(c *gateway.Config) { c.AllowedOrigins = []string{"https://app.example.com/page"} },
			"FIELDGATE_ALLOWED_ORIGINS"},
		"passkeys on pages of another domain": {func(c *gateway.Config) {
			c.PasskeyRelyingParty, c.PasskeyOrigins = "example.com", []string{"https://example.com", "https://badexample.com"}
		}, "FIELDGATE_PASSKEY_ORIGINS"},
		"passkeys on pages without TLS": {func(c *gateway.Config) {
			c.PasskeyRelyingParty, c.PasskeyOrigins = "example.com", []string{"http://fleet.example.com"}
		}, "FIELDGATE_PASSKEY_ORIGINS"},
		"activation codes for over two years":     {func(c *gateway.Config) { c.ActivationLifetime = 17521 * time.Hour }, "FIELDGATE_ACTIVATION_LIFETIME"},
		"a short retention":                       {func(c *gateway.Config) { c.Retention = time.Minute }, "FIELDGATE_RETENTION"},
		"a short interval of progress":            {func(c *gateway.Config) { c.ProgressInterval = time.Millisecond }, "FIELDGATE_PROGRESS_INTERVAL"},
		"a negative drain delay":                  {func(c *gateway.Config) { c.DrainDelay = -1 }, "FIELDGATE_DRAIN_DELAY"},
		"a negative reconcile interval":           {func(c *gateway.Config) { c.ReconcileInterval = -1 }, "FIELDGATE_RECONCILE_INTERVAL"},
		"a negative number of devices":            {func(c *gateway.Config) { c.ReconcileDevices = -1 }, "FIELDGATE_RECONCILE_DEVICES"},
		"a short code key":                        {func(c *gateway.Config) { c.CodeKey = "short" }, "FIELDGATE_CODE_KEY"},
		"a short record key":                      {func(c *gateway.Config) { c.RecordKey = "short" }, "FIELDGATE_RECORD_KEY"},
		"an address in use":                       {func(c *gateway.Config) { c.Addr = strings.TrimPrefix(gatewaytest.Start(t).URL, "http://") }, "FIELDGATE_ADDR"},
		"a metrics address that does not resolve": {func(c *gateway.Config) { c.MetricsAddr = "nowhere.invalid:1" }, "FIELDGATE_METRICS_ADDR"},
		"a Redis URL without a host": {func(c *gateway.Config) { c.Embedded, c.RedisURL = false, "redis://:hunter2@" },
			"FIELDGATE_REDIS_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			c.change(&cfg)
			_, err := gateway.New(t.Context(), cfg)
			require.ErrorContains(t, err, c.setting)
			require.NotContains(t, err.Error(), "\n", "the error has one line")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
