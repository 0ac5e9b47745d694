package customer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/diagnosis"
)

// Diagnose fetches the issuer's keys, and checks them, the issuer's clock and its certificate.
func (v *Verifier) Diagnose(ctx context.Context) []diagnosis.Finding {
	const check = "issuer keys"
	if v.cfg.JWKSURL == "" {
		return []diagnosis.Finding{diagnosis.Good(check, "tokens are verified with a shared secret only")}
	}
	response, err := v.keys.download(ctx)
	if err == nil && len(response.set.keys) == 0 && len(v.inUse.Load().secrets) == 0 {
		err = errNoUsableKeys
	}
	var findings []diagnosis.Finding
	if err != nil {
		findings = append(findings, diagnosis.Fail(check, "%v: check the URL of the keys and the network", err))
	} else {
		findings = append(findings, diagnosis.Good(check, "the issuer publishes usable keys: %s", response.set))
	}
	return append(findings, diagnoseResponse(response)...)
}

func diagnoseResponse(response keyResponse) (findings []diagnosis.Finding) {
	if response.set != nil {
		for _, ignored := range response.set.ignored {
			findings = append(findings, diagnosis.Warn("issuer keys", "the key %q is not used, because %s", ignored.kid, ignored.reason))
		}
	}
	if !response.date.IsZero() {
		findings = append(findings, diagnosis.Clock("issuer clock", response.date, time.Now()))
	}
	if !response.certificateEnds.IsZero() {
		findings = append(findings, diagnosis.Certificate("issuer certificate", response.certificateEnds, time.Now(), diagnosis.ServerReserve))
	}
	return findings
}

