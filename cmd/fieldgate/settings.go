package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate/connection"
	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/ratelimit"
)

// settings are the settings that the commands serve and dev share. Each setting is an
// environment variable, and a flag with the same name. A default such as ${addr} stands for
// the value of that name in the map that defaults returns.
type settings struct {
	Addr        string `env:"FIELDGATE_ADDR" default:"${addr}" help:"Address of the API."`
	MetricsAddr string `env:"FIELDGATE_METRICS_ADDR" default:"127.0.0.1:9090" help:"Address of the Prometheus metrics; 'off' to serve none."`

	Audience    string `name:"jwt-audience" env:"FIELDGATE_JWT_AUDIENCE" default:"${audience}" help:"Required 'aud' claim of tokens."`
	TenantClaim string `env:"FIELDGATE_TENANT_CLAIM" default:"${tenant_claim}" help:"Path of the claim with the tenant, which is the customer of the user."`
	RoleClaim   string `env:"FIELDGATE_ROLE_CLAIM" default:"${role_claim}" help:"Path of the claim with the role of the user."`

	NameClaims []string `name:"name-claim" env:"FIELDGATE_NAME_CLAIM" default:"${name_claim}" help:"Paths of the claims with the name of the user, which is recorded with what the user does; the first that can be displayed is used, 'off' for none."`
	EmailClaim string   `env:"FIELDGATE_EMAIL_CLAIM" default:"${email_claim}" help:"Path of the claim with the e-mail address of the user, which is recorded with what the user does; 'off' for none."`

	KeysMaxAge time.Duration `name:"issuer-keys-max-age" env:"FIELDGATE_ISSUER_KEYS_MAX_AGE" default:"${issuer_keys_max_age}" help:"Time for which the token issuer's keys are used after they were fetched last."`

	PersonalTenants string `env:"FIELDGATE_PERSONAL_TENANTS" enum:"on,off" default:"${personal_tenants}" help:"Whether a user whose token has no tenant is admin of a tenant of their own (on, off). Anyone who can sign up is then an admin."`

	JWTMaxLifetime time.Duration `name:"jwt-max-lifetime" env:"FIELDGATE_JWT_MAX_LIFETIME" default:"${jwt_max_lifetime}" help:"Maximum time for which a token is valid; a longer one is refused."`
	ApprovalAAL    string        `name:"approval-aal" env:"FIELDGATE_APPROVAL_AAL" enum:"aal1,aal2" default:"${approval_aal}" help:"Least assurance level of the sign-in with which a user approves a command (aal1, or aal2 for a second factor)."`
	AllowedClients []string      `env:"FIELDGATE_ALLOWED_CLIENTS" help:"Ids of OAuth clients that may approve commands for their users. The others may do what else the role of the user allows."`

	AllowedOrigins []string `env:"FIELDGATE_ALLOWED_ORIGINS" help:"Origins whose web pages may call the API from a browser, besides the gateway's own, such as https://app.example.com."`
	TrustedProxies []string `env:"FIELDGATE_TRUSTED_PROXIES" help:"Networks whose X-Forwarded-For is trusted, such as 10.0.0.0/8."`

	DrainDelay          time.Duration `env:"FIELDGATE_DRAIN_DELAY" default:"${drain_delay}" help:"Time after SIGTERM during which everything is still served, so that the balancer notices."`
	DrainWindow         time.Duration `env:"FIELDGATE_DRAIN_WINDOW" default:"20s" help:"Time over which the sockets are closed after that."`
	ShutdownTimeout     time.Duration `env:"FIELDGATE_SHUTDOWN_TIMEOUT" default:"${shutdown_timeout}" help:"Maximum time for requests in flight to finish."`
	IdleTimeout         time.Duration `env:"FIELDGATE_IDLE_TIMEOUT" default:"${idle_timeout}" help:"Time that an idle connection is kept; must be longer than that of the balancer."`
	BalancerIdleTimeout time.Duration `env:"FIELDGATE_BALANCER_IDLE_TIMEOUT" default:"${balancer_idle_timeout}" help:"Idle timeout of the load balancer in front."`
	BodyTimeout         time.Duration `env:"FIELDGATE_BODY_TIMEOUT" default:"${body_timeout}" help:"Time by which a request body may be behind the minimum rate, and thus the maximum time without a byte of it."`
	BodyMinRate         int64         `env:"FIELDGATE_BODY_MIN_RATE" default:"${body_min_rate}" help:"Minimum average rate of a request body in bytes a second."`

	Policy    string        `env:"FIELDGATE_POLICY" default:"${policy}" help:"Which types of command run without approval (auto), need an approval (review) or are refused (deny). The first rule that matches applies. A review may have conditions: review(approvals=2,assurance=aal2)."`
	Retention time.Duration `env:"FIELDGATE_RETENTION" default:"${retention}" help:"Time that finished commands, ended sessions and timelines are kept."`

	ActivationLifetime time.Duration `env:"FIELDGATE_ACTIVATION_LIFETIME" default:"${activation_lifetime}" help:"Time for which an activation code is valid, at most 17520h, which is two years."`

	ReconcileInterval time.Duration `env:"FIELDGATE_RECONCILE_INTERVAL" default:"${reconcile_interval}" help:"Time between two batches of the reconciler, which repairs violations in the store, and three times as long after all devices were checked; 0 to turn it off."`
	ReconcileDevices  int           `env:"FIELDGATE_RECONCILE_DEVICES" default:"${reconcile_devices}" help:"Number of devices in a batch of the reconciler; twenty commands count as a device."`

	CodeKey string `env:"FIELDGATE_CODE_KEY" help:"Key with which activation codes are hashed, at least 32 characters. Default: a key that is kept in the store."`

	RecordKey         string `env:"FIELDGATE_RECORD_KEY" help:"Key that authenticates the records of commands, so that a change of them in Redis is found, at least 32 characters. Default: a key that is kept in the store."`
	RecordKeyRequired string `env:"FIELDGATE_RECORD_KEY_REQUIRED" enum:"on,off" default:"on" help:"Whether a command is refused whose record this key does not authenticate (on, off); off while the key is introduced or replaced."`

	SigningKey string `env:"FIELDGATE_SIGNING_KEY" help:"Keys of the receipts of commands, in PEM: the private key that signs, and further keys that are only published. Default: no receipts are signed."`

	PasskeyRelyingParty string   `env:"FIELDGATE_PASSKEY_RELYING_PARTY" help:"Domain to which the passkeys of approvers are bound, such as example.com. Default: no passkeys can be used; in dev, localhost."`
	PasskeyOrigins      []string `env:"FIELDGATE_PASSKEY_ORIGINS" help:"Origins of the pages on which passkeys sign, such as https://fleet.example.com. Default: https and the relying party."`

	RateLimits   string `env:"FIELDGATE_RATE_LIMITS" enum:"on,off" default:"on" help:"Whether HTTP calls are limited (on, off)."`
	RateDevice   rate   `env:"FIELDGATE_RATE_DEVICE" default:"1200/300" help:"Calls of each device: per minute/burst."`
	RateTenant   rate   `name:"rate-customer" env:"FIELDGATE_RATE_CUSTOMER" default:"${rate_tenant}" help:"Calls of all users of each customer: per minute/burst."`
	RateRegister rate   `env:"FIELDGATE_RATE_REGISTER" default:"${rate_register}" help:"Registrations from each address: per minute/burst."`
	RateTotal    rate   `name:"rate-register-total" env:"FIELDGATE_RATE_REGISTER_TOTAL" default:"${rate_register_total}" help:"Registrations from all addresses: per minute/burst."`
	RateLogin    rate   `env:"FIELDGATE_RATE_LOGIN" default:"${rate_login}" help:"Device logins from each address: per minute/burst."`

	RateRefused      rate          `name:"rate-unauthorized" env:"FIELDGATE_RATE_UNAUTHORIZED" default:"${rate_unauthorized}" help:"Refused credentials from each network at each instance: per minute/burst."`
	RateHandshakes   rate          `env:"FIELDGATE_RATE_HANDSHAKES" default:"30000/2000" help:"Handshakes of sockets on this instance: per minute/burst. A customer may use half of them."`
	RateEvents       rate          `env:"FIELDGATE_RATE_EVENTS" default:"600000/10000" help:"Event frames that this instance pushes to the sockets of each customer: per minute/burst. Further ones are delayed."`
	ProgressInterval time.Duration `env:"FIELDGATE_PROGRESS_INTERVAL" default:"${progress_interval}" help:"Minimum time between two events with the progress of a running command; those in between are left out, and the last one is sent."`
	MaxSockets       int           `env:"FIELDGATE_MAX_SOCKETS" default:"0" help:"Maximum number of sockets of this instance; 0 for as many as the limit of open files allows."`
	MaxTenantSockets int           `env:"FIELDGATE_MAX_TENANT_SOCKETS" default:"0" help:"Maximum number of sockets of each customer on this instance; 0 for half of the maximum of the instance, and at most 20000."`
	Quota            quotaSettings `embed:"" prefix:"quota-"`

	Redis        connection.Files `embed:"" prefix:"redis-"`
	PoolSize     int              `name:"redis-pool-size" env:"FIELDGATE_REDIS_POOL_SIZE" default:"0" help:"Maximum number of connections to each Redis server for scripts; 0 for 10 for each processor."`
	AutoPipeline bool             `name:"redis-auto-pipeline" env:"FIELDGATE_REDIS_AUTO_PIPELINE" default:"true" negatable:"" help:"Send the Redis scripts of concurrent requests together."`
	Functions    bool             `name:"redis-functions" env:"FIELDGATE_REDIS_FUNCTIONS" default:"true" negatable:"" help:"Load the scripts into Redis as functions."`
	Environment  string           `env:"FIELDGATE_ENVIRONMENT" default:"${environment}" help:"Name of this installation in the system information."`
	LogLevel     string           `env:"FIELDGATE_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"Lowest level that is logged (debug, info, warn, error)."`
	LogFormat    string           `env:"FIELDGATE_LOG_FORMAT" enum:"json,text," default:"${log_format}" help:"Format of the log (json, text)."`
	LogDelay     time.Duration    `env:"FIELDGATE_LOG_DELAY" default:"200ms" help:"Maximum time for which lines of the log are collected, to write them together; 0 to write each at once. Warnings and errors are always written at once."`
	LogSample    int              `env:"FIELDGATE_LOG_SAMPLE" default:"1" help:"Number of requests without an error of which one is logged; 1 to log all. Requests with an error are always logged."`
}

