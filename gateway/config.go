package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/realtime"
)

// Relations between the timeouts that a load balancer in front depends on.
const (
	pingInterval = 25 * time.Second // between two pings of a socket
	longestWait  = 30 * time.Second // of a claim, as the contract allows
)

// Config is everything that a gateway can be told. The comment of each field
// names the setting that it comes from.
type Config struct {
	// Addr is where the API is served. FIELDGATE_ADDR, default ":8080".
	Addr string

	// MetricsAddr is where Prometheus finds its metrics; empty: nowhere.
	// FIELDGATE_METRICS_ADDR, default "127.0.0.1:9090".
	MetricsAddr string

	// RedisURL is where the store is. FIELDGATE_REDIS_URL, no default.
	RedisURL string

	// Embedded uses a store inside the process, whose data ends with it, in
	// place of RedisURL. Only `fieldgate dev` does so.
	Embedded bool

	// AutoPipeline sends scripts of concurrent requests to Redis together: at 64
	// callers it halves the CPU of both sides, a lone caller waits 40 µs longer.
	// Default: off. FIELDGATE_REDIS_AUTO_PIPELINE, on.
	AutoPipeline bool

	// SupabaseURL is the project whose people sign in. It gives the three
	// addresses below where they are empty. FIELDGATE_SUPABASE_URL, no default.
	SupabaseURL string

	// JWKSURL publishes the issuer's keys. FIELDGATE_JWKS_URL.
	JWKSURL string

	// Issuer is what tokens must say in iss. Empty with a JWKSURL: anything.
	// FIELDGATE_JWT_ISSUER.
	Issuer string

	// HealthURL tells that the issuer is up. FIELDGATE_AUTH_HEALTH_URL.
	HealthURL string

	// Audience is what tokens must say in aud. FIELDGATE_JWT_AUDIENCE, default
	// "authenticated".
	Audience string

	// JWTSecret accepts tokens signed with HS256. FIELDGATE_JWT_SECRET.
	JWTSecret string

	// TenantClaim and RoleClaim are the paths of the claims that say for whom a
	// person acts, and as what. FIELDGATE_TENANT_CLAIM, FIELDGATE_ROLE_CLAIM.
	TenantClaim string
	RoleClaim   string

	// SupabaseAnonKey is the public key of the project, with which the console signs
	// people in by e-mail address and password. FIELDGATE_SUPABASE_ANON_KEY.
	SupabaseAnonKey string

	// Development lets the console sign in by links with a token. Only `fieldgate dev` does
	// so.
	Development bool

	// AllowedOrigins are the web pages that may call the API from a browser, beside those
	// of this host. FIELDGATE_ALLOWED_ORIGINS.
	AllowedOrigins []string

	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	// FIELDGATE_TRUSTED_PROXIES.
	TrustedProxies []netip.Prefix

	// DrainDelay is how long a gateway that ends goes on serving, so that the
	// balancer notices. Default: not at all. FIELDGATE_DRAIN_DELAY, 10 s.
	DrainDelay time.Duration

	// DrainWindow is the time over which sockets are closed after that. Default:
	// at once. FIELDGATE_DRAIN_WINDOW, 20 s.
	DrainWindow time.Duration

	// ShutdownTimeout is how long requests in flight may take to finish.
	// FIELDGATE_SHUTDOWN_TIMEOUT, default 30 s.
	ShutdownTimeout time.Duration

	// IdleTimeout is how long a connection is kept without a request. It must be
	// longer than BalancerIdleTimeout, or the balancer answers 502 now and then.
	// FIELDGATE_IDLE_TIMEOUT, default 90 s.
	IdleTimeout time.Duration

	// BalancerIdleTimeout is that of the load balancer in front.
	// FIELDGATE_BALANCER_IDLE_TIMEOUT, default 60 s.
	BalancerIdleTimeout time.Duration

	// Limits are the rate limits, DeviceRate that of each device. The zero values
	// limit nothing. FIELDGATE_RATE_LIMITS and the settings beside it.
	Limits     ratelimit.Limits
	DeviceRate device.Rate

	// Policy decides which commands wait for a person. FIELDGATE_POLICY.
	Policy queue.Policy

	// Sockets says how sockets live: their limits, leases and intervals. What it is
	// connected to is the gateway's. Default: as realtime.Config says.
	Sockets realtime.Config

	// Retention is how long finished commands, ended sessions and timelines are
	// kept. FIELDGATE_RETENTION, default 30 days.
	Retention time.Duration

	// ReconcileInterval is how long to wait between two looks at whether all in
	// the store is as it must be; zero: no look is taken. Each instance looks.
	// FIELDGATE_RECONCILE_INTERVAL, 10 s.
	ReconcileInterval time.Duration

	// ReconcileDevices is how many devices are looked at each time, in turn; twenty
	// commands of a device, finished ones included, count as another.
	// FIELDGATE_RECONCILE_DEVICES, default 500.
	ReconcileDevices int

	// CodeKey hashes activation codes, at least 32 bytes. Empty: a key that the
	// store keeps. FIELDGATE_CODE_KEY.
	CodeKey string

	// Environment and Version are told in the system's information.
	Environment string
	Version     string

	// Logger is told what happens. Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults fills in what is open and checks the rest. The error is one
// sentence that names the settings which do not fit.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Addr, ":8080")
	setDefault(&c.Audience, "authenticated")
	setDefault(&c.ShutdownTimeout, 30*time.Second)
	setDefault(&c.IdleTimeout, 90*time.Second)
	setDefault(&c.BalancerIdleTimeout, 60*time.Second)
	setDefault(&c.Retention, 30*24*time.Hour)
	setDefault(&c.ReconcileDevices, 500)
	setDefault(&c.Environment, "production")
	setDefault(&c.Version, "dev")
	setDefault(&c.Logger, slog.Default())
	if err := c.fromProject(); err != nil {
		return c, err
	}
	return c, errors.Join(c.checkStore(), c.checkIssuer(), c.checkTimes(), c.checkKeys())
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// fromProject fills the issuer's addresses from the Supabase project's.
func (c *Config) fromProject() error {
	switch {
	case c.SupabaseURL == "" && c.SupabaseAnonKey != "":
		return errors.New("FIELDGATE_SUPABASE_ANON_KEY is set without FIELDGATE_SUPABASE_URL: it is the key of which project?")
	case c.SupabaseURL == "":
		return nil
	}
	if !isWeb(c.SupabaseURL) {
		return errors.New("FIELDGATE_SUPABASE_URL is not the address of a project, such as https://abc.supabase.co")
	}
	base := strings.TrimRight(c.SupabaseURL, "/") + "/auth/v1"
	setDefault(&c.JWKSURL, base+"/.well-known/jwks.json")
	setDefault(&c.Issuer, base)
	setDefault(&c.HealthURL, base+"/health")
	return nil
}

func (c Config) checkStore() error {
	switch {
	case c.RedisURL == "" && !c.Embedded:
		return errors.New("FIELDGATE_REDIS_URL is not set: a gateway needs a Redis to keep commands in (try `fieldgate dev` for one without)")
	case c.RedisURL != "" && c.Embedded:
		return errors.New("FIELDGATE_REDIS_URL is set, and the embedded store is asked for: choose one of them")
	}
	return nil
}

func (c Config) checkIssuer() error {
	if c.JWKSURL == "" && c.JWTSecret == "" {
		return errors.New("none of FIELDGATE_SUPABASE_URL, FIELDGATE_JWKS_URL and FIELDGATE_JWT_SECRET is set: nobody could sign in")
	}
	if !isWeb(c.JWKSURL) && c.JWKSURL != "" {
		return errors.New("FIELDGATE_JWKS_URL is not an address that begins with https:// or http://")
	}
	return errors.Join(checkClaim("FIELDGATE_TENANT_CLAIM", c.TenantClaim), checkClaim("FIELDGATE_ROLE_CLAIM", c.RoleClaim))
}

func checkClaim(setting, path string) error {
	if first, _, _ := strings.Cut(path, "."); first == "user_metadata" {
		return errors.New(setting + " must not be read from user_metadata: users edit that themselves")
	}
	return nil
}

func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

func (c Config) checkTimes() error {
	switch {
	case c.IdleTimeout <= c.BalancerIdleTimeout:
		return fmt.Errorf("FIELDGATE_IDLE_TIMEOUT (%s) must be longer than FIELDGATE_BALANCER_IDLE_TIMEOUT (%s), or the balancer answers 502",
			c.IdleTimeout, c.BalancerIdleTimeout)
	case c.BalancerIdleTimeout < 2*pingInterval, c.BalancerIdleTimeout <= longestWait:
		return fmt.Errorf("FIELDGATE_BALANCER_IDLE_TIMEOUT (%s) must be at least %s, or the balancer cuts sockets and waiting claims",
			c.BalancerIdleTimeout, 2*pingInterval)
	case c.Retention < time.Hour:
		return fmt.Errorf("FIELDGATE_RETENTION (%s) must be at least 1h", c.Retention)
	case c.ReconcileInterval < 0 || c.ReconcileDevices < 1:
		return errors.New("FIELDGATE_RECONCILE_INTERVAL must not be negative, and FIELDGATE_RECONCILE_DEVICES at least 1")
	case c.DrainDelay < 0 || c.DrainWindow < 0 || c.ShutdownTimeout < 0:
		return errors.New("FIELDGATE_DRAIN_DELAY, FIELDGATE_DRAIN_WINDOW and FIELDGATE_SHUTDOWN_TIMEOUT must not be negative")
	}
	return nil
}

func (c Config) checkKeys() error {
	const least = 32 // bytes; RFC 7518, section 3.2 for the signing secret
	switch {
	case c.CodeKey != "" && len(c.CodeKey) < least:
		return fmt.Errorf("FIELDGATE_CODE_KEY must have at least %d characters", least)
	case c.JWTSecret != "" && len(c.JWTSecret) < least:
		return fmt.Errorf("FIELDGATE_JWT_SECRET must have at least %d characters", least)
	}
	return nil
}
