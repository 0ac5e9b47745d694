package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
)

// The idle timeout of a load balancer must be longer than both durations.
const (
	pingInterval = 25 * time.Second // time between two pings on a socket
	longestWait  = 30 * time.Second // longest wait of a claim that the contract allows
)

// The defaults for fields of Config that are zero. The settings have the same defaults.
const (
	DefaultAddr                = ":8080"
	DefaultAudience            = customer.DefaultAudience
	DefaultTenantClaim         = customer.DefaultTenantClaim
	DefaultRoleClaim           = customer.DefaultRoleClaim
	DefaultEmailClaim          = customer.DefaultEmailClaim
	DefaultJWTMaxLifetime      = customer.DefaultMaxLifetime
	DefaultApprovalAAL         = customer.AAL1
	DefaultIssuerKeysMaxAge    = customer.DefaultMaxKeyAge
	DefaultShutdownTimeout     = 30 * time.Second
	DefaultIdleTimeout         = 90 * time.Second
	DefaultBalancerIdleTimeout = 60 * time.Second
	DefaultBodyTimeout         = 30 * time.Second
	DefaultBodyMinRate         = 1 << 10
	DefaultRetention           = store.DefaultRetention
	DefaultActivationLifetime  = device.DefaultActivationTTL
	DefaultReconcileDevices    = store.DefaultReconcileDevices
	DefaultEnvironment         = "production"
)

// ClaimOff in place of the path of a claim reads no claim.
const ClaimOff = customer.ClaimOff

// IssuerOff in place of the accepted issuers accepts tokens of any issuer, also those without
// the claim iss.
const IssuerOff = "off"

// authPath is the path of Supabase Auth below the URL of its project.
const authPath = "/auth/v1"

// DefaultProgressInterval is the default of FIELDGATE_PROGRESS_INTERVAL.
const DefaultProgressInterval = realtime.DefaultProgressEvery

// minProgressInterval keeps a fleet that reports progress from flooding the sockets of its users.
const minProgressInterval = 100 * time.Millisecond

// DefaultReconcileInterval is the default of FIELDGATE_RECONCILE_INTERVAL. In Config, a zero
// ReconcileInterval means that the reconciler is off.
const DefaultReconcileInterval = store.DefaultReconcileInterval

