package customer_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

func TestVerify_RefusesAllForgedTokensAlike(t *testing.T) {
	t.Parallel()
	iss, untrusted := customertest.NewIssuer(t), customertest.NewUntrustedServer(t)
	v := newVerifier(t, configFor(iss))
	requireAccepted(t, v, iss.Token(issuer.Claims{TenantID: "forged", Role: "admin"})) // the valid token from which the forgeries are made

	forged := customertest.ForgedTokens(iss.Issuer, untrusted.URL)
	require.Greater(t, len(forged), 100)
	details := map[string]bool{}
	for _, forgery := range forged {
		t.Run(forgery.Name, func(t *testing.T) {
			refusal := requireForgedRefused(t, v, forgery.Token)
			require.Error(t, refusal.Cause, "the cause must be logged")
			details[refusal.Detail] = true
		})
	}
	delete(details, "The key of the access token is not known yet. Try again later.") // the keys are public
	require.Len(t, details, 1, "the response must not reveal what was wrong")
	require.Zero(t, untrusted.Requests(), "a URL in a token was fetched")
	require.Equal(t, 1, iss.Requests(), "the keys must be fetched once and nothing else")
}

// TestVerify_RefusesForgedTokensWithIssuerURL puts the URL of the trusted issuer into
// the tokens. An attacker must gain nothing even if the verifier does call that URL.
func TestVerify_RefusesForgedTokensWithIssuerURL(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, configFor(iss))
	for _, forgery := range customertest.ForgedTokens(iss.Issuer, iss.URL()) {
		if strings.HasPrefix(forgery.Name, "another key") || strings.HasPrefix(forgery.Name, "kid") {
			requireForgedRefused(t, v, forgery.Token)
		}
	}
	require.Equal(t, 1, iss.Requests())
}

func TestForgedTokens_UniqueNamesAndHeaderSafe(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, forgery := range customertest.ForgedTokens(customertest.NewIssuer(t).Issuer, "http://untrusted.invalid") {
		require.False(t, names[forgery.Name], forgery.Name)
		names[forgery.Name] = true
		for _, char := range forgery.Token {
			require.True(t, char > ' ' && char < 0x7f, "%s: %q", forgery.Name, char)
		}
	}
}

func TestVerify_RefusesInvalidCharacters(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, configFor(iss))
	good := iss.Token(issuer.Claims{})
	half := len(good) / 2
	for _, between := range []string{"\n", "\r\n", " ", "\t", "\x00", "é"} {
		requireRefused(t, v, good[:half]+between+good[half:])
		requireRefused(t, v, good+between)
		requireRefused(t, v, between+good)
	}
	requireRefused(t, v, "")
	requireRefused(t, v, "Bearer "+good)
	requireAccepted(t, v, good)
}

func TestVerify_RefusesMillionsOfDots(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, configFor(iss))
	requireRefused(t, v, strings.Repeat(".", 4<<20))
	requireRefused(t, v, strings.Repeat(".", 8<<10))
	require.Zero(t, iss.Requests())
}

// TestVerify_TokenLengthLimit verifies a token of the maximum length, and a token that is
// one byte longer.
func TestVerify_TokenLengthLimit(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	token := iss.Token(issuer.Claims{})
	cfg := configFor(iss)
	cfg.MaxTokenBytes = len(token)
	requireAccepted(t, newVerifier(t, cfg), token)
	cfg.MaxTokenBytes--
	requireRefused(t, newVerifier(t, cfg), token)
}

func TestVerify_CauseNamesMissingClaim(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, configFor(iss))
	for _, claim := range []string{"exp", "iat", "sub", "aud", "iss"} {
		payload := iss.Payload(issuer.Claims{})
		delete(payload, claim)
		refusal := requireRefused(t, v, iss.Sign(iss.Header(), payload))
		require.ErrorContains(t, refusal.Cause, `"`+claim+`"`)
	}
}

func TestVerify_TokenIsNeverInLogOrError(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	var log bytes.Buffer
	cfg := configFor(iss)
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v := newVerifier(t, cfg)
	for _, forgery := range customertest.ForgedTokens(iss.Issuer, "http://untrusted.invalid") {
		refusal := requireForgedRefused(t, v, forgery.Token)
		text := fmt.Sprintf("%v %v %+v", refusal, refusal.Cause, refusal.Detail)
		output := text + log.String()
		for part := range strings.SplitSeq(forgery.Token, ".") {
			if len(part) > 8 {
				require.NotContains(t, output, part, forgery.Name)
			}
		}
		require.NotContains(t, output, "victim", forgery.Name)
		require.NotContains(t, text, "untrusted.invalid", forgery.Name) // the log has the claim iss and the key id
	}
}

// TestVerify_IgnoresKeyHints adds headers with a key, or with the address of a key, to a
// valid token. The token must stay valid, and the verifier must not use these headers.
func TestVerify_IgnoresKeyHints(t *testing.T) {
	t.Parallel()
	iss, untrusted := customertest.NewIssuer(t), customertest.NewUntrustedServer(t)
	v := newVerifier(t, configFor(iss))
	header := iss.Header()
	header["jku"] = untrusted.URL
	header["x5u"] = untrusted.URL
	header["jwk"] = map[string]any{"kty": "oct", "k": "c2VjcmV0"}
	header["x5c"] = []string{"c2VjcmV0"}
	requireAccepted(t, v, iss.Sign(header, iss.Payload(issuer.Claims{})))
	require.Zero(t, untrusted.Requests())
}

