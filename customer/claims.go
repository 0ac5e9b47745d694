package customer

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwt"
)

var (
	customerIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	userIDPattern     = regexp.MustCompile(`^[A-Za-z0-9._:@|-]{1,128}$`)
	sessionIDPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]{0,128}$`)
)

// A tenant stands in keys of the store, where a colon separates. No user id
// holds a tilde, so two user ids never become one tenant.
var tenantEscaper = strings.NewReplacer(":", "~3a", "@", "~40", "|", "~7c")

var (
	errClaims    = errors.New("the token's claims are not a JSON object of the expected types")
	errExpired   = errors.New("the token is expired")
	errUserID    = errors.New("the claim sub is no usable user id")
	errTenant    = errors.New("the tenant claim is present and is no usable customer id")
	errSessionID = errors.New("the claim session_id is no usable id")
	errNoPerson  = errors.New("the token stands for no signed-in person")
)

// claimRules are the checks of the registered claims (RFC 7519, section 4.1).
// Where exp, iat and nbf are present, jwx checks them without being told.
func claimRules(cfg Config) []jwt.ValidateOption {
	rules := []jwt.ValidateOption{
		jwt.WithClock(jwt.ClockFunc(cfg.Now)),
		jwt.WithAcceptableSkew(cfg.Leeway),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
		jwt.WithRequiredClaim(jwt.IssuedAtKey),
		jwt.WithRequiredClaim(jwt.SubjectKey),
		jwt.WithAudience(cfg.Audience),
	}
	if cfg.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(cfg.Issuer))
	}
	return rules
}

// principalOf reads the principal from a payload whose signature was verified.
func (v *Verifier) principalOf(payload []byte) (Principal, error) {
	registered := jwt.New()
	if err := json.Unmarshal(payload, registered); err != nil {
		return Principal{}, errClaims // the decoder's own words may quote a claim
	}
	if err := jwt.Validate(registered, v.rules...); err != nil {
		return Principal{}, fmt.Errorf("checking the registered claims: %w", err)
	}
	principal, err := v.personOf(registered.Subject(), registered.PrivateClaims())
	if err != nil {
		return Principal{}, err
	}
	principal.ExpiresAt = registered.Expiration()
	if !v.isCurrent(principal) { // jwx takes an exp of 0 for no exp, and lets it pass
		return Principal{}, errExpired
	}
	return principal, nil
}

func (v *Verifier) personOf(userID string, claims map[string]any) (Principal, error) {
	if !userIDPattern.MatchString(userID) {
		return Principal{}, errUserID
	}
	if !isSignedIn(claims) {
		return Principal{}, errNoPerson
	}
	sessionID, err := sessionOf(claims)
	if err != nil {
		return Principal{}, err
	}
	tenant, soleUser, err := v.tenantOf(userID, claims)
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Tenant:    tenant,
		UserID:    userID,
		Role:      v.roleOf(claims, soleUser),
		SoleUser:  soleUser,
		SessionID: sessionID,
	}, nil
}

// isSignedIn tells a person's token from the keys of a Supabase project, whose
// role is anon or service_role, and from an anonymous sign-in. A claim of an
// unexpected type counts against the token.
func isSignedIn(claims map[string]any) bool {
	if role, present := claims["role"]; present {
		name, isString := role.(string)
		if !isString || name == "anon" || name == "service_role" {
			return false
		}
	}
	anonymous, present := claims["is_anonymous"]
	return !present || anonymous == false
}

func sessionOf(claims map[string]any) (string, error) {
	value, present := claims["session_id"]
	if !present {
		return "", nil
	}
	id, isString := value.(string)
	if !isString || !sessionIDPattern.MatchString(id) {
		return "", errSessionID
	}
	return id, nil
}

// tenantOf gives the tenant, and whether it is that of one person. A claim
// that is there but cannot be used refuses the token: falling back to the
// person's own tenant would hide the mistake, and make an admin of a viewer.
func (v *Verifier) tenantOf(userID string, claims map[string]any) (tenant string, soleUser bool, err error) {
	value, present := claimAt(claims, v.cfg.TenantClaim)
	if !present {
		return "u." + tenantEscaper.Replace(userID), true, nil
	}
	id, isString := value.(string)
	if !isString || !customerIDPattern.MatchString(id) {
		return "", false, errTenant
	}
	return "c." + id, false, nil
}

// roleOf gives the role. Without the claim a person is admin of the tenant
// that is theirs alone, and viewer of a shared one. A value that is no role
// gives the least rights in either.
func (v *Verifier) roleOf(claims map[string]any, soleUser bool) Role {
	value, present := claimAt(claims, v.cfg.RoleClaim)
	if !present && soleUser {
		return Admin
	}
	name, _ := value.(string)
	role, err := ParseRole(name)
	if err != nil {
		return Viewer
	}
	return role
}

// claimAt follows a path of names with dots between them. A claim whose whole
// name is the path comes first, because names such as
// "https://example.com/role" have dots of their own. A parent that is null is
// as good as absent; a parent that is no object counts as a present, unusable
// value.
func claimAt(claims map[string]any, path string) (value any, present bool) {
	if value, present = claims[path]; present {
		return value, true
	}
	first, rest, nested := strings.Cut(path, ".")
	if !nested || claims[first] == nil {
		return nil, false
	}
	parent, isObject := claims[first].(map[string]any)
	if !isObject {
		return nil, true
	}
	return claimAt(parent, rest)
}