// config returns the gateway configuration that the settings describe.
func (s settings) config() (gateway.Config, error) {
	policy, err := queue.ParsePolicy(s.Policy)
	if err != nil {
		return gateway.Config{}, fmt.Errorf("FIELDGATE_POLICY: %w", err)
	}
	proxies, err := parseNetworks(s.TrustedProxies)
	if err != nil {
		return gateway.Config{}, fmt.Errorf("FIELDGATE_TRUSTED_PROXIES: %w", err)
	}
	level := s.level()
	cfg := gateway.Config{
		Addr: s.Addr, MetricsAddr: addrOf(s.MetricsAddr),
		Audience: s.Audience, TenantClaim: s.TenantClaim, RoleClaim: s.RoleClaim,
		NameClaims: s.NameClaims, EmailClaim: s.EmailClaim,
		IssuerKeysMaxAge: s.KeysMaxAge, PersonalTenants: s.PersonalTenants == "on",
		JWTMaxLifetime: s.JWTMaxLifetime, ApprovalAAL: s.ApprovalAAL, AllowedClients: s.AllowedClients,
		AllowedOrigins: s.AllowedOrigins, TrustedProxies: proxies,
		DrainDelay: s.DrainDelay, DrainWindow: s.DrainWindow, ShutdownTimeout: s.ShutdownTimeout,
		IdleTimeout: s.IdleTimeout, BalancerIdleTimeout: s.BalancerIdleTimeout,
		BodyTimeout: s.BodyTimeout, BodyMinRate: s.BodyMinRate,
		Policy: policy, Retention: s.Retention, ActivationLifetime: s.ActivationLifetime, CodeKey: s.CodeKey,
		RecordKey: s.RecordKey, RecordKeyRequired: s.RecordKeyRequired == "on", SigningKey: s.SigningKey,
		PasskeyRelyingParty: s.PasskeyRelyingParty, PasskeyOrigins: s.PasskeyOrigins,
		ProgressInterval: s.ProgressInterval,
		MaxSockets:       s.MaxSockets, MaxTenantSockets: s.MaxTenantSockets, Quotas: quota.Amounts(s.Quota),
		ReconcileInterval: s.ReconcileInterval, ReconcileDevices: s.ReconcileDevices,
		RedisCAFile: s.Redis.CAFile, RedisCertFile: s.Redis.CertFile, RedisKeyFile: s.Redis.KeyFile,
		RedisPasswordFile: s.Redis.PasswordFile, RedisPoolSize: s.PoolSize,
		AutoPipeline: s.AutoPipeline, NoFunctions: !s.Functions, Environment: s.Environment, Version: program.Version(),
		LogLevel: level, Logger: s.logger(level), LogSample: s.LogSample,
	}
	s.setLimits(&cfg)
	return cfg, nil
}