// Config configures a gateway. The comment of each field names the setting that sets the field.
// A setting can have a default even if the zero value of its field means off.
type Config struct {
	// Addr is the address of the API: "host:port", or "unix:" and the absolute path of a Unix
	// socket. Empty means DefaultAddr. Setting: FIELDGATE_ADDR.
	Addr string

	// UnixSocketMode has the permissions of Unix sockets at which the gateway listens. Zero means
	// DefaultUnixSocketMode. Setting: FIELDGATE_UNIX_SOCKET_MODE.
	UnixSocketMode fs.FileMode

	// TLSCertFile and TLSKeyFile are PEM files with the certificate and the key with which the API
	// is served. They are read again when they change. Empty means that the API is served without
	// TLS. Settings: FIELDGATE_TLS_CERT_FILE and FIELDGATE_TLS_KEY_FILE.
	TLSCertFile string
	TLSKeyFile  string

	// HSTS decides which responses have the header Strict-Transport-Security: those over TLS
	// (HSTSAuto), all (HSTSOn), because a proxy terminates TLS, or none (HSTSOff). Empty means
	// HSTSAuto. Setting: FIELDGATE_HSTS.
	HSTS string

	// ProxyProtocol requires a header of the PROXY protocol on connections from TrustedProxies to
	// Addr. Setting: FIELDGATE_PROXY_PROTOCOL.
	ProxyProtocol bool

	// MetricsAddr is the address at which the Prometheus metrics are served. Empty means that
	// they are not served. Setting: FIELDGATE_METRICS_ADDR.
	MetricsAddr string

	// AdminAddr is the address of the admin listener: metrics, profiles, readiness in detail, and
	// the level of the log. Empty means that there is none. Setting: FIELDGATE_ADMIN_ADDR.
	AdminAddr string

	// AdminToken is the credential for the admin listener, at least 32 bytes. It is required unless
	// only programs on this machine can connect to AdminAddr. Setting: FIELDGATE_ADMIN_TOKEN.
	AdminToken string

	// RedisURL is the URL of the Redis that stores the data. It is required unless Embedded is
	// set. Setting: FIELDGATE_REDIS_URL.
	RedisURL string

	// RedisCAFile is a file with the PEM certificates of the authorities that connections to
	// Redis trust instead of the system's. RedisCertFile and RedisKeyFile have the certificate
	// and the key with which the gateway authenticates to Redis. All are read again for each new
	// connection. Empty means none. Settings: FIELDGATE_REDIS_CA_FILE, FIELDGATE_REDIS_CERT_FILE
	// and FIELDGATE_REDIS_KEY_FILE.
	RedisCAFile   string
	RedisCertFile string
	RedisKeyFile  string

	// RedisPasswordFile is a file with the password of the Redis user. It is read again for each
	// new connection. Empty means that RedisURL has the password. Setting:
	// FIELDGATE_REDIS_PASSWORD_FILE.
	RedisPasswordFile string

	// RedisPoolSize is the maximum number of connections to each Redis server for scripts. Zero
	// means 10 for each processor. Setting: FIELDGATE_REDIS_POOL_SIZE.
	RedisPoolSize int

	// StoreID is the id of the only store that this instance may use, as in the log line
	// "created a new store". A new store and another store are refused. Default: any store.
	// Setting: FIELDGATE_STORE_ID.
	StoreID string

	// Embedded selects a store in this process instead of Redis. The data is lost when the
	// process ends. Only `fieldgate dev` and the demo set Embedded.
	Embedded bool

	// AutoPipeline combines the scripts of concurrent requests into one message to Redis. With
	// 64 concurrent callers, this halves the CPU time of the gateway and of Redis. A single
	// caller waits 40 µs longer. Setting: FIELDGATE_REDIS_AUTO_PIPELINE.
	AutoPipeline bool

	// NoFunctions runs the scripts with EVALSHA instead of loading them into Redis as functions.
	// Redis then creates the closures and constants of a script at each call. Setting:
	// FIELDGATE_REDIS_FUNCTIONS, which is the opposite.
	NoFunctions bool

	// SupabaseURL is the URL of the Supabase project whose users sign in. JWKSURL, Issuers and
	// HealthURL default to addresses of this project. Setting: FIELDGATE_SUPABASE_URL.
	SupabaseURL string

	// JWKSURL is the URL of the token issuer's public keys. Setting: FIELDGATE_JWKS_URL.
	JWKSURL string

	// Issuers are the values that the iss claim of tokens may have. If there are none and JWKSURL
	// is set, or if the only one is IssuerOff, any issuer is accepted. Setting:
	// FIELDGATE_JWT_ISSUER.
	Issuers []string

	// HealthURL is the URL that reports whether the issuer is up. Empty means that the issuer
	// is not probed. Setting: FIELDGATE_AUTH_HEALTH_URL.
	HealthURL string

	// IssuerKeysMaxAge is the time for which the issuer's keys are used after they were fetched
	// last, by this instance or by one that kept them in the store. Zero means
	// DefaultIssuerKeysMaxAge. Setting: FIELDGATE_ISSUER_KEYS_MAX_AGE.
	IssuerKeysMaxAge time.Duration

	// Audience is the value that the aud claim of tokens must have. Empty means
	// DefaultAudience. Setting: FIELDGATE_JWT_AUDIENCE.
	Audience string

	// JWTSecret is the key that verifies tokens signed with HS256, at least 32 bytes. Empty
	// means that such tokens are refused. Setting: FIELDGATE_JWT_SECRET.
	JWTSecret string

	// PreviousJWTSecrets are secrets that JWTSecret has replaced. Tokens that are signed with one
	// of them are accepted too. At most customer.MaxPreviousSecrets. Setting:
	// FIELDGATE_JWT_SECRET_PREVIOUS, one a line.
	PreviousJWTSecrets []string

	// TenantClaim and RoleClaim are the paths of the token's claims that contain the tenant and
	// the role. Empty means DefaultTenantClaim and DefaultRoleClaim. Settings:
	// FIELDGATE_TENANT_CLAIM and FIELDGATE_ROLE_CLAIM.
	TenantClaim string
	RoleClaim   string

	// NameClaims and EmailClaim are the paths of the token's claims that contain the name and the
	// e-mail address of the user. Both are recorded with what the user does. Of several names, the
	// first that can be displayed is used. ClaimOff means that none is read. Empty means
	// customer.DefaultNameClaims() and DefaultEmailClaim. Settings: FIELDGATE_NAME_CLAIM and
	// FIELDGATE_EMAIL_CLAIM.
	NameClaims []string
	EmailClaim string

	// PersonalTenants accepts users whose token has no tenant: each is admin of a tenant of
	// their own. If it is false, they are refused with no_tenant. Setting:
	// FIELDGATE_PERSONAL_TENANTS.
	PersonalTenants bool

	// JWTMaxLifetime is the maximum time for which a token is valid, from its iat to its exp.
	// A longer one is refused. Zero means DefaultJWTMaxLifetime. Setting:
	// FIELDGATE_JWT_MAX_LIFETIME.
	JWTMaxLifetime time.Duration

	// ApprovalAAL is the least assurance level of the sign-in with which a user approves a
	// command: "aal1", or "aal2" for a second factor. Empty means "aal1". Setting:
	// FIELDGATE_APPROVAL_AAL.
	ApprovalAAL string

	// AllowedClients are the ids of OAuth clients that may approve commands for their users.
	// The token of another client may read, propose and reject, as the role of its user
	// allows. Setting: FIELDGATE_ALLOWED_CLIENTS.
	AllowedClients []string

	// SupabaseAnonKey is the public key of the Supabase project. If it is set, users sign in to
	// the console by e-mail address and password. The console publishes it, so a secret key is
	// refused. Setting: FIELDGATE_SUPABASE_ANON_KEY.
	SupabaseAnonKey string

	// Development lets users sign in to the console with a link that contains a token. Only
	// `fieldgate dev` sets it.
	Development bool

	// AllowedOrigins are the origins whose web pages may call the API from a browser, in
	// addition to pages of this host. Setting: FIELDGATE_ALLOWED_ORIGINS.
	AllowedOrigins []string

	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted. Setting:
	// FIELDGATE_TRUSTED_PROXIES.
	TrustedProxies []netip.Prefix

	// DrainDelay is how long the gateway still serves all requests after a shutdown has begun.
	// In this time, the load balancer can stop sending requests. Setting:
	// FIELDGATE_DRAIN_DELAY.
	DrainDelay time.Duration

	// DrainWindow is the time over which the sockets are closed after DrainDelay. Zero closes
	// all sockets at once. Setting: FIELDGATE_DRAIN_WINDOW.
	DrainWindow time.Duration

	// ShutdownTimeout is the maximum time that running requests may take during a shutdown.
	// Zero means DefaultShutdownTimeout. Setting: FIELDGATE_SHUTDOWN_TIMEOUT.
	ShutdownTimeout time.Duration

	// IdleTimeout is how long an idle connection is kept open. It must be longer than
	// BalancerIdleTimeout. Otherwise the balancer may send a request over a connection that the
	// gateway is closing, and respond with 502. Zero means DefaultIdleTimeout. Setting:
	// FIELDGATE_IDLE_TIMEOUT.
	IdleTimeout time.Duration

	// BalancerIdleTimeout is the idle timeout of the load balancer in front of the gateway.
	// Zero means DefaultBalancerIdleTimeout. Setting: FIELDGATE_BALANCER_IDLE_TIMEOUT.
	BalancerIdleTimeout time.Duration

	// BodyTimeout is the time by which a request body may be behind BodyMinRate, and thus the
	// maximum time without a byte of it. Zero means DefaultBodyTimeout.
	// Setting: FIELDGATE_BODY_TIMEOUT.
	BodyTimeout time.Duration

	// BodyMinRate is the minimum average rate of a request body in bytes a second. Zero means
	// DefaultBodyMinRate. Setting: FIELDGATE_BODY_MIN_RATE.
	BodyMinRate int64

	// Limits are the rate limits for tenants and addresses. DeviceRate is the rate limit for
	// each device. Zero means no limit. Settings: FIELDGATE_RATE_LIMITS, FIELDGATE_RATE_DEVICE
	// and the settings with the same prefix.
	Limits     ratelimit.Limits
	DeviceRate device.Rate

	// MaxSockets is the maximum number of sockets of this instance. Zero means as many as the
	// limit of open files allows. MaxTenantSockets is the maximum for one tenant. Zero means
	// half of MaxSockets, and at most 20,000. Settings: FIELDGATE_MAX_SOCKETS and
	// FIELDGATE_MAX_TENANT_SOCKETS.
	MaxSockets       int
	MaxTenantSockets int

	// HandshakeRate is the rate at which sockets may open on this instance. A tenant may use
	// half of it. Zero means no limit. Setting: FIELDGATE_RATE_HANDSHAKES.
	HandshakeRate ratelimit.Limit

	// EventRate is the rate at which event frames are pushed to all sockets of a tenant on
	// this instance. Further events are delayed. Zero means no limit. Setting:
	// FIELDGATE_RATE_EVENTS.
	EventRate ratelimit.Limit

	// Quotas are the quotas of each tenant, unless the operator has set others for a tenant.
	// Zero means no limit. Settings: FIELDGATE_QUOTA_DEVICES and the others with this prefix.
	Quotas quota.Amounts

	// Policy decides which commands need an approval. Nil means queue.DefaultPolicy.
	// Setting: FIELDGATE_POLICY.
	Policy queue.Policy

	// ProgressInterval is the minimum time between two events of the progress of a command. Zero
	// means DefaultProgressInterval. Setting: FIELDGATE_PROGRESS_INTERVAL.
	ProgressInterval time.Duration

	// Sockets has the limits, leases and intervals of the sockets. The gateway itself sets the
	// other fields of Sockets, such as the store and the logger. No setting changes Sockets.
	Sockets realtime.Config

	// Retention is how long finished commands, ended sessions and events are kept. Zero means
	// DefaultRetention. Setting: FIELDGATE_RETENTION.
	Retention time.Duration

	// ActivationLifetime is how long an activation code is valid, at most two years. Zero means
	// DefaultActivationLifetime. Setting: FIELDGATE_ACTIVATION_LIFETIME.
	ActivationLifetime time.Duration

	// ReconcileInterval is the time between two batches of this instance's reconciler, and three
	// times as long after the end of a round. Zero means that the reconciler does not run.
	// Setting: FIELDGATE_RECONCILE_INTERVAL.
	ReconcileInterval time.Duration

	// ReconcileDevices is the number of devices that the reconciler checks in a batch. A device
	// counts once, and once more for every twenty of its commands, finished or not. Zero means
	// DefaultReconcileDevices. Setting: FIELDGATE_RECONCILE_DEVICES.
	ReconcileDevices int

	// CodeKey is the key with which activation codes are hashed, at least 32 bytes. Empty
	// selects a key that is kept in the store. Setting: FIELDGATE_CODE_KEY.
	CodeKey string

	// RecordKey is the key that authenticates the records of commands, at least 32 bytes, so that
	// a change of them in the store is found. Empty selects a key that is kept in the store, which
	// shows only damage and careless edits. Setting: FIELDGATE_RECORD_KEY.
	RecordKey string

	// RecordKeyRequired refuses a command whose record RecordKey does not authenticate. It has no
	// effect without RecordKey. It must be false on every instance while RecordKey is introduced or
	// replaced: the reconciler then authenticates policies, passkeys and rosters with RecordKey. Setting:
	// FIELDGATE_RECORD_KEY_REQUIRED.
	RecordKeyRequired bool

	// SigningKey has the keys of receipts in PEM blocks: see receipt.NewSigner. Empty signs no receipts,
	// except in development mode with an embedded store, which signs with a key of its own. Setting:
	// FIELDGATE_SIGNING_KEY.
	SigningKey string

	// PasskeyRelyingParty is the domain to which the passkeys of approvers are bound, such as
	// "example.com". Empty means "localhost" in development mode, and otherwise that no passkeys can be
	// used. Setting: FIELDGATE_PASSKEY_RELYING_PARTY.
	PasskeyRelyingParty string

	// PasskeyOrigins are the origins of the pages on which passkeys sign, such as
	// "https://fleet.example.com". Default: https and PasskeyRelyingParty. Setting:
	// FIELDGATE_PASSKEY_ORIGINS.
	PasskeyOrigins []string

	// Environment names this installation in the system information. Empty means
	// DefaultEnvironment. Setting: FIELDGATE_ENVIRONMENT.
	Environment string

	// Version is shown in the system information. Empty means "dev".
	Version string

	// LogSample is a number of requests, of which one is logged if they had no error. All
	// others are logged. Zero and one log every request. Setting: FIELDGATE_LOG_SAMPLE.
	LogSample int

	// LogLevel is the level of Logger, which the admin listener shows and changes. Nil means a level
	// that has no effect. Setting: FIELDGATE_LOG_LEVEL.
	LogLevel *slog.LevelVar

	// Traces receives the spans of requests, frames and calls of the store. Nil means that none are
	// recorded. Set by the environment variables of OpenTelemetry, such as
	// OTEL_EXPORTER_OTLP_ENDPOINT.
	Traces trace.TracerProvider

	// Logger receives the log. Nil means slog.Default(). Settings: FIELDGATE_LOG_LEVEL,
	// FIELDGATE_LOG_FORMAT and FIELDGATE_LOG_DELAY.
	Logger *slog.Logger
}

