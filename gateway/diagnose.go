package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/diagnosis"
	"github.com/fieldgate/fieldgate/listen"
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
	findings = append(findings, diagnoseCertificate(cfg)...)
	findings = append(findings, diagnoseSockets(cfg))
	for _, address := range cfg.addresses() {
		findings = append(findings, diagnosePort(ctx, address, cfg.UnixSocketMode))
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
func diagnosePort(ctx context.Context, address address, mode fs.FileMode) diagnosis.Finding {
	const check = "port"
	listener, err := listen.Open(ctx, address.value, mode)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return diagnosis.Warn(check, "%s is in use: a gateway runs here already, or another program must end first", address.setting)
	case err != nil:
		return diagnosis.Fail(check, "opening %s: %v: correct the address", address.setting, err)
	}
	_ = listener.Close()
	return diagnosis.Good(check, "%s is free", address.setting)
}

// diagnoseCertificate checks the certificate with which the API is served, or that the API is not
// served to other machines without one.
func diagnoseCertificate(cfg Config) []diagnosis.Finding {
	const check = "tls certificate"
	switch {
	case cfg.TLSCertFile == "" && cfg.servesPlainHTTP():
		return []diagnosis.Finding{diagnosis.Warn(check, "the API is served without TLS to other machines, and no proxy in front is known: set FIELDGATE_TLS_CERT_FILE, or FIELDGATE_TRUSTED_PROXIES")}
	case cfg.TLSCertFile == "" || cfg.TLSKeyFile == "":
		return nil
	}
	certificate, err := listen.ReadCertificate(cfg.TLSCertFile, cfg.TLSKeyFile, cfg.Logger)
	if err != nil {
		return diagnosis.Errors(check, err)
	}
	findings := []diagnosis.Finding{
		diagnosis.Certificate(check, certificate.NotAfter(), time.Now(), diagnosis.ServerReserve),
		diagnosis.Good("tls names", "the certificate is for %s", strings.Join(certificate.Names(), ", ")),
	}
	if err := certificate.Trusted(); err != nil {
		return append(findings, diagnosis.Warn("tls authority",
			"%v: devices and users must trust its authority, or the file lacks the certificates of the authorities in between", err))
	}
	return append(findings, diagnosis.Good("tls authority", "this system trusts the certificate"))
}

// DiagnoseName checks that the certificate is valid for the name with which clients call the gateway.
// It returns no finding if there is no certificate that can be used.
func DiagnoseName(cfg Config, name string) []diagnosis.Finding {
	certificate, err := listen.ReadCertificate(cfg.TLSCertFile, cfg.TLSKeyFile, cfg.Logger)
	if cfg.TLSCertFile == "" || err != nil {
		return nil
	}
	if err := certificate.ValidFor(name); err != nil {
		return []diagnosis.Finding{diagnosis.Fail("tls name", "%v: issue it for the name that clients use", err)}
	}
	return []diagnosis.Finding{diagnosis.Good("tls name", "the certificate is valid for %s", name)}
}