// setLimits sets the rate limits in cfg, unless rate limits are off.
func (s settings) setLimits(cfg *gateway.Config) {
	if s.RateLimits == "off" {
		return
	}
	cfg.DeviceRate, cfg.HandshakeRate = device.Rate(s.RateDevice), ratelimit.Limit(s.RateHandshakes)
	cfg.EventRate = ratelimit.Limit(s.RateEvents)
	cfg.Limits = ratelimit.Limits{
		PerTenant: ratelimit.Limit(s.RateTenant), AuthPerAddress: ratelimit.Limit(s.RateLogin),
		RegisterPerAddress: ratelimit.Limit(s.RateRegister), RegisterTotal: ratelimit.Limit(s.RateTotal),
		UnauthorizedPerAddress: ratelimit.Limit(s.RateRefused),
	}
}

// level returns the level of the log, which can change while the gateway runs.
func (s settings) level() *slog.LevelVar {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(s.LogLevel)) // LogLevel is an enum, so its values are always valid
	return level
}

func (s settings) logger(level slog.Leveler) *slog.Logger {
	newHandler := func(w io.Writer) slog.Handler {
		options := &slog.HandlerOptions{Level: level}
		if s.LogFormat == "text" {
			return slog.NewTextHandler(w, options)
		}
		return slog.NewJSONHandler(w, options)
	}
	if s.LogDelay <= 0 {
		return slog.New(newHandler(os.Stderr))
	}
	return slog.New(program.Buffered(os.Stderr, s.LogDelay, newHandler))
}

// rate is a limit in the form "per minute/burst".
type rate ratelimit.Limit

// UnmarshalText parses a limit.
func (r *rate) UnmarshalText(text []byte) error {
	if n, err := fmt.Sscanf(string(text), "%d/%d", &r.PerMinute, &r.Burst); n != 2 || err != nil || r.PerMinute < 1 || r.Burst < 1 {
		return fmt.Errorf("%q is not a limit: write calls per minute and the burst, such as 600/100", text)
	}
	return nil
}

// String returns the limit in the form that UnmarshalText parses.
func (r rate) String() string { return fmt.Sprintf("%d/%d", r.PerMinute, r.Burst) }

func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network: write one such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
