package customer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The maximum lengths of texts of a token, in characters and in bytes. A longer e-mail address
// or name is dropped.
const (
	maxEmail         = 320 // RFC 3696, errata 1690: 64 and 255 characters and the @
	maxName          = 128
	maxClientIDBytes = 256
)

// nameClaims are the paths of the claims with the user's name, in order of preference. The
// first is that of OpenID Connect (Core 1.0, section 5.1), the others those of Supabase Auth.
var nameClaims = []string{"name", "user_metadata.full_name", "user_metadata.name"}

// emailOf returns the claim email, or "" if it cannot be displayed.
func emailOf(claims map[string]any) string { return displayed(claims["email"], maxEmail) }

// nameOf returns the name of the user, or "" if the token has none that can be displayed.
func nameOf(claims map[string]any) string {
	for _, path := range nameClaims {
		value, _ := claimAt(claims, path)
		if name := displayed(value, maxName); name != "" {
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
	if utf8.RuneCountInString(text) > limit || strings.ContainsFunc(text, isHidden) {
		return ""
	}
	return text
}

func isHidden(c rune) bool { return !unicode.IsGraphic(c) || c == utf8.RuneError }

// assuranceOf returns the claim aal of Supabase Auth, or "" if the token has none.
func assuranceOf(claims map[string]any) string {
	level, _ := claims["aal"].(string)
	if !assurancePattern.MatchString(level) {
		return ""
	}
	return level
}

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
