package customer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxLeeway       = 30 * time.Second
	minSecretBytes  = 32 // RFC 7518, section 3.2: a key at least as long as the hash
	defaultAudience = "authenticated"
	defaultTenant   = "app_metadata.customer_id"
	defaultRole     = "app_metadata.role"
)

// Config says whose tokens a Verifier accepts. JWKSURL or HS256Secret is
// required; a zero value anywhere else means the default.
type Config struct {
	// JWKSURL is where the issuer publishes its keys, http or https. The keys
	// decide who gets in: use http only on a network that you trust.
	JWKSURL string

	// HS256Secret is the shared secret of an issuer that still signs with
	// HS256, at least 32 bytes. Without it every HS256 token is refused.
	HS256Secret []byte

	// Issuer is what the claim iss must say. Empty: iss is not checked, a
	// choice that the caller should log.
	Issuer string

	// Audience is what the claim aud must hold. Default: "authenticated".
	Audience string

	// TenantClaim and RoleClaim are the paths of the claims that carry the
	// customer id and the role, with dots between names. Defaults:
	// "app_metadata.customer_id" and "app_metadata.role". A path into
	// user_metadata is refused, because users edit that themselves.
	TenantClaim string
	RoleClaim   string

	// Leeway is how far the issuer's clock may differ from ours when exp, iat
	// and nbf are checked. Default and most: 30 s.
	Leeway time.Duration

	// RefreshInterval is the least time between two fetches of the keys,
	// whatever tokens arrive. Default: 30 s.
	RefreshInterval time.Duration

	// PollInterval is how often Run fetches the keys unasked, and so how long
	// a withdrawn key may still be honoured. Default: 10 minutes, the max-age
	// that Supabase Auth gives its key set.
	PollInterval time.Duration

	// FetchTimeout bounds one fetch of the keys. Default: 3 s.
	FetchTimeout time.Duration

	// HTTPClient fetches the keys. Redirects are refused whatever it says.
	// Default: a client of its own.
	HTTPClient *http.Client

	// MaxTokenBytes is the longest token that is looked at. Default: 8 KiB.
	MaxTokenBytes int

	// CacheSize is how many verified tokens are remembered. Default: 10,000;
	// below zero none is.
	CacheSize int

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Logger hears of failed fetches and of new keys, never a token. Default:
	// slog.Default().
	Logger *slog.Logger
}

// withDefaults checks what was configured and fills in the rest.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Audience, defaultAudience)
	setDefault(&c.TenantClaim, defaultTenant)
	setDefault(&c.RoleClaim, defaultRole)
	setDefault(&c.Leeway, maxLeeway)
	setDefault(&c.RefreshInterval, 30*time.Second)
	setDefault(&c.PollInterval, 10*time.Minute)
	setDefault(&c.FetchTimeout, 3*time.Second)
	setDefault(&c.HTTPClient, &http.Client{})
	setDefault(&c.MaxTokenBytes, 8<<10)
	setDefault(&c.CacheSize, 10_000)
	setDefault(&c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.check()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) check() error {
	return errors.Join(
		c.checkKeys(),
		checkClaimPath("the tenant claim", c.TenantClaim),
		checkClaimPath("the role claim", c.RoleClaim),
		c.checkTimes(),
	)
}

func (c Config) checkKeys() error {
	if c.JWKSURL == "" && len(c.HS256Secret) == 0 {
		return errors.New("tokens cannot be verified without a JWKS URL or an HS256 secret")
	}
	if n := len(c.HS256Secret); n > 0 && n < minSecretBytes {
		return fmt.Errorf("the HS256 secret is shorter than %d bytes", minSecretBytes)
	}
	if c.JWKSURL == "" {
		return nil
	}
	return checkURL(c.JWKSURL)
}

// checkURL keeps the address out of its errors: it may carry a password.
func checkURL(raw string) error {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Host == "" {
		return errors.New("the JWKS URL is not an absolute URL")
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" {
		return errors.New("the JWKS URL must begin with https:// or http://")
	}
	if parsed.User != nil {
		return errors.New("the JWKS URL must not carry credentials")
	}
	return nil
}

func checkClaimPath(what, path string) error {
	if strings.HasPrefix(path, "user_metadata") {
		return fmt.Errorf("%s must not be read from user_metadata: users edit that themselves", what)
	}
	if strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.Contains(path, "..") {
		return fmt.Errorf("%s has an empty name in its path", what)
	}
	return nil
}

func (c Config) checkTimes() error {
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return fmt.Errorf("the leeway must be between 0 and %s", maxLeeway)
	}
	if c.RefreshInterval < 0 || c.PollInterval < 0 || c.FetchTimeout < 0 || c.MaxTokenBytes < 0 {
		return errors.New("an interval, a timeout or a limit is negative")
	}
	return nil
}