// withDefaults returns c with defaults in place of zero values, and checks the configuration.
// The error is one sentence that names the invalid settings.
func (c Config) withDefaults() (Config, error) {
	c.Addr = cmp.Or(c.Addr, DefaultAddr)
	c.UnixSocketMode = cmp.Or(c.UnixSocketMode, DefaultUnixSocketMode)
	c.HSTS = cmp.Or(c.HSTS, HSTSAuto)
	c.LogLevel = cmp.Or(c.LogLevel, new(slog.LevelVar))
	c.Audience = cmp.Or(c.Audience, DefaultAudience)
	c.TenantClaim = cmp.Or(c.TenantClaim, DefaultTenantClaim)
	c.RoleClaim = cmp.Or(c.RoleClaim, DefaultRoleClaim)
	c.EmailClaim = cmp.Or(c.EmailClaim, DefaultEmailClaim)
	if len(c.NameClaims) == 0 {
		c.NameClaims = customer.DefaultNameClaims()
	}
	c.JWTMaxLifetime = cmp.Or(c.JWTMaxLifetime, DefaultJWTMaxLifetime)
	c.ApprovalAAL = cmp.Or(c.ApprovalAAL, DefaultApprovalAAL)
	c.IssuerKeysMaxAge = cmp.Or(c.IssuerKeysMaxAge, DefaultIssuerKeysMaxAge)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	c.BalancerIdleTimeout = cmp.Or(c.BalancerIdleTimeout, DefaultBalancerIdleTimeout)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, DefaultBodyTimeout)
	c.BodyMinRate = cmp.Or(c.BodyMinRate, DefaultBodyMinRate)
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	c.ProgressInterval = cmp.Or(c.ProgressInterval, DefaultProgressInterval)
	c.ActivationLifetime = cmp.Or(c.ActivationLifetime, DefaultActivationLifetime)
	c.ReconcileDevices = cmp.Or(c.ReconcileDevices, DefaultReconcileDevices)
	c.Environment = cmp.Or(c.Environment, DefaultEnvironment)
	c.Version = cmp.Or(c.Version, "dev")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if err := c.checkTexts(); err != nil {
		return c, err
	}
	if err := c.setIssuerFromProject(); err != nil {
		return c, err
	}
	return c, errors.Join(c.checkListeners(), c.checkStore(), c.checkIssuer(), c.checkPublicKey(), c.checkJWTSecrets(), c.checkTokens(), c.checkTimes(), c.checkQuotas(), c.checkKeys(), c.checkPasskeys(), c.checkSockets())
}

