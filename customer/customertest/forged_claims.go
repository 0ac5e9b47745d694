package customertest

import (
	"strings"
	"time"
)

// times returns tokens whose times are wrong by more than the leeway of 30 s.
func (f forger) times() []Forgery {
	return []Forgery{
		f.withClaim("exp missing", "exp", absent),
		f.withClaim("exp null", "exp", nil),
		f.withClaim("exp a string", "exp", "never"),
		f.withClaim("exp true", "exp", true),
		f.withClaim("exp zero", "exp", 0),
		f.withClaim("exp half a second", "exp", 0.5),
		f.withClaim("exp negative", "exp", -1),
		f.withClaim("expired a minute ago", "exp", fromNow(-time.Minute)),
		f.withClaim("expired a day ago", "exp", fromNow(-24*time.Hour)),
		f.withClaim("iat missing", "iat", absent),
		f.withClaim("iat a string", "iat", "today"),
		f.withClaim("iat a minute in the future", "iat", fromNow(time.Minute)),
		f.withClaim("nbf a minute in the future", "nbf", fromNow(time.Minute)),
		f.withClaim("nbf a string", "nbf", "today"),
	}
}

// audiencesAndIssuers returns tokens with a wrong aud or iss.
func (f forger) audiencesAndIssuers() []Forgery {
	return []Forgery{
		f.withClaim("aud missing", "aud", absent),
		f.withClaim("aud of another audience", "aud", "anon"),
		f.withClaim("aud empty", "aud", ""),
		f.withClaim("aud in upper case", "aud", "AUTHENTICATED"),
		f.withClaim("aud with a suffix", "aud", "authenticated-suffix"),
		f.withClaim("aud a list of others", "aud", []string{"anon", "another"}),
		f.withClaim("aud an empty list", "aud", []string{}),
		f.withClaim("aud an object", "aud", map[string]any{"authenticated": true}),
		f.withClaim("iss missing", "iss", absent),
		f.withClaim("iss of another issuer", "iss", f.untrustedURL+"/auth/v1"),
		f.withClaim("iss with a trailing slash", "iss", f.iss.Name()+"/"),
		f.withClaim("iss truncated", "iss", f.iss.URL()),
		f.withClaim("iss a list", "iss", []string{f.iss.Name()}),
	}
}

// subjects returns tokens with a wrong sub.
func (f forger) subjects() []Forgery {
	return []Forgery{
		f.withClaim("sub missing", "sub", absent),
		f.withClaim("sub empty", "sub", ""),
		f.withClaim("sub a number", "sub", 1),
		f.withClaim("sub a list", "sub", []string{"victim"}),
		f.withClaim("sub with a space", "sub", "a victim"),
		f.withClaim("sub with a line break", "sub", "victim\n"),
		f.withClaim("sub with a brace", "sub", "victim{1}"),
		f.withClaim("sub with a slash", "sub", "../victim"),
		f.withClaim("sub 129 characters long", "sub", strings.Repeat("s", 129)),
	}
}

// notSignedIn returns correctly signed tokens that belong to no signed-in user.
func (f forger) notSignedIn() []Forgery {
	return []Forgery{
		f.withClaim("role anon", "role", "anon"),
		f.withClaim("role service_role", "role", "service_role"),
		f.withClaim("role a list", "role", []string{"authenticated", "service_role"}),
		f.withClaim("an anonymous sign-in", "is_anonymous", true),
		f.withClaim("is_anonymous a string", "is_anonymous", "true"),
		f.withClaim("session_id a number", "session_id", 1),
		f.withClaim("session_id with a colon", "session_id", "a:b"),
		f.withClaim("session_id 129 characters long", "session_id", strings.Repeat("s", 129)),
	}
}

// tenants returns tokens with an invalid tenant id. None of them may be accepted for
// the user's own tenant, where the user would be an admin.
func (f forger) tenants() []Forgery {
	tenantIDs := map[string]any{
		"null":                nil,
		"empty":               "",
		"a number":            42,
		"true":                true,
		"a list":              []string{"forged"},
		"an object":           map[string]any{"id": "forged"},
		"with a colon":        "forged:keys",
		"with a slash":        "forged/keys",
		"with a brace":        "{00}forged",
		"with a space":        "for ged",
		"with a line break":   "forged\n",
		"with a tilde":        "forged~3a",
		"129 characters long": strings.Repeat("c", 129),
	}
	var forged []Forgery
	for name, value := range tenantIDs {
		metadata := map[string]any{"customer_id": value, "role": "admin"}
		forged = append(forged, f.withClaim("customer_id "+name, "app_metadata", metadata))
	}
	return append(forged, f.withClaim("app_metadata a string", "app_metadata", "forged"))
}
