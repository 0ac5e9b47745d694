package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/fieldgate/fieldgate"
)

var (
	tenantIDPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	userIDPattern    = regexp.MustCompile(`^[A-Za-z0-9._:@|-]{1,128}$`)
	sessionIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{0,128}$`)
	assurancePattern = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
)

// tenantEscaper replaces the characters of a user id that are not allowed in a tenant
// name. Tenant names are part of store keys, where a colon is the separator. User ids
// contain no tilde, so two different user ids never map to the same tenant.
var tenantEscaper = strings.NewReplacer(":", "~3a", "@", "~40", "|", "~7c")

var (
	errClaims      = &fault{fieldgate.ReasonBadClaims, "the token's claims are not a JSON object of the expected types"}
	errIssuer      = &fault{fieldgate.ReasonWrongIssuer, "the claim iss is not one of the accepted issuers"}
	errExpired     = &fault{fieldgate.ReasonExpired, "the token has expired"}
	errUserID      = &fault{fieldgate.ReasonInvalidSubject, "the claim sub is not a valid user id"}
	errTenant      = &fault{fieldgate.ReasonInvalidTenant, "the tenant claim is present but is not a valid tenant id"}
	errSessionID   = &fault{fieldgate.ReasonInvalidSession, "the claim session_id is not a valid id"}
	errClientID    = &fault{fieldgate.ReasonBadClaims, "the claim client_id is not a valid client id"}
	errLifetime    = &fault{fieldgate.ReasonLifetime, "the token's lifetime exceeds the maximum"}
	errNoTenant    = &fault{"", "the token has no tenant claim"}
	errNotSignedIn = &fault{fieldgate.ReasonNotSignedIn, "the token does not belong to a signed-in user"}
)

// claimRules returns the checks of the registered claims (RFC 7519, section 4.1). jwx
// checks exp, iat and nbf by default where they are present.
func claimRules(cfg Config) []jwt.ValidateOption {
	rules := []jwt.ValidateOption{
		jwt.WithClock(jwt.ClockFunc(cfg.Now)),
		jwt.WithAcceptableSkew(cfg.Leeway),
		jwt.WithRequiredClaim(jwt.ExpirationKey),
		jwt.WithRequiredClaim(jwt.IssuedAtKey),
		jwt.WithRequiredClaim(jwt.SubjectKey),
	}
	if len(cfg.Issuers) > 0 {
		rules = append(rules, jwt.WithRequiredClaim(jwt.IssuerKey))
	}
	return append(rules, audienceRules(cfg)...)
}

func audienceRules(cfg Config) []jwt.ValidateOption {
	return []jwt.ValidateOption{jwt.WithRequiredClaim(jwt.AudienceKey), jwt.WithAudience(cfg.Audience)}
}

// principalOf returns the principal of a payload whose signature has been verified.
func (v *Verifier) principalOf(ctx context.Context, payload []byte) (Principal, error) {
	registered := jwt.New()
	if err := json.Unmarshal(payload, registered); err != nil {
		return Principal{}, errClaims // err is not returned, because its message may quote a claim
	}
	if err := jwt.Validate(registered, v.rules...); err != nil {
		return Principal{}, fmt.Errorf("checking the registered claims: %w", err)
	}
	if !v.acceptsIssuer(registered.Issuer()) {
		return Principal{}, errIssuer
	}
	if registered.Expiration().Sub(registered.IssuedAt()) > v.cfg.MaxLifetime {
		return Principal{}, errLifetime
	}
	principal, err := v.principalFromClaims(registered.Subject(), registered.PrivateClaims())
	if err != nil {
		return Principal{}, err
	}
	principal.IssuedAt, principal.ExpiresAt = registered.IssuedAt(), registered.Expiration()
	if !v.isCurrent(principal) { // jwx accepts an exp of 0, because it treats the claim as missing
		return Principal{}, errExpired
	}
	v.mismatches.recordRole(ctx, registered.PrivateClaims(), principal.SoleUser)
	return principal, nil
}

// principalFromClaims returns the principal without its expiry time.
func (v *Verifier) principalFromClaims(userID string, claims map[string]any) (Principal, error) {
	if !userIDPattern.MatchString(userID) {
		return Principal{}, errUserID
	}
	if !isSignedIn(claims) {
		return Principal{}, errNotSignedIn
	}
	sessionID, err := sessionOf(claims)
	if err != nil {
		return Principal{}, err
	}
	clientID, err := clientOf(claims)
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
		Email:     v.emailOf(claims),
		Name:      v.nameOf(claims),
		Assurance: assuranceOf(claims),
		ClientID:  clientID,

		SignedInAt: v.signedInAt(claims),
	}, nil
}

// isSignedIn reports whether the token belongs to a signed-in user. The API keys of a
// Supabase project, whose role is anon or service_role, do not. Neither do the tokens of
// anonymous sign-ins. It returns false if a claim has an unexpected type.
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

// sessionOf returns the claim session_id, or "" if the token has none.
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

// tenantOf returns the token's tenant, and reports whether the user is the tenant's only
// user. A claim that is present but invalid is an error. If tenantOf used the user's own
// tenant instead, it would hide the mistake and turn a viewer into an admin.
// The error for an absent claim is errNoTenant, unless the configuration allows personal
// tenants.
func (v *Verifier) tenantOf(userID string, claims map[string]any) (tenant string, soleUser bool, err error) {
	value, present := claimAt(claims, v.cfg.TenantClaim)
	switch {
	case !present && !v.cfg.PersonalTenants:
		return "", false, errNoTenant
	case !present:
		return "u." + tenantEscaper.Replace(userID), true, nil
	}
	id, isString := value.(string)
	if !isString || !tenantIDPattern.MatchString(id) {
		return "", false, errTenant
	}
	return "c." + id, false, nil
}

// roleOf returns the token's role. If the claim is absent, the user is an Admin in a
// tenant without other users, and a Viewer in a shared tenant. An unknown role is Viewer
// in either kind of tenant.
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

// claimAt returns the claim at path, and reports whether the claim is present. A path
// consists of names separated by dots. A claim whose whole name equals the path takes
// precedence, because names such as "https://example.com/role" contain dots. If a parent
// is null, the claim is absent. If a parent is not an object, the claim is present with
// the value nil, which no caller accepts.
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
