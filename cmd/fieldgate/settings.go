package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/ratelimit"
)

// settings are what serve and dev have in common. Each comes from the
// environment, or from a flag of the same name.
type settings struct {
	Addr        string `env:"FIELDGATE_ADDR" default:":8080" help:"Where the API is served."`
	MetricsAddr string `env:"FIELDGATE_METRICS_ADDR" default:"127.0.0.1:9090" help:"Where Prometheus finds the metrics; 'off' for nowhere."`

	Audience    string `name:"jwt-audience" env:"FIELDGATE_JWT_AUDIENCE" default:"authenticated" help:"What a token must say in 'aud'."`
	TenantClaim string `env:"FIELDGATE_TENANT_CLAIM" default:"app_metadata.customer_id" help:"The claim that names the customer."`
	RoleClaim   string `env:"FIELDGATE_ROLE_CLAIM" default:"app_metadata.role" help:"The claim that names the role."`

	AllowedOrigins []string `env:"FIELDGATE_ALLOWED_ORIGINS" help:"Web pages that may call the API from a browser, beside the gateway's own, such as https://app.example.com."`
	TrustedProxies []string `env:"FIELDGATE_TRUSTED_PROXIES" help:"Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8."`

	DrainDelay          time.Duration `env:"FIELDGATE_DRAIN_DELAY" default:"10s" help:"How long to go on serving after SIGTERM, so that the balancer notices."`
	DrainWindow         time.Duration `env:"FIELDGATE_DRAIN_WINDOW" default:"20s" help:"Over how long sockets are closed after that."`
	ShutdownTimeout     time.Duration `env:"FIELDGATE_SHUTDOWN_TIMEOUT" default:"30s" help:"How long requests in flight may take to finish."`
	IdleTimeout         time.Duration `env:"FIELDGATE_IDLE_TIMEOUT" default:"90s" help:"How long an idle connection is kept; longer than the balancer's."`
	BalancerIdleTimeout time.Duration `env:"FIELDGATE_BALANCER_IDLE_TIMEOUT" default:"60s" help:"The idle timeout of the load balancer in front."`

	Policy    string        `env:"FIELDGATE_POLICY" default:"diagnostic.*=auto,*=review" help:"Which types of command run at once (auto), wait for a person (review) or are refused (deny). The first rule that matches wins."`
	Retention time.Duration `env:"FIELDGATE_RETENTION" default:"720h" help:"How long finished commands, ended sessions and timelines are kept."`

	ReconcileInterval time.Duration `env:"FIELDGATE_RECONCILE_INTERVAL" default:"10s" help:"How long to wait between two looks at whether all in the store is as it must be; 0 for never."`
	ReconcileDevices  int           `env:"FIELDGATE_RECONCILE_DEVICES" default:"500" help:"How many devices are looked at each time; twenty commands of one count as another."`

	CodeKey string `env:"FIELDGATE_CODE_KEY" help:"Secret under which activation codes are hashed, at least 32 characters. Default: one that the store keeps."`

	RateLimits   string `env:"FIELDGATE_RATE_LIMITS" enum:"on,off" default:"on" help:"Whether HTTP calls are limited (on, off)."`
	RateDevice   rate   `env:"FIELDGATE_RATE_DEVICE" default:"1200/300" help:"Calls a minute and at once, for each device."`
	RateCustomer rate   `env:"FIELDGATE_RATE_CUSTOMER" default:"6000/1000" help:"The same for each customer."`
	RateRegister rate   `env:"FIELDGATE_RATE_REGISTER" default:"120/120" help:"Registrations a minute and at once, from each address."`
	RateTotal    rate   `name:"rate-register-total" env:"FIELDGATE_RATE_REGISTER_TOTAL" default:"3000/1000" help:"Registrations a minute and at once, from everywhere."`
	RateLogin    rate   `env:"FIELDGATE_RATE_LOGIN" default:"600/300" help:"Device logins a minute and at once, from each address."`

	AutoPipeline bool   `name:"redis-auto-pipeline" env:"FIELDGATE_REDIS_AUTO_PIPELINE" default:"true" negatable:"" help:"Send the Redis scripts of concurrent requests together."`
	Environment  string `env:"FIELDGATE_ENVIRONMENT" help:"What the system's information calls this installation."`
	LogLevel     string `env:"FIELDGATE_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"The least important lines that are written (debug, info, warn, error)."`
	LogFormat    string `env:"FIELDGATE_LOG_FORMAT" enum:"json,text," default:"" help:"How lines are written (json, text)."`
}

// config makes of the settings what the gateway takes.
func (s settings) config() (gateway.Config, error) {
	policy, err := queue.ParsePolicy(s.Policy)
	if err != nil {
		return gateway.Config{}, fmt.Errorf("FIELDGATE_POLICY: %w", err)
	}
	proxies, err := parseNetworks(s.TrustedProxies)
	if err != nil {
		return gateway.Config{}, fmt.Errorf("FIELDGATE_TRUSTED_PROXIES: %w", err)
	}
	metrics := s.MetricsAddr
	if metrics == "off" {
		metrics = ""
	}
	cfg := gateway.Config{
		Addr: s.Addr, MetricsAddr: metrics,
		Audience: s.Audience, TenantClaim: s.TenantClaim, RoleClaim: s.RoleClaim,
		AllowedOrigins: s.AllowedOrigins, TrustedProxies: proxies,
		DrainDelay: s.DrainDelay, DrainWindow: s.DrainWindow, ShutdownTimeout: s.ShutdownTimeout,
		IdleTimeout: s.IdleTimeout, BalancerIdleTimeout: s.BalancerIdleTimeout,
		Policy: policy, Retention: s.Retention, CodeKey: s.CodeKey,
		ReconcileInterval: s.ReconcileInterval, ReconcileDevices: s.ReconcileDevices,
		AutoPipeline: s.AutoPipeline, Environment: s.Environment, Version: program.Version(), Logger: s.logger(),
	}
	s.limit(&cfg)
	return cfg, nil
}

// limit sets the rate limits, unless they are off.
func (s settings) limit(cfg *gateway.Config) {
	if s.RateLimits == "off" {
		return
	}
	cfg.DeviceRate = device.Rate(s.RateDevice)
	cfg.Limits = ratelimit.Limits{
		PerTenant: ratelimit.Limit(s.RateCustomer), AuthPerAddress: ratelimit.Limit(s.RateLogin),
		RegisterPerAddress: ratelimit.Limit(s.RateRegister), RegisterTotal: ratelimit.Limit(s.RateTotal),
	}
}

func (s settings) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the enum has only valid ones
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

// rate is a limit written as "per minute/at once".
type rate ratelimit.Limit

// UnmarshalText reads a limit.
func (r *rate) UnmarshalText(text []byte) error {
	if n, err := fmt.Sscanf(string(text), "%d/%d", &r.PerMinute, &r.Burst); n != 2 || err != nil || r.PerMinute < 1 || r.Burst < 1 {
		return fmt.Errorf("%q is not a limit: write calls a minute and calls at once, such as 600/100", text)
	}
	return nil
}

func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