func (c Config) checkStore() error {
	switch {
	case c.RedisURL == "" && !c.Embedded:
		return errors.New("FIELDGATE_REDIS_URL is not set: the gateway keeps commands in Redis (use `fieldgate dev` to try it without)")
	case c.RedisURL != "" && c.Embedded:
		return errors.New("FIELDGATE_REDIS_URL is set although the embedded store is configured: choose one of them")
	case c.RedisPoolSize < 0:
		return errors.New("FIELDGATE_REDIS_POOL_SIZE must not be negative: set 0 for 10 connections for each processor")
	}
	return nil
}

func (c Config) checkTokens() error {
	if c.JWTMaxLifetime < 0 {
		return errors.New("FIELDGATE_JWT_MAX_LIFETIME must not be negative")
	}
	if err := customer.CheckAssurance(c.ApprovalAAL); err != nil {
		return fmt.Errorf("reading FIELDGATE_APPROVAL_AAL: %w", err)
	}
	return nil
}

func (c Config) checkTimes() error {
	switch {
	case c.IdleTimeout <= c.BalancerIdleTimeout:
		return fmt.Errorf("FIELDGATE_IDLE_TIMEOUT (%s) must be longer than FIELDGATE_BALANCER_IDLE_TIMEOUT (%s), or the balancer responds with 502",
			c.IdleTimeout, c.BalancerIdleTimeout)
	case c.BalancerIdleTimeout < 2*pingInterval, c.BalancerIdleTimeout <= longestWait:
		return fmt.Errorf("FIELDGATE_BALANCER_IDLE_TIMEOUT (%s) must be at least %s, or the balancer closes sockets and waiting claims",
			c.BalancerIdleTimeout, 2*pingInterval)
	case c.BodyTimeout < 0 || c.BodyMinRate < 0:
		return errors.New("FIELDGATE_BODY_TIMEOUT and FIELDGATE_BODY_MIN_RATE must not be negative")
	case c.IssuerKeysMaxAge < time.Hour:
		return fmt.Errorf("FIELDGATE_ISSUER_KEYS_MAX_AGE (%s) must be at least 1h, because the keys are fetched every 10 minutes", c.IssuerKeysMaxAge)
	case c.Retention < time.Hour:
		return fmt.Errorf("FIELDGATE_RETENTION (%s) must be at least 1h", c.Retention)
	case c.ActivationLifetime < time.Minute || c.ActivationLifetime > device.MaxActivationTTL:
		return fmt.Errorf("FIELDGATE_ACTIVATION_LIFETIME (%s) must be at least 1m and at most 17520h, which is two years", c.ActivationLifetime)
	case c.ReconcileInterval < 0 || c.ReconcileDevices < 1:
		return errors.New("FIELDGATE_RECONCILE_INTERVAL must not be negative, and FIELDGATE_RECONCILE_DEVICES at least 1")
	case c.ProgressInterval < minProgressInterval:
		return fmt.Errorf("FIELDGATE_PROGRESS_INTERVAL (%s) must be at least %s", c.ProgressInterval, minProgressInterval)
	case c.LogSample < 0:
		return errors.New("FIELDGATE_LOG_SAMPLE must not be negative: set 1 to log every request")
	case c.DrainDelay < 0 || c.DrainWindow < 0 || c.ShutdownTimeout < 0:
		return errors.New("FIELDGATE_DRAIN_DELAY, FIELDGATE_DRAIN_WINDOW and FIELDGATE_SHUTDOWN_TIMEOUT must not be negative")
	}
	return nil
}