func TestVerify_LeewayIsExact(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	now := clk.Now()
	at := func(claim string, d time.Duration) string {
		payload := iss.Payload(issuer.Claims{IssuedAt: now})
		payload[claim] = now.Add(d).Unix()
		return iss.Sign(iss.Header(), payload)
	}
	requireAccepted(t, v, at("exp", -29*time.Second))
	requireRefused(t, v, at("exp", -30*time.Second))
	requireAccepted(t, v, at("iat", 30*time.Second))
	requireRefused(t, v, at("iat", 31*time.Second))
	requireAccepted(t, v, at("nbf", 30*time.Second))
	requireRefused(t, v, at("nbf", 31*time.Second))
}

func TestVerify_AudienceList(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	payload := iss.Payload(issuer.Claims{})
	payload["aud"] = []string{"another", "authenticated"}
	token := iss.Sign(iss.Header(), payload)
	requireAccepted(t, newVerifier(t, configFor(iss)), token)

	cfg := configFor(iss)
	cfg.Audience = "fleet"
	requireRefused(t, newVerifier(t, cfg), token)
}

// TestVerify_EmptyIssuerSettingAcceptsAnyIssuer covers self-hosted projects, whose tokens
// may have no issuer. Their operators leave the setting empty.
func TestVerify_EmptyIssuerSettingAcceptsAnyIssuer(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	cfg.Issuers = nil
	v := newVerifier(t, cfg)
	payload := iss.Payload(issuer.Claims{})
	payload["iss"] = "another"
	requireAccepted(t, v, iss.Sign(iss.Header(), payload))
	delete(payload, "iss")
	requireAccepted(t, v, iss.Sign(iss.Header(), payload))
}

// TestVerify_EachIssuerOfListIsAccepted covers a project whose domain has changed: its tokens
// name the old or the new one.
func TestVerify_EachIssuerOfListIsAccepted(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	cfg.Issuers = []string{"https://auth.example.com/auth/v1", iss.Name()}
	v := newVerifier(t, cfg)
	payload := iss.Payload(issuer.Claims{})
	for claim, accepted := range map[any]bool{
		iss.Name(): true, "https://auth.example.com/auth/v1": true,
		"https://auth.example.com/auth/v1/": false, "": false, iss.URL(): false, iss.Name() + "," + cfg.Issuers[0]: false,
	} {
		payload["iss"] = claim
		if accepted {
			requireAccepted(t, v, iss.Sign(iss.Header(), payload))
		} else {
			requireRefused(t, v, iss.Sign(iss.Header(), payload))
		}
	}
}

func TestVerify_TypIsOptional(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	v := newVerifier(t, configFor(iss))
	for _, typ := range []string{"JWT", "jwt", "at+jwt"} {
		header := iss.Header()
		header["typ"] = typ
		requireAccepted(t, v, iss.Sign(header, iss.Payload(issuer.Claims{})))
	}
	header := iss.Header()
	delete(header, "typ")
	requireAccepted(t, v, iss.Sign(header, iss.Payload(issuer.Claims{})))
}

func TestNewVerifier_RefusesUnsafeSettings(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("s"), 32)
	cases := map[string]struct {
		cfg     customer.Config
		message string
	}{
		"no keys and no secret":     {customer.Config{}, "JWKS URL or an HS256 secret"},
		"a short secret":            {customer.Config{HS256Secret: secret[:31]}, "shorter than 32 bytes"},
		"a relative URL":            {customer.Config{JWKSURL: "/jwks.json"}, "absolute"},
		"an invalid URL":            {customer.Config{JWKSURL: "http://%"}, "absolute"},
		"a file URL":                {customer.Config{JWKSURL: "file://host/jwks.json"}, "https://"},
		"credentials in the URL":    {customer.Config{JWKSURL: "https://me:pass@host/"}, "credentials"},
		"a user-edited tenant":      {customer.Config{HS256Secret: secret, TenantClaim: "user_metadata.customer_id"}, "the tenant claim"},
		"a user-edited role":        {customer.Config{HS256Secret: secret, RoleClaim: "user_metadata.role"}, "the role claim"},
		"a user-edited e-mail":      {customer.Config{HS256Secret: secret, EmailClaim: "user_metadata.email"}, "the e-mail claim"},
		"an empty name in a path":   {customer.Config{HS256Secret: secret, NameClaims: []string{"name", "a..b"}}, "the name claim"},
		"user_metadata itself":      {customer.Config{HS256Secret: secret, TenantClaim: "user_metadata"}, "the tenant claim"},
		"a path with an empty name": {customer.Config{HS256Secret: secret, TenantClaim: "app_metadata..id"}, "empty name"},
		"a path that ends in a dot": {customer.Config{HS256Secret: secret, RoleClaim: "app_metadata."}, "empty name"},
		"a leeway of an hour":       {customer.Config{HS256Secret: secret, Leeway: time.Hour}, "leeway"},
		"a negative leeway":         {customer.Config{HS256Secret: secret, Leeway: -1}, "leeway"},
		"a negative interval":       {customer.Config{HS256Secret: secret, RefreshInterval: -1}, "negative"},
		"a negative limit":          {customer.Config{HS256Secret: secret, MaxTokenBytes: -1}, "negative"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := customer.NewVerifier(c.cfg)
			require.ErrorContains(t, err, c.message)
			require.NotContains(t, err.Error(), "pass@")
		})
	}
}

