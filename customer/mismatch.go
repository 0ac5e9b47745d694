package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"

	"github.com/fieldgate/fieldgate"
)

const (
	// warnEvery is the minimum interval between two warnings about tokens that do not fit the
	// same setting.
	warnEvery = 10 * time.Minute

	maxLoggedClaimBytes = 256
	maxLoggedClaims     = 20
)

// mismatches warns of tokens that do not fit the settings. A wrong setting refuses the tokens
// of all users. Without the warning, it looks as if each of them had sent a bad token. It is
// safe for concurrent use.
type mismatches struct {
	cfg Config

	mu   sync.Mutex
	next map[string]time.Time // the earliest time of the next warning, by setting
}

func newMismatches(cfg Config) *mismatches {
	return &mismatches{cfg: cfg, next: map[string]time.Time{}}
}

// record logs a token that was refused with err: each one at the level debug, and one that
// does not fit a setting as a warning, at most once in warnEvery. The lines contain no
// signature and no claim that identifies the user.
func (m *mismatches) record(ctx context.Context, raw string, err error) {
	word := wordOf(err)
	if word == "" {
		return
	}
	refused := parseUnverified(raw)
	if m.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		m.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "refused a token", refused.attrs(word)...)
	}
	setting, wants := m.setting(word, refused)
	if setting == "" || !m.due(setting) {
		return
	}
	attrs := append(refused.attrs(word), slog.String("setting", setting), slog.String("wants", wants))
	if setting == settingTenantClaim {
		attrs = append(attrs, slog.Any("claims", namesBeside(refused.payload, m.cfg.TenantClaim)))
	}
	m.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "refusing tokens that do not fit a setting", attrs...)
}

// wordOf returns the reason of a refusal, or its code no_tenant. It returns "" for an error
// that is not the fault of the token.
func wordOf(err error) string {
	switch code := fieldgate.CodeOf(err); code {
	case fieldgate.CodeNoTenant:
		return string(code)
	case fieldgate.CodeUnauthorized, fieldgate.CodeUserCutOff:
		return string(fieldgate.ReasonOf(err))
	}
	return ""
}

// due reports whether a warning about the setting may be logged now. It then begins the
// interval until the next one.
func (m *mismatches) due(setting string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Now()
	if now.Before(m.next[setting]) {
		return false
	}
	m.next[setting] = now.Add(warnEvery)
	return true
}

// These are the names of the settings in warnings.
const (
	settingIssuer      = "FIELDGATE_JWT_ISSUER"
	settingAudience    = "FIELDGATE_JWT_AUDIENCE"
	settingKeys        = "FIELDGATE_JWKS_URL"
	settingSecret      = "FIELDGATE_JWT_SECRET"
	settingTenantClaim = "FIELDGATE_TENANT_CLAIM"
	settingLifetime    = "FIELDGATE_JWT_MAX_LIFETIME"
)

// setting returns the setting that a refused token does not fit, and what the setting wants.
// It returns "" if the token would be refused with any setting.
func (m *mismatches) setting(word string, token unverified) (setting, wants string) {
	switch fieldgate.Reason(word) {
	case fieldgate.ReasonWrongIssuer:
		return settingIssuer, strings.Join(m.cfg.Issuers, ",")
	case fieldgate.ReasonMissingClaim:
		if token.payload["iss"] == nil && len(m.cfg.Issuers) > 0 {
			return settingIssuer, strings.Join(m.cfg.Issuers, ",") + "; or off, if the issuer sets none"
		}
	case fieldgate.ReasonWrongAudience:
		return settingAudience, m.cfg.Audience
	case fieldgate.ReasonUnknownKey:
		return settingKeys, "a key that the issuer publishes for the token's alg and kid"
	case fieldgate.ReasonAlgorithm, fieldgate.ReasonBadSignature:
		if token.header["alg"] == jwa.HS256.String() {
			return settingSecret, "a signature with the secret of the issuer"
		}
	case fieldgate.ReasonLifetime:
		return settingLifetime, m.cfg.MaxLifetime.String()
	case fieldgate.ReasonInvalidTenant:
		return settingTenantClaim, m.cfg.TenantClaim + " as a text of at most 128 letters, digits and ._-"
	case fieldgate.Reason(fieldgate.CodeNoTenant):
		return settingTenantClaim, m.cfg.TenantClaim
	}
	return "", ""
}

// unverified contains the parts of a refused token. A stranger may have written them.
type unverified struct {
	header, payload map[string]any
}

// parseUnverified parses a token as far as it can be parsed.
func parseUnverified(raw string) unverified {
	parts := strings.SplitN(raw, ".", 3)
	if len(parts) != 3 {
		return unverified{}
	}
	return unverified{header: parsePart(parts[0]), payload: parsePart(parts[1])}
}

// parsePart returns the members of a part of a token, or nil if it cannot be parsed.
func parsePart(part string) (members map[string]any) {
	text, err := tokenEncoding.DecodeString(part)
	if err != nil || json.Unmarshal(text, &members) != nil {
		return nil
	}
	return members
}

// attrs returns the attributes of a log line about the token.
func (t unverified) attrs(word string) []slog.Attr {
	return []slog.Attr{
		slog.String("reason", word),
		slog.String("alg", loggedClaim(t.header["alg"])), slog.String("kid", loggedClaim(t.header["kid"])),
		slog.String("iss", loggedClaim(t.payload["iss"])), slog.String("aud", loggedClaim(t.payload["aud"])),
	}
}

// loggedClaim returns a claim in the form in which it is logged. An absent claim is "".
func loggedClaim(value any) string {
	if value == nil {
		return ""
	}
	text := fmt.Sprint(value)
	return strings.ToValidUTF8(text[:min(len(text), maxLoggedClaimBytes)], "")
}

// namesBeside returns the names of the claims in the object in which path is looked up, to
// show a name that is misspelt.
func namesBeside(claims map[string]any, path string) []string {
	if end := strings.LastIndex(path, "."); end >= 0 {
		parent, _ := claimAt(claims, path[:end])
		claims, _ = parent.(map[string]any)
	}
	names := slices.Sorted(maps.Keys(claims))
	return names[:min(len(names), maxLoggedClaims)]
}
