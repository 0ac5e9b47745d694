package main

import (
	"context"

	"github.com/fieldgate/fieldgate/gateway"
)

// serveCommand runs the gateway for real: it has no insecure default, and
// refuses to start without a store and a token issuer.
type serveCommand struct {
	settings

	RedisURL    string `env:"FIELDGATE_REDIS_URL" help:"The store: redis://, rediss://, redis+sentinel:// or redis+cluster://."`
	SupabaseURL string `env:"FIELDGATE_SUPABASE_URL" help:"The Supabase project whose people sign in."`
	AnonKey     string `name:"supabase-anon-key" env:"FIELDGATE_SUPABASE_ANON_KEY" help:"The public key of that project, with which the console signs people in."`
	JWKSURL     string `name:"jwks-url" env:"FIELDGATE_JWKS_URL" help:"Where the issuer publishes its keys. Default: from the Supabase project."`
	Issuer      string `name:"jwt-issuer" env:"FIELDGATE_JWT_ISSUER" help:"What a token must say in 'iss'. Default: from the Supabase project."`
	HealthURL   string `name:"auth-health-url" env:"FIELDGATE_AUTH_HEALTH_URL" help:"Where the issuer tells that it is up. Default: from the Supabase project."`
	JWTSecret   string `name:"jwt-secret" env:"FIELDGATE_JWT_SECRET" help:"Shared secret of a project that still signs with HS256."`
}

// Run serves until a signal.
func (c *serveCommand) Run(ctx context.Context) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	cfg.RedisURL, cfg.SupabaseURL, cfg.SupabaseAnonKey = c.RedisURL, c.SupabaseURL, c.AnonKey
	cfg.JWKSURL, cfg.Issuer, cfg.HealthURL, cfg.JWTSecret = c.JWKSURL, c.Issuer, c.HealthURL, c.JWTSecret
	g, err := gateway.New(ctx, cfg)
	if err != nil {
		return err
	}
	return g.Run(ctx)
}
