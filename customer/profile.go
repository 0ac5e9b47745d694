package customer

import (
	"slices"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate"
)

// The maximum lengths of texts of a token, in bytes. A longer e-mail address or name is dropped:
// both are stored with every act of the user.
const (
	maxEmailBytes    = 254 // RFC 5321, section 4.5.3.1.3: a path of 256 bytes, with its < and >
	maxNameBytes     = 200
	maxClientIDBytes = 256
)

// addressSigns are the signs of an e-mail address, with their full-width and small forms.
const addressSigns = "<>@\uff1c\uff1e\uff20\ufe64\ufe65\ufe6b"

// emailOf returns the e-mail address of the user, or "" if the token has none that can be displayed.
func (v *Verifier) emailOf(claims map[string]any) string {
	if v.cfg.EmailClaim == ClaimOff {
		return ""
	}
	value, _ := claimAt(claims, v.cfg.EmailClaim)
	return displayed(value, maxEmailBytes)
}

// nameOf returns the name of the user, or "" if the token has none that can be displayed. It omits
// a name that looks like an e-mail address: many issuers let users choose their names, and
// lists show the name before the address.
func (v *Verifier) nameOf(claims map[string]any) string {
	if slices.Contains(v.cfg.NameClaims, ClaimOff) {
		return ""
	}
	for _, path := range v.cfg.NameClaims {
		value, _ := claimAt(claims, path)
		if name := displayed(value, maxNameBytes); name != "" && !strings.ContainsAny(name, addressSigns) {
			return name
		}
	}
	return ""
}

// displayed returns a claim without white space around it. It returns "" if the claim is not
// a text, is too long, or contains characters that cannot be seen: they would change how the
// text around the name is displayed.
func displayed(value any, limit int) string {
	text, _ := value.(string)
	text = strings.TrimSpace(text)
	if len(text) > limit || strings.ContainsFunc(text, fieldgate.IsHidden) {
		return ""
	}
	return text
}

// assuranceOf returns the claim aal of Supabase Auth, or "" if the token has none.
func assuranceOf(claims map[string]any) string {
	level, _ := claims["aal"].(string)
	if !assurancePattern.MatchString(level) {
		return ""
	}
	return level
}

// signedInAt returns the time of the newest entry in the claim amr of Supabase Auth, which lists the
// methods of the sign-in with their times. The time of the token is no substitute, because tokens are
// refreshed without the user. An entry that is later than now, by more than the leeway, is not counted: it would
// stay recent. It returns the zero time if the token has none.
func (v *Verifier) signedInAt(claims map[string]any) (newest time.Time) {
	latest := v.cfg.Now().Add(v.cfg.Leeway)
	methods, _ := claims["amr"].([]any)
	for _, m := range methods {
		method, _ := m.(map[string]any)
		seconds, isNumber := method["timestamp"].(float64)
		if !isNumber || seconds <= 0 || seconds > maxTimestamp || method["method"] == "token_refresh" {
			continue
		}
		if at := time.Unix(int64(seconds), 0).UTC(); at.After(newest) && !at.After(latest) {
			newest = at
		}
	}
	return newest
}

// maxTimestamp is the largest time in a claim that signedInAt accepts, in Unix seconds: the year 9999.
const maxTimestamp = 253402300799

// clientOf returns the claim client_id (RFC 9068, section 2.2), or "" if the token has none.
// A claim of another type is an error, so that it cannot hide the client.
func clientOf(claims map[string]any) (string, error) {
	value := claims["client_id"]
	if value == nil {
		return "", nil
	}
	id, isString := value.(string)
	if !isString || len(id) > maxClientIDBytes {
		return "", errClientID
	}
	return id, nil
}
