package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fieldgate/fieldgate/cmd/program"
	"github.com/fieldgate/fieldgate/gateway"
)

// serveCommand runs the gateway in production. It has no insecure defaults: without a store and
// a token issuer, it refuses to start.
type serveCommand struct {
	settings
	listenerSettings

	RedisURL    string   `env:"FIELDGATE_REDIS_URL" help:"URL of the store: redis://, rediss://, redis+sentinel:// or redis+cluster://."`
	StoreID     string   `env:"FIELDGATE_STORE_ID" help:"Id of the only store that is accepted, as logged when it was created. Default: any store, and a new one is created."`
	SupabaseURL string   `env:"FIELDGATE_SUPABASE_URL" help:"Supabase project whose users sign in."`
	AnonKey     string   `name:"supabase-anon-key" env:"FIELDGATE_SUPABASE_ANON_KEY" help:"Public key of that project, with which the console signs users in."`
	JWKSURL     string   `name:"jwks-url" env:"FIELDGATE_JWKS_URL" help:"URL of the public keys of the token issuer. Default: from the Supabase project."`
	Issuer      []string `name:"jwt-issuer" env:"FIELDGATE_JWT_ISSUER" help:"Accepted 'iss' claims of tokens; 'off' to accept any. Default: from the Supabase project."`
	HealthURL   string   `name:"auth-health-url" env:"FIELDGATE_AUTH_HEALTH_URL" help:"URL that reports whether the token issuer is up. Default: from the Supabase project."`
	JWTSecret   string   `name:"jwt-secret" env:"FIELDGATE_JWT_SECRET" help:"Shared secret of an issuer that signs tokens with HS256, at least 32 characters."`
	OldSecrets  string   `name:"jwt-secret-previous" env:"FIELDGATE_JWT_SECRET_PREVIOUS" help:"Secrets that this one has replaced, one a line and at most two, whose tokens are still accepted."`
}

// Run serves until a signal arrives.
func (c *serveCommand) Run(ctx context.Context, parsed *kong.Context) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	defer program.FlushLog(cfg.Logger)
	hangups := program.Hangups() // one that arrives during the start must not end it
	stopTraces, err := startTraces(ctx, &cfg)
	if err != nil {
		return err
	}
	defer stopTraces()
	program.TuneMemory(cfg.Logger)
	g, err := gateway.New(ctx, cfg)
	if err != nil {
		return err // one sentence, which no line of the log may hide
	}
	logSettings(cfg.Logger, slog.LevelInfo, parsed)
	if err := program.NotifyReady(ctx); err != nil {
		cfg.Logger.Warn("notifying the service manager failed", "error", err)
	}
	go c.reloadAtEach(ctx, hangups, g, cfg.Logger)
	return g.Run(ctx)
}

// config returns the configuration of the gateway.
func (c *serveCommand) config() (gateway.Config, error) {
	cfg, err := c.settings.config()
	cfg.RedisURL, cfg.SupabaseURL, cfg.SupabaseAnonKey = c.RedisURL, c.SupabaseURL, c.AnonKey
	cfg.StoreID, cfg.JWKSURL, cfg.Issuers, cfg.HealthURL, cfg.JWTSecret = c.StoreID, c.JWKSURL, c.Issuer, c.HealthURL, c.JWTSecret
	cfg.PreviousJWTSecrets = c.previousSecrets()
	return cfg, errors.Join(err, c.listenerSettings.apply(&cfg))
}

func (c *serveCommand) previousSecrets() []string {
	return strings.FieldsFunc(c.OldSecrets, func(r rune) bool { return r == '\n' || r == '\r' })
}
