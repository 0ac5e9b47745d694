package customer

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxLeeway      = 30 * time.Second
	minSecretBytes = 32 // RFC 7518, section 3.2: the key must be at least as long as the hash
)

// Config configures a Verifier. JWKSURL or HS256Secret is required. Every other field
// has a default, which the zero value selects.
type Config struct {
	// JWKSURL is the http or https URL at which the issuer publishes its keys. Anyone
	// who can change the response can sign tokens, so use http only on a trusted
	// network.
	JWKSURL string

	// HS256Secret is the shared secret of an issuer that still signs with HS256, at
	// least 32 bytes. If it is empty, every HS256 token is refused.
	HS256Secret []byte

	// PreviousHS256Secrets are secrets that HS256Secret has replaced, at most
	// MaxPreviousSecrets. Tokens that are signed with one of them are accepted until it is
	// removed here, so that a new secret signs no user out. Default: none.
	PreviousHS256Secrets [][]byte

	// APIKey is a public key that is sent with each fetch of the keys, in the header apikey:
	// some gateways in front of Supabase Auth require it. Default: none.
	APIKey string

	// Issuers are the accepted values of the claim iss. If there are none, iss is not
	// checked; the program should then log a warning.
	Issuers []string

	// Audience is a value that the claim aud must contain. Default: "authenticated".
	Audience string

	// TenantClaim and RoleClaim are the paths of the claims that contain the tenant
	// id and the role. Dots separate the names of a path. Defaults:
	// "app_metadata.customer_id" and "app_metadata.role". A path into user_metadata
	// is refused, because users can edit it themselves.
	TenantClaim string
	RoleClaim   string

	// NameClaims are the paths of the claims that may contain the user's name. The first that
	// can be displayed is used. ClaimOff: none is read. Default: DefaultNameClaims().
	NameClaims []string

	// EmailClaim is the path of the claim with the user's e-mail address. ClaimOff: none is
	// read. A path into user_metadata is refused. Default: DefaultEmailClaim.
	EmailClaim string

	// PersonalTenants accepts a token without the tenant claim: its user is Admin of a
	// tenant of their own. If it is false, such a token is refused with no_tenant, because
	// many issuers let anyone sign up. Default: false.
	PersonalTenants bool

	// MaxLifetime is the maximum time from iat to exp. A token that is valid for longer is
	// refused, because it outlives the ban of its user for as long. Default: a week, the
	// maximum of Supabase Auth.
	MaxLifetime time.Duration

	// Leeway is the tolerated difference between the issuer's clock and the gateway's
	// clock. It applies to exp, iat and nbf. Default and maximum: 30 s.
	Leeway time.Duration

	// RefreshInterval is the minimum time between two fetches of the keys, for any number
	// of tokens. Default: 30 s.
	RefreshInterval time.Duration

	// PollInterval is the interval at which Run fetches the keys. It bounds how long
	// tokens of a withdrawn key are accepted. Default: 10 minutes, the max-age of the
	// key set of Supabase Auth.
	PollInterval time.Duration

	// MaxKeyAge is the time for which keys are used after they were fetched last. While the
	// issuer is down, it bounds how long tokens of a withdrawn key are accepted. Default: 24 h.
	MaxKeyAge time.Duration

	// FetchTimeout is the timeout of one fetch of the keys. Default: 3 s.
	FetchTimeout time.Duration

	// HTTPClient fetches the keys. It never follows redirects, even if its CheckRedirect
	// allows them. Default: a new client.
	HTTPClient *http.Client

	// MaxTokenBytes is the maximum length of a token in bytes. A longer token is refused
	// without being parsed. Default: 8 KiB.
	MaxTokenBytes int

	// CacheSize is the maximum number of verified tokens in the cache. Default:
	// 10,000. A negative value disables the cache.
	CacheSize int

	// Now returns the current time. Default: time.Now.
	Now func() time.Time

	// Fetched is called after each fetch of the keys. The error is nil if it succeeded.
	// Default: nothing is done.
	Fetched func(err error)

	// VerifiedByPrevious is called for each token that is verified with a previous secret. A token
	// in the cache is not verified again. Default: nothing is done.
	VerifiedByPrevious func()

	// Logger receives failed fetches and changes of the keys. It never receives a token.
	// Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns the configuration with its defaults filled in, or an error
// that names the invalid setting.
func (c Config) withDefaults() (Config, error) {
	c.Audience = cmp.Or(c.Audience, DefaultAudience)
	c.TenantClaim = cmp.Or(c.TenantClaim, DefaultTenantClaim)
	c.RoleClaim = cmp.Or(c.RoleClaim, DefaultRoleClaim)
	c.EmailClaim = cmp.Or(c.EmailClaim, DefaultEmailClaim)
	if len(c.NameClaims) == 0 {
		c.NameClaims = DefaultNameClaims()
	}
	c.MaxLifetime = cmp.Or(c.MaxLifetime, DefaultMaxLifetime)
	c.Leeway = cmp.Or(c.Leeway, maxLeeway)
	c.RefreshInterval = cmp.Or(c.RefreshInterval, 30*time.Second)
	c.PollInterval = cmp.Or(c.PollInterval, 10*time.Minute)
	c.MaxKeyAge = cmp.Or(c.MaxKeyAge, DefaultMaxKeyAge)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 3*time.Second)
	c.HTTPClient = cmp.Or(c.HTTPClient, &http.Client{})
	c.MaxTokenBytes = cmp.Or(c.MaxTokenBytes, 8<<10)
	c.CacheSize = cmp.Or(c.CacheSize, 10_000)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Fetched == nil {
		c.Fetched = func(error) {}
	}
	if c.VerifiedByPrevious == nil {
		c.VerifiedByPrevious = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.check()
}

func (c Config) check() error {
	return errors.Join(
		c.checkKeys(),
		checkClaimPath("the tenant claim", c.TenantClaim),
		checkClaimPath("the role claim", c.RoleClaim),
		checkClaimPath("the e-mail claim", c.EmailClaim),
		checkNameClaims(c.NameClaims),
		c.checkTimes(),
	)
}

func (c Config) checkKeys() error {
	if c.JWKSURL == "" && len(c.HS256Secret) == 0 {
		return errors.New("tokens cannot be verified without a JWKS URL or an HS256 secret")
	}
	if err := c.checkSecrets(); err != nil {
		return err
	}
	if c.JWKSURL == "" {
		return nil
	}
	return checkURL(c.JWKSURL)
}

func (c Config) checkSecrets() error {
	if n := len(c.HS256Secret); n > 0 && n < minSecretBytes {
		return fmt.Errorf("the HS256 secret is shorter than %d bytes", minSecretBytes)
	}
	if len(c.PreviousHS256Secrets) > MaxPreviousSecrets {
		return fmt.Errorf("there are more than %d previous HS256 secrets", MaxPreviousSecrets)
	}
	for _, previous := range c.PreviousHS256Secrets {
		switch {
		case len(c.HS256Secret) == 0:
			return errors.New("there is a previous HS256 secret, but no current one")
		case len(previous) < minSecretBytes:
			return fmt.Errorf("a previous HS256 secret is shorter than %d bytes", minSecretBytes)
		}
	}
	return nil
}

// checkURL returns an error if the URL cannot be used to fetch keys. The error does not
// contain the URL, which may contain a password.
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

func checkClaimPath(setting, path string) error {
	if strings.HasPrefix(path, "user_metadata") {
		return fmt.Errorf("%s must not be in user_metadata, which users can edit themselves", setting)
	}
	return checkPath(setting, path)
}

// checkNameClaims allows user_metadata, because names are for display only.
func checkNameClaims(paths []string) (err error) {
	for _, path := range paths {
		err = errors.Join(err, checkPath("the name claim", path))
	}
	return err
}

func checkPath(setting, path string) error {
	if strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.Contains(path, "..") {
		return fmt.Errorf("%s has an empty name in its path", setting)
	}
	return nil
}

func (c Config) checkTimes() error {
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return fmt.Errorf("the leeway must be between 0 and %s", maxLeeway)
	}
	if c.MaxKeyAge <= c.PollInterval {
		return fmt.Errorf("the maximum age of the issuer's keys must be longer than %s, after which they are fetched again", c.PollInterval)
	}
	if c.RefreshInterval < 0 || c.PollInterval < 0 || c.FetchTimeout < 0 || c.MaxTokenBytes < 0 || c.MaxLifetime < 0 {
		return errors.New("an interval, timeout or limit must not be negative")
	}
	return nil
}
