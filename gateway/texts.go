package gateway

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is the value of a setting that is a text.
type text struct {
	setting string
	value   string
	secret  bool // the value may itself begin or end with a quotation mark
}

// texts returns the values of all settings that are texts.
func (c Config) texts() []text {
	texts := []text{
		{"FIELDGATE_ADDR", c.Addr, false},
		{"FIELDGATE_METRICS_ADDR", c.MetricsAddr, false},
		{"FIELDGATE_ADMIN_ADDR", c.AdminAddr, false},
		{"FIELDGATE_ADMIN_TOKEN", c.AdminToken, false},
		{"FIELDGATE_TLS_CERT_FILE", c.TLSCertFile, false},
		{"FIELDGATE_TLS_KEY_FILE", c.TLSKeyFile, false},
		{"FIELDGATE_HSTS", c.HSTS, false},
		{"FIELDGATE_REDIS_URL", c.RedisURL, false},
		{"FIELDGATE_REDIS_CA_FILE", c.RedisCAFile, false},
		{"FIELDGATE_REDIS_CERT_FILE", c.RedisCertFile, false},
		{"FIELDGATE_REDIS_KEY_FILE", c.RedisKeyFile, false},
		{"FIELDGATE_REDIS_PASSWORD_FILE", c.RedisPasswordFile, false},
		{"FIELDGATE_STORE_ID", c.StoreID, false},
		{"FIELDGATE_SUPABASE_URL", c.SupabaseURL, false},
		{"FIELDGATE_SUPABASE_ANON_KEY", c.SupabaseAnonKey, false},
		{"FIELDGATE_JWKS_URL", c.JWKSURL, false},
		{"FIELDGATE_AUTH_HEALTH_URL", c.HealthURL, false},
		{"FIELDGATE_JWT_AUDIENCE", c.Audience, false},
		{"FIELDGATE_JWT_SECRET", c.JWTSecret, true},
		{"FIELDGATE_TENANT_CLAIM", c.TenantClaim, false},
		{"FIELDGATE_ROLE_CLAIM", c.RoleClaim, false},
		{"FIELDGATE_EMAIL_CLAIM", c.EmailClaim, false},
		{"FIELDGATE_CODE_KEY", c.CodeKey, true},
		{"FIELDGATE_APPROVAL_AAL", c.ApprovalAAL, false},
		{"FIELDGATE_RECORD_KEY", c.RecordKey, true},
		{"FIELDGATE_PASSKEY_RELYING_PARTY", c.PasskeyRelyingParty, false},
		{"FIELDGATE_ENVIRONMENT", c.Environment, false},
	}
	for _, origin := range c.PasskeyOrigins {
		texts = append(texts, text{"FIELDGATE_PASSKEY_ORIGINS", origin, false})
	}
	for _, origin := range c.AllowedOrigins {
		texts = append(texts, text{"FIELDGATE_ALLOWED_ORIGINS", origin, false})
	}
	for _, secret := range c.PreviousJWTSecrets {
		texts = append(texts, text{"FIELDGATE_JWT_SECRET_PREVIOUS", secret, true})
	}
	for _, issuer := range c.Issuers {
		texts = append(texts, text{"FIELDGATE_JWT_ISSUER", issuer, false})
	}
	for _, claim := range c.NameClaims {
		texts = append(texts, text{"FIELDGATE_NAME_CLAIM", claim, false})
	}
	for _, client := range c.AllowedClients {
		texts = append(texts, text{"FIELDGATE_ALLOWED_CLIENTS", client, false})
	}
	return texts
}

// checkTexts returns an error that names the first text with white space or quotation marks
// at its ends. They come from a file of settings, and are never part of the value: a gateway
// with such an audience or secret would refuse every user. The error does not contain the
// value, which may be secret.
func (c Config) checkTexts() error {
	for _, t := range c.texts() {
		if hasSpaceAround(t.value) {
			return errors.New(t.setting + " has white space at its beginning or end: remove it")
		}
		if isQuoted(t.value) || !t.secret && hasQuoteAround(t.value) {
			return errors.New(t.setting + " has a quotation mark at its beginning or end: remove it")
		}
	}
	return nil
}

// hasSpaceAround reports whether a text begins or ends with white space, or with a character
// that cannot be seen.
func hasSpaceAround(value string) bool {
	return value != strings.TrimFunc(value, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) })
}

// isQuoted reports whether a text begins and ends with the same quotation mark.
func isQuoted(value string) bool {
	first, _ := utf8.DecodeRuneInString(value)
	last, size := utf8.DecodeLastRuneInString(value)
	return len(value) > size && first == last && isQuote(first)
}

// hasQuoteAround reports whether a text begins or ends with a quotation mark.
func hasQuoteAround(value string) bool { return value != strings.TrimFunc(value, isQuote) }

func isQuote(c rune) bool { return strings.ContainsRune("\"'`“”‘’", c) }