// String lists the keys with their algorithms.
func (s *keySet) String() string {
	var texts []string
	for id := range s.keys {
		texts = append(texts, fmt.Sprintf("%s %q", id.alg, id.kid))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// Explain verifies a token and explains the result to an operator who has the token. Each rule
// that the token breaks is a failure, and not only the first one, as in Verify. The findings
// contain claims of the token, but neither the token nor its signature. If the token is valid, find
// is called to find out whether its user is cut off.
func (v *Verifier) Explain(ctx context.Context, raw string, find CutOffFinder) []diagnosis.Finding {
	const check = "token"
	var cutOff []diagnosis.Finding
	principal, err := v.Verify(ctx, raw)
	if err == nil {
		cutOff, err = explainCutOff(ctx, principal, find)
	}
	verdict := diagnosis.Good(check, "the gateway accepts it, as user %q of tenant %q with the role %s", principal.UserID, principal.Tenant, principal.Role)
	if err != nil {
		verdict = diagnosis.Fail(check, "%s", explainRefusal(err))
	}
	parsed, err := parseToken(raw)
	if err != nil {
		return []diagnosis.Finding{verdict}
	}
	findings := append([]diagnosis.Finding{verdict, v.explainSignature(ctx, parsed)}, v.explainClaims(parsed.payload)...)
	return append(findings, cutOff...)
}

// explainCutOff returns the finding on the cut-offs of the principal. The error is the refusal if one
// of them refuses it.
func explainCutOff(ctx context.Context, p Principal, find CutOffFinder) ([]diagnosis.Finding, error) {
	const check = "token cut-off"
	cutOff, found, err := find(ctx, p)
	switch {
	case err != nil:
		return []diagnosis.Finding{diagnosis.Warn(check, "whether the user is cut off is not known: %v", err)}, nil
	case found:
		who := fmt.Sprintf("the user %q", cutOff.UserID)
		if cutOff.SessionID != "" {
			who = fmt.Sprintf("the session %q of %s", cutOff.SessionID, who)
		}
		return []diagnosis.Finding{diagnosis.Fail(check, "%s was cut off at %s by %q (reason: %q), and the token was issued before: sign in again for a new one",
			who, cutOff.At.UTC().Format(time.RFC3339), cutOff.By, cutOff.Reason)}, refuse(errCutOff)
	}
	return []diagnosis.Finding{diagnosis.Good(check, "neither the user %q nor the session %q is cut off", p.UserID, p.SessionID)}, nil
}

// explainRefusal returns the code and the reason that the log would have, with their cause.
func explainRefusal(err error) string {
	text := "the gateway refuses it with " + string(fieldgate.CodeOf(err))
	if reason := fieldgate.ReasonOf(err); reason != "" {
		text += ", reason " + string(reason)
	}
	return text
}

func (v *Verifier) explainSignature(ctx context.Context, t token) diagnosis.Finding {
	const check = "token signature"
	signedBy, _, err := v.signerOf(ctx, t, v.inUse.Load().secrets)
	switch {
	case err != nil:
		return diagnosis.Fail(check, "the token is signed with %s and the key %q: %v", t.alg, t.kid, causeOf(err))
	case signedBy.previous:
		return diagnosis.Warn(check, "the token is signed with %s and a secret in %s: it is refused once that is removed", t.alg, settingPrevious)
	}
	return diagnosis.Good(check, "the token is signed with %s and the key %q", t.alg, t.kid)
}

// causeOf returns the cause of a refusal, which callers of the API do not see.
func causeOf(err error) error {
	if refusal, ok := err.(*fieldgate.Error); ok && refusal.Cause != nil {
		return refusal.Cause
	}
	return err
}

// explainClaims checks each rule on its own. The signature may be wrong.
func (v *Verifier) explainClaims(payload []byte) []diagnosis.Finding {
	claims := jwt.New()
	if err := json.Unmarshal(payload, claims); err != nil {
		return []diagnosis.Finding{diagnosis.Fail("token claims", "%v", errClaims)}
	}
	var findings []diagnosis.Finding
	for _, rule := range v.claimRules() {
		options := append([]jwt.ValidateOption{jwt.WithResetValidators(true)}, rule.options...)
		findings = append(findings, found("token "+rule.claim, jwt.Validate(claims, options...), "%s", rule.describe(claims)))
	}
	findings = append(findings, v.explainIssuer(claims)...)
	if !isSignedIn(claims.PrivateClaims()) {
		findings = append(findings, diagnosis.Fail("token user", "%v: it is an API key of the project, or an anonymous sign-in", errNotSignedIn))
	}
	return append(findings, v.explainRights(claims.Subject(), claims.PrivateClaims())...)
}

// explainRights checks the tenant and the role. A role that the claim does not name is a warning.
func (v *Verifier) explainRights(userID string, claims map[string]any) []diagnosis.Finding {
	tenant, soleUser, err := v.tenantOf(userID, claims)
	inTenant, _ := claimAt(claims, v.cfg.TenantClaim)
	named, _ := claimAt(claims, v.cfg.RoleClaim)
	role := v.roleOf(claims, soleUser)
	explained := diagnosis.Good("token role", "the claim %s is %s, so that the user has the role %s", v.cfg.RoleClaim, quoted(named), role)
	if named != role.String() {
		explained.Level = diagnosis.Warning
	}
	return []diagnosis.Finding{
		found("token tenant", err, "the claim %s is %s, so that the tenant is %q", v.cfg.TenantClaim, quoted(inTenant), tenant),
		explained,
		v.explainNames(claims),
	}
}

// explainNames shows how the user is named in what they have done.
func (v *Verifier) explainNames(claims map[string]any) diagnosis.Finding {
	name, email := v.nameOf(claims), v.emailOf(claims)
	explained := diagnosis.Good("token names", "what the user does is recorded with the name %q of the claims %s and the e-mail address %q of the claim %s",
		name, strings.Join(v.cfg.NameClaims, ","), email, v.cfg.EmailClaim)
	isOff := v.cfg.EmailClaim == ClaimOff && slices.Contains(v.cfg.NameClaims, ClaimOff)
	if name == "" && email == "" && !isOff {
		explained.Level = diagnosis.Warning
	}
	return explained
}

// found returns a failure with the description and err or, if err is nil, the description only.
func found(check string, err error, format string, args ...any) diagnosis.Finding {
	if err != nil {
		return diagnosis.Fail(check, format+": %v", append(args, err)...)
	}
	return diagnosis.Good(check, format, args...)
}

// quoted returns a claim for a text: an absent one in words, and a string with quotes.
func quoted(value any) string {
	if value == nil {
		return "absent"
	}
	return fmt.Sprintf("%#v", value)
}

// claimRule is the rule for one registered claim.
type claimRule struct {
	claim    string
	options  []jwt.ValidateOption
	describe func(jwt.Token) string
}

// claimRules returns the rules for the registered claims, one for each claim.
func (v *Verifier) claimRules() []claimRule {
	return append(v.timeRules(),
		claimRule{"audience", audienceRules(v.cfg), func(t jwt.Token) string {
			return fmt.Sprintf("the claim aud is %q, and FIELDGATE_JWT_AUDIENCE is %q", t.Audience(), v.cfg.Audience)
		}},
		claimRule{"user", []jwt.ValidateOption{jwt.WithRequiredClaim(jwt.SubjectKey)}, func(t jwt.Token) string {
			return fmt.Sprintf("the claim sub is %q", t.Subject())
		}},
	)
}

// explainIssuer checks the issuer and the lifetime.
func (v *Verifier) explainIssuer(claims jwt.Token) []diagnosis.Finding {
	var wrong, long error
	if !v.acceptsIssuer(claims.Issuer()) {
		wrong = errIssuer
	}
	lifetime := claims.Expiration().Sub(claims.IssuedAt())
	if lifetime > v.cfg.MaxLifetime {
		long = errLifetime
	}
	return []diagnosis.Finding{
		found("token issuer", wrong, "the claim iss is %q, and FIELDGATE_JWT_ISSUER is %q%s", claims.Issuer(), strings.Join(v.cfg.Issuers, ","),
			v.smallDifference(claims.Issuer())),
		found("token lifetime", long, "the token is valid for %s, and FIELDGATE_JWT_MAX_LIFETIME is %s", lifetime, v.cfg.MaxLifetime),
	}
}

// smallDifference describes how an issuer differs from an accepted one, if the difference is one that
// is easily overlooked.
func (v *Verifier) smallDifference(issuer string) string {
	without := func(name, end string) string { return strings.TrimSuffix(strings.TrimSuffix(name, "/"), end) }
	if slices.Contains(v.cfg.Issuers, issuer) {
		return ""
	}
	for _, accepted := range v.cfg.Issuers {
		switch {
		case without(issuer, "") == without(accepted, ""):
			return ", which differs only in the slash at the end"
		case without(issuer, "/auth/v1") == without(accepted, "/auth/v1"):
			return ", which differs only in the path /auth/v1"
		}
	}
	return ""
}

// timeRules returns the rules for the claims that are times.
func (v *Verifier) timeRules() []claimRule {
	rule := func(check, claim string, time func(jwt.Token) time.Time, validators ...jwt.ValidateOption) claimRule {
		clock := []jwt.ValidateOption{jwt.WithClock(jwt.ClockFunc(v.cfg.Now)), jwt.WithAcceptableSkew(v.cfg.Leeway)}
		return claimRule{check, append(clock, validators...), func(t jwt.Token) string { return v.describeTime(claim, time(t)) }}
	}
	return []claimRule{
		rule("expiry", "exp", jwt.Token.Expiration, jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithValidator(jwt.IsExpirationValid())),
		rule("issue time", "iat", jwt.Token.IssuedAt, jwt.WithRequiredClaim(jwt.IssuedAtKey), jwt.WithValidator(jwt.IsIssuedAtValid())),
		rule("start", "nbf", jwt.Token.NotBefore, jwt.WithValidator(jwt.IsNbfValid())),
	}
}

func (v *Verifier) describeTime(claim string, at time.Time) string {
	if at.IsZero() {
		return "the claim " + claim + " is absent"
	}
	return fmt.Sprintf("the claim %s is %s, %s", claim, at.UTC().Format(time.RFC3339), ago(v.cfg.Now().Sub(at)))
}

// ago returns a duration in words: that it has passed, or will pass.
func ago(passed time.Duration) string {
	passed = passed.Round(time.Second)
	if passed < 0 {
		return "in " + (-passed).String()
	}
	return passed.String() + " ago"
}