// TestVerify_ReasonIsForTheLog checks the word that the log has for each fault.
func TestVerify_ReasonIsForTheLog(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	v := newVerifier(t, cfg)
	header := func(changes map[string]any) string {
		changed := iss.Header()
		maps.Copy(changed, changes)
		return iss.Sign(changed, iss.Payload(issuer.Claims{}))
	}
	claim := func(name string, value any) string {
		changed := iss.Payload(issuer.Claims{})
		changed[name] = value
		if value == nil {
			delete(changed, name)
		}
		return iss.Sign(iss.Header(), changed)
	}
	past, future := time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix()
	good := iss.Token(issuer.Claims{})
	for token, reason := range map[string]fieldgate.Reason{
		"fgt_no-token":                                      fieldgate.ReasonMalformed,
		good + strings.Repeat("x", 8<<10):                   fieldgate.ReasonTooLong,
		good[:len(good)-8] + "AAAAAAAA":                     fieldgate.ReasonBadSignature,
		header(map[string]any{"alg": "none"}):               fieldgate.ReasonAlgorithm,
		header(map[string]any{"alg": "HS256"}):              fieldgate.ReasonAlgorithm,
		header(map[string]any{"typ": "JOSE"}):               fieldgate.ReasonHeaderRefused,
		header(map[string]any{"crit": []string{"x"}}):       fieldgate.ReasonHeaderRefused,
		header(map[string]any{"kid": "other"}):              fieldgate.ReasonUnknownKey,
		header(map[string]any{"kid": 7}):                    fieldgate.ReasonUnknownKey,
		iss.Sign(iss.Header(), []byte("[]")):                fieldgate.ReasonBadClaims,
		claim("exp", past):                                  fieldgate.ReasonExpired,
		claim("iat", future):                                fieldgate.ReasonNotYetValid,
		claim("nbf", future):                                fieldgate.ReasonNotYetValid,
		claim("iss", "https://other.example.com"):           fieldgate.ReasonWrongIssuer,
		claim("aud", "other"):                               fieldgate.ReasonWrongAudience,
		claim("exp", nil):                                   fieldgate.ReasonMissingClaim,
		claim("iat", nil):                                   fieldgate.ReasonMissingClaim,
		claim("sub", nil):                                   fieldgate.ReasonMissingClaim,
		claim("aud", nil):                                   fieldgate.ReasonMissingClaim,
		claim("iss", nil):                                   fieldgate.ReasonMissingClaim,
		claim("sub", "a b"):                                 fieldgate.ReasonInvalidSubject,
		claim("session_id", 7):                              fieldgate.ReasonInvalidSession,
		claim("role", "anon"):                               fieldgate.ReasonNotSignedIn,
		claim("app_metadata", object{"customer_id": "a:b"}): fieldgate.ReasonInvalidTenant,
	} {
		require.Equal(t, reason, requireForgedRefused(t, v, token).Reason, token)
	}
}

type object = map[string]any

// TestKeySource_LogsIgnoredKeysOnce fetches a key set with unusable keys several times.
func TestKeySource_LogsIgnoredKeysOnce(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	good, long := iss.JWKs()[0], iss.JWKs()[0]
	long["kid"] = strings.Repeat("k", 600)
	other := object{"kty": "EC", "kid": "enc-1", "use": "enc", "crv": good["crv"], "x": good["x"], "y": good["y"]}
	iss.Respond(publish(t, good, long, other, object{"kty": "AKP", "kid": "new"}, object{"kty": "oct", "kid": "oct-1", "k": "c2VjcmV0"}))
	var log bytes.Buffer
	cfg := configFor(iss)
	cfg.Now, cfg.Logger = clk.Now, slog.New(slog.NewJSONHandler(&log, nil))
	v := newVerifier(t, cfg)
	for range 3 {
		requireAccepted(t, v, freshToken(iss, clk))
		_, _ = v.Verify(t.Context(), tokenWithUnknownKey("unknown"))
		clk.Advance(cooldown)
	}
	require.Equal(t, 3, iss.Requests())
	require.Equal(t, 4, strings.Count(log.String(), "ignored a key of the issuer"), log.String())
	for _, kid := range []string{`"` + strings.Repeat("k", 128) + `"`, `"enc-1"`, `"new"`, `"oct-1"`} {
		require.Equal(t, 1, strings.Count(log.String(), `"kid":`+kid), kid)
	}
	require.NotContains(t, log.String(), "c2VjcmV0")
}
