package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// The prefixes of keys and tokens of Supabase that are secret. The publishable key of a
// project begins with sb_publishable_.
const (
	secretKeyPrefix    = "sb_secret_"
	accountTokenPrefix = "sbp_"
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
	case key != "" && key == c.JWTSecret:
		return errors.New(setting + " is the secret in FIELDGATE_JWT_SECRET, which the console would publish: set the public key of the project")
	}
	if role, isToken := roleOfKey(key); isToken && role != "anon" {
		return errors.New(setting + " is a token whose role is not anon, such as the service_role key, which the console would publish: set the anon key")
	}
	return nil
}

// roleOfKey returns the claim role of a legacy API key, and reports whether the key is a
// token. Legacy keys are tokens whose role is anon or service_role. The signature is not
// verified, because the key of another project is as secret.
func roleOfKey(key string) (role string, isToken bool) {
	parts := strings.Split(key, ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var claims struct {
		Role string `json:"role"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return "", false
	}
	return claims.Role, true
}
