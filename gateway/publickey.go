package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// The prefixes of keys and tokens of Supabase. Only the publishable key is not secret.
const (
	publishableKeyPrefix = "sb_publishable_"
	secretKeyPrefix      = "sb_secret_"
	accountTokenPrefix   = "sbp_"
)

// checkPublicKey returns an error if SupabaseAnonKey is not a public key of the project. The
// console publishes this key, and a secret one grants all rights on the project's data. The
// error does not contain the key.
func (c Config) checkPublicKey() error {
	const setting = "FIELDGATE_SUPABASE_ANON_KEY"
	key := c.SupabaseAnonKey
	switch {
	case strings.HasPrefix(key, secretKeyPrefix), strings.HasPrefix(key, accountTokenPrefix):
		return errors.New(setting + " is a secret key, which the console would publish: set the publishable key of the project (sb_publishable_...)")
	case key != "" && (key == c.JWTSecret || slices.Contains(c.PreviousJWTSecrets, key)):
		return errors.New(setting + " is the secret in FIELDGATE_JWT_SECRET, which the console would publish: set the public key of the project")
	}
	claims, isToken := parseAPIKey(key)
	if isToken && claims.Role != "anon" {
		return errors.New(setting + " is a token whose role is not anon, such as the service_role key, which the console would publish: set the anon key")
	}
	u, err := url.Parse(c.SupabaseURL)
	if err != nil || projectRef(u.Hostname()) == "" || key == "" {
		return nil
	}
	switch ref := projectRef(u.Hostname()); {
	case !isToken && !strings.HasPrefix(key, publishableKeyPrefix):
		return errors.New(setting + " is not a key of a hosted project, and the console would publish it: set the publishable key (sb_publishable_...)")
	case isToken && claims.Project != "" && claims.Project != ref: // the keys of early projects name none
		return errors.New(setting + " is a key of another project than FIELDGATE_SUPABASE_URL: set the key of this one")
	}
	return nil
}

// apiKeyClaims are the claims of a legacy API key, which is a token.
type apiKeyClaims struct {
	Role    string `json:"role"` // anon or service_role
	Project string `json:"ref"`  // reference of the hosted project
}

// parseAPIKey returns the claims of a legacy API key, and reports whether the key is a token. The
// signature is not verified, because the key of another project is as secret.
func parseAPIKey(key string) (claims apiKeyClaims, isToken bool) {
	parts := strings.Split(key, ".")
	if len(parts) != 3 {
		return claims, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims, false
	}
	return claims, json.Unmarshal(payload, &claims) == nil
}
