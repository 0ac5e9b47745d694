package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/diagnosis"
	"github.com/fieldgate/fieldgate/store"
)

// fewSockets is a number of sockets that a production instance soon uses up.
const fewSockets = 2000

// Diagnose checks the configuration, and what a gateway with this configuration needs: its store,
// the token issuer, file descriptors and ports. It starts nothing, and creates no store.
func Diagnose(ctx context.Context, cfg Config) []diagnosis.Finding {
	cfg, err := cfg.withDefaults()
	findings := diagnosis.Errors("settings", errors.Join(err, api.CheckOrigins(cfg.AllowedOrigins)))
	if len(findings) == 0 {
		findings = append(findings, diagnosis.Good("settings", "the settings are valid"))
	}
	if cfg.RedisURL != "" {
		findings = append(findings, store.Diagnose(ctx, storeConfigOf(cfg))...)
	}
	findings = append(findings, diagnoseIssuer(ctx, cfg)...)
	findings = append(findings, diagnoseSockets(cfg), diagnosePort(ctx, "FIELDGATE_ADDR", cfg.Addr))
	if cfg.MetricsAddr != "" {
		findings = append(findings, diagnosePort(ctx, "FIELDGATE_METRICS_ADDR", cfg.MetricsAddr))
	}
	return findings
}

// ExplainToken explains whether a gateway with this configuration accepts a user's token, and why
// not. It fetches the issuer's keys, and reads from the store whether the user is cut off. A store that
// cannot be read is a warning.
func ExplainToken(ctx context.Context, cfg Config, token string) []diagnosis.Finding {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return diagnosis.Errors("settings", err)
	}
	verifier, err := customer.NewVerifier(verifierConfigOf(cfg))
	if err != nil {
		return diagnosis.Errors("settings", err)
	}
	return verifier.Explain(ctx, token, func(ctx context.Context, p customer.Principal) (customer.CutOff, bool, error) {
		return findCutOff(ctx, cfg, p)
	})
}

// findCutOff reads from the store whether a user is cut off. It writes nothing, and creates no store.
func findCutOff(ctx context.Context, cfg Config, p customer.Principal) (customer.CutOff, bool, error) {
	stored := storeConfigOf(cfg)
	stored.ReadOnly = true
	s, err := store.Connect(ctx, stored)
	if err != nil {
		return customer.CutOff{}, false, fmt.Errorf("connecting to FIELDGATE_REDIS_URL: %w", err)
	}
	defer func() { _ = s.Close() }()
	return customer.NewCutOffs(customer.CutOffConfig{Store: s, MaxLifetime: cfg.JWTMaxLifetime, Logger: cfg.Logger}).Find(ctx, p)
}

func diagnoseIssuer(ctx context.Context, cfg Config) []diagnosis.Finding {
	used := verifierConfigOf(cfg)
	verifier, err := customer.NewVerifier(used)
	if err != nil {
		return nil // the settings are wrong, which is a finding of its own
	}
	findings := verifier.Diagnose(ctx)
	if used.JWKSURL != "" && len(used.Issuers) == 0 {
		findings = append(findings, diagnosis.Warn("issuer name", "tokens of any issuer with these keys are accepted: set FIELDGATE_JWT_ISSUER"))
	}
	if used.JWKSURL != "" && len(used.HS256Secret) > 0 {
		findings = append(findings, diagnosis.Warn("issuer keys",
			"tokens that are signed with FIELDGATE_JWT_SECRET are accepted too, even if the issuer has revoked the secret: remove it once no such token is in use"))
	}
	if len(used.PreviousHS256Secrets) > 0 {
		findings = append(findings, diagnosis.Warn("issuer secrets",
			"tokens that are signed with a secret in FIELDGATE_JWT_SECRET_PREVIOUS are accepted too: remove the setting once they have expired"))
	}
	if cfg.looksLikeKeyID() {
		findings = append(findings, diagnosis.Warn("issuer secret form",
			"FIELDGATE_JWT_SECRET has the form of a key id, which every token contains: make sure that it is the JWT secret"))
	}
	if cfg.usesPlainHTTP() {
		findings = append(findings, diagnosis.Warn("issuer TLS", "the keys are fetched over http, so that an attacker on the network can sign tokens of any user: use https"))
	}
	if cfg.HealthURL == "" {
		return findings
	}
	if err := newIssuerProbe(verifier, cfg.HealthURL, cfg.SupabaseAnonKey).probe(ctx); err != nil {
		return append(findings, diagnosis.Warn("issuer health", "%v: check FIELDGATE_AUTH_HEALTH_URL and the issuer", err))
	}
	return append(findings, diagnosis.Good("issuer health", "the issuer is up"))
}

func diagnoseSockets(cfg Config) diagnosis.Finding {
	const check = "open files"
	descriptors := maxDescriptors()
	c, err := capacityOf(descriptors, cfg)
	switch {
	case err != nil:
		return diagnosis.Fail(check, "%v", err)
	case c.sockets < fewSockets && cfg.MaxSockets == 0:
		return diagnosis.Warn(check, "the limit of open files is %d, which allows %d sockets: raise it, such as with LimitNOFILE=65536", descriptors, c.sockets)
	}
	return diagnosis.Good(check, "the limit of open files is %d, and the instance serves %d sockets", descriptors, c.sockets)
}

// diagnosePort opens the address of a setting and closes it. An address in use is a warning,
// because a running gateway uses it.
func diagnosePort(ctx context.Context, setting, addr string) diagnosis.Finding {
	const check = "port"
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return diagnosis.Warn(check, "%s is in use: a gateway runs here already, or another program must end first", setting)
	case err != nil:
		return diagnosis.Fail(check, "opening %s: %v: correct the address", setting, err)
	}
	_ = listener.Close()
	return diagnosis.Good(check, "%s is free", setting)
}
