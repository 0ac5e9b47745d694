package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate/customer"
)

// minKeyBytes is the minimum length of a key (RFC 7518, section 3.2: that of the hash of HS256).
const minKeyBytes = 32

// checkJWTSecrets returns an error if JWTSecret or one of PreviousJWTSecrets cannot be the shared
// secret of an issuer. No error contains a secret.
func (c Config) checkJWTSecrets() error {
	const current, previous = "FIELDGATE_JWT_SECRET", "FIELDGATE_JWT_SECRET_PREVIOUS"
	switch {
	case len(c.PreviousJWTSecrets) == 0:
		return checkJWTSecret(current, c.JWTSecret)
	case c.JWTSecret == "":
		return errors.New(previous + " is set without " + current + ": set the secret that has replaced it too")
	case len(c.PreviousJWTSecrets) > customer.MaxPreviousSecrets:
		return fmt.Errorf("%s has %d secrets: remove the oldest, so that there are at most %d", previous, len(c.PreviousJWTSecrets), customer.MaxPreviousSecrets)
	case slices.Contains(c.PreviousJWTSecrets, c.JWTSecret):
		return errors.New(previous + " contains the secret in " + current + ": set the one that was used before")
	}
	err := checkJWTSecret(current, c.JWTSecret)
	for _, secret := range c.PreviousJWTSecrets {
		err = errors.Join(err, checkJWTSecret(previous, secret))
	}
	return err
}

// keyIDPattern matches the key ids of Supabase, which every token contains. The secrets of early
// projects have the same form, so that a match is not refused.
var keyIDPattern = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// checkJWTSecret returns an error if a secret is too short, or if it is one of the values that are
// shown near it in a dashboard. Most of those are public, and would let strangers sign tokens.
func checkJWTSecret(setting, secret string) error {
	_, isToken := parseAPIKey(secret)
	switch {
	case secret == "":
		return nil
	case strings.HasPrefix(secret, publishableKeyPrefix), strings.HasPrefix(secret, secretKeyPrefix), strings.HasPrefix(secret, accountTokenPrefix), isToken:
		return errors.New(setting + " is an API key or a token: set the JWT secret of the project")
	case strings.HasPrefix(secret, "-----BEGIN"), strings.HasPrefix(secret, "{"):
		return errors.New(setting + " is a key in the form PEM or JWK and not a shared secret: keys are fetched from FIELDGATE_JWKS_URL")
	case isHTTPURL(secret):
		return errors.New(setting + " is a URL: set the JWT secret of the project")
	case len(secret) < minKeyBytes:
		return fmt.Errorf("%s must have at least %d characters", setting, minKeyBytes)
	}
	return nil
}

// looksLikeKeyID reports whether JWTSecret may be the id of a key.
func (c Config) looksLikeKeyID() bool { return keyIDPattern.MatchString(c.JWTSecret) }

// previousJWTSecrets returns PreviousJWTSecrets in the form of customer.Config.
func previousJWTSecrets(cfg Config) (secrets [][]byte) {
	for _, secret := range cfg.PreviousJWTSecrets {
		secrets = append(secrets, []byte(secret))
	}
	return secrets
}