func (c Config) checkSockets() error {
	switch {
	case c.MaxSockets < 0 || c.MaxTenantSockets < 0:
		return errors.New("FIELDGATE_MAX_SOCKETS and FIELDGATE_MAX_TENANT_SOCKETS must not be negative")
	case c.MaxSockets > 0 && c.MaxTenantSockets > c.MaxSockets:
		return fmt.Errorf("FIELDGATE_MAX_TENANT_SOCKETS (%d) must not exceed FIELDGATE_MAX_SOCKETS (%d)", c.MaxTenantSockets, c.MaxSockets)
	}
	return nil
}

func (c Config) checkQuotas() error {
	for _, name := range quota.Names() {
		if *c.Quotas.Field(name) < 0 {
			return fmt.Errorf("the quota of %s is negative: set 0 for no limit", name)
		}
	}
	return nil
}

func (c Config) checkKeys() error {
	const least = minKeyBytes
	switch {
	case c.CodeKey != "" && len(c.CodeKey) < least:
		return fmt.Errorf("FIELDGATE_CODE_KEY must have at least %d characters", least)
	case c.RecordKey != "" && len(c.RecordKey) < least:
		return fmt.Errorf("FIELDGATE_RECORD_KEY must have at least %d characters", least)
	}
	if _, err := newSigner(c); err != nil {
		return fmt.Errorf("reading FIELDGATE_SIGNING_KEY: %w", err)
	}
	return nil
}
