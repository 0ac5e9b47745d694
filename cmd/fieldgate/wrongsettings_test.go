package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// wrongSetting is a mistake in the settings of a sign-in, and where an operator finds it: at the start,
// or in one warning of the log and in the findings of doctor.
type wrongSetting struct {
	name     string
	settings []string       // beside the right ones; ISSUER stands for the URL of the project
	claims   map[string]any // of the token, beside those of an admin of the tenant acme; nil removes one
	secret   string         // signs the token with HS256, if it is not empty

	start  string   // part of the sentence with which the gateway and doctor refuse to start
	logged []string // parts of one warning, after the gateway has got the token
	doctor string   // part of a finding of doctor without a token, if it has one
	token  string   // part of a finding of `doctor --token`
}

const (
	signingSecret = "the-secret-of-the-project-has-40-letters"
	anonKeyOfAbc  = "eyJhbGciOiJIUzI1NiJ9.eyJyZWYiOiJhYmMiLCJyb2xlIjoiYW5vbiJ9.c2ln"            // {"ref":"abc","role":"anon"}
	serviceKey    = "eyJhbGciOiJIUzI1NiJ9.eyJyZWYiOiJhYmMiLCJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln" // {"ref":"abc","role":"service_role"}
)

// wrongSettings are the kinds of mistakes, by the names that the guide has for them.
var wrongSettings = []struct {
	kind  string
	cases []wrongSetting
}{
	{"issuer", []wrongSetting{
		{name: "custom domain", settings: []string{"FIELDGATE_JWT_ISSUER=https://auth.example.com/auth/v1"},
			logged: []string{`"reason":"wrong_issuer"`, `"setting":"FIELDGATE_JWT_ISSUER"`, `"wants":"https://auth.example.com/auth/v1"`},
			token:  `FIELDGATE_JWT_ISSUER is "https://auth.example.com/auth/v1"`},
		{name: "slash at the end", settings: []string{"FIELDGATE_JWT_ISSUER=ISSUER/auth/v1/"},
			logged: []string{`"reason":"wrong_issuer"`, `"setting":"FIELDGATE_JWT_ISSUER"`},
			token:  "which differs only in the slash at the end"},
		{name: "without the path of Auth", settings: []string{"FIELDGATE_JWT_ISSUER=ISSUER"},
			logged: []string{`"reason":"wrong_issuer"`, `"setting":"FIELDGATE_JWT_ISSUER"`},
			token:  "which differs only in the path /auth/v1"},
		{name: "hosted, without the path of Auth", settings: []string{"FIELDGATE_JWT_ISSUER=https://abc.supabase.co"},
			start: "FIELDGATE_JWT_ISSUER names a hosted project, but its tokens have the issuer https://abc.supabase.co/auth/v1"},
		{name: "hosted, slash at the end", settings: []string{"FIELDGATE_JWT_ISSUER=https://abc.supabase.co/auth/v1/"},
			start: "FIELDGATE_JWT_ISSUER names a hosted project"},
		{name: "tokens without one", claims: map[string]any{"iss": nil},
			logged: []string{`"reason":"missing_claim"`, `"setting":"FIELDGATE_JWT_ISSUER"`, "or off, if the issuer sets none"},
			token:  `the claim iss is ""`},
	}},
	{"audience", []wrongSetting{
		{name: "another one", settings: []string{"FIELDGATE_JWT_AUDIENCE=api"},
			logged: []string{`"reason":"wrong_audience"`, `"setting":"FIELDGATE_JWT_AUDIENCE"`, `"aud":"authenticated"`, `"wants":"api"`},
			token:  `the claim aud is ["authenticated"], and FIELDGATE_JWT_AUDIENCE is "api"`},
		{name: "list", settings: []string{"FIELDGATE_JWT_AUDIENCE=authenticated,api"}, start: "FIELDGATE_JWT_AUDIENCE is a list"},
	}},
	{"keys of another project", []wrongSetting{
		{name: "tokens of another project", claims: map[string]any{"iss": "https://other.example.com/auth/v1"}, settings: []string{"FIELDGATE_JWKS_URL=OTHER/auth/v1/.well-known/jwks.json"},
			logged: []string{`"reason":"unknown_key"`, `"setting":"FIELDGATE_JWKS_URL"`, `"iss":"https://other.example.com/auth/v1"`},
			token:  "the issuer publishes no such key"},
		{name: "URL of other keys", settings: []string{"FIELDGATE_JWKS_URL=OTHER/auth/v1/.well-known/jwks.json"},
			logged: []string{`"reason":"unknown_key"`, `"setting":"FIELDGATE_JWKS_URL"`},
			token:  "token signature"},
		{name: "URL of no keys", settings: []string{"FIELDGATE_JWKS_URL=ISSUER/auth/v1"},
			logged: []string{"fetching the issuer's keys failed", "status 404"},
			doctor: "the issuer responded with status 404", token: "token signature"},
		{name: "publishable key of another project", settings: []string{"FIELDGATE_SUPABASE_URL=https://other.supabase.co", "FIELDGATE_SUPABASE_ANON_KEY=" + anonKeyOfAbc},
			start: "FIELDGATE_SUPABASE_ANON_KEY is a key of another project than FIELDGATE_SUPABASE_URL"},
	}},
	{"name of a claim", []wrongSetting{
		{name: "tenant", settings: []string{"FIELDGATE_TENANT_CLAIM=app_metadata.customer"},
			logged: []string{`"reason":"no_tenant"`, `"setting":"FIELDGATE_TENANT_CLAIM"`, `"is":"absent"`, `"customer_id"`},
			token:  "the claim app_metadata.customer is absent"},
		{name: "tenant in no object", settings: []string{"FIELDGATE_TENANT_CLAIM=metadata.customer_id"},
			logged: []string{`"reason":"no_tenant"`, `"setting":"FIELDGATE_TENANT_CLAIM"`, `"app_metadata"`},
			token:  "the claim metadata.customer_id is absent"},
		{name: "role", settings: []string{"FIELDGATE_ROLE_CLAIM=app_metadata.roles"},
			logged: []string{"their users are viewers", `"setting":"FIELDGATE_ROLE_CLAIM"`, `"is":"absent"`, `"role"`},
			token:  "the claim app_metadata.roles is absent, so that the user has the role viewer"},
		{name: "role of PostgreSQL", settings: []string{"FIELDGATE_ROLE_CLAIM=role"},
			logged: []string{"their users are viewers", `"setting":"FIELDGATE_ROLE_CLAIM"`, `"is":"a text"`},
			token:  `the claim role is "authenticated", so that the user has the role viewer`},
		{name: "names", settings: []string{"FIELDGATE_EMAIL_CLAIM=mail"}, token: "warn  token names"},
		{name: "column", settings: []string{"FIELDGATE_TENANT_CLAIM=raw_app_meta_data.customer_id"},
			start: "FIELDGATE_TENANT_CLAIM is the name of a column"},
	}},
	{"type of a claim", []wrongSetting{
		{name: "tenant is a number", claims: map[string]any{"app_metadata": map[string]any{"customer_id": 7, "role": "admin"}},
			logged: []string{`"reason":"invalid_tenant"`, `"setting":"FIELDGATE_TENANT_CLAIM"`, `"is":"a number"`},
			token:  "the tenant claim is present but is not a valid tenant id"},
		{name: "tenant is an array", claims: map[string]any{"app_metadata": map[string]any{"customer_id": []string{"acme"}, "role": "admin"}},
			logged: []string{`"reason":"invalid_tenant"`, `"setting":"FIELDGATE_TENANT_CLAIM"`, `"is":"an array"`},
			token:  "the tenant claim is present but is not a valid tenant id"},
		{name: "tenant has a space", claims: map[string]any{"app_metadata": map[string]any{"customer_id": "Acme Inc", "role": "admin"}},
			logged: []string{`"reason":"invalid_tenant"`, `"setting":"FIELDGATE_TENANT_CLAIM"`, `"is":"a text"`, "letters, digits"},
			token:  "the tenant claim is present but is not a valid tenant id"},
		{name: "role is an array", claims: map[string]any{"app_metadata": map[string]any{"customer_id": "acme", "role": []string{"admin"}}},
			logged: []string{"their users are viewers", `"setting":"FIELDGATE_ROLE_CLAIM"`, `"is":"an array"`},
			token:  "so that the user has the role viewer"},
		{name: "unknown role", claims: map[string]any{"app_metadata": map[string]any{"customer_id": "acme", "role": "Admin"}},
			logged: []string{"their users are viewers", `"setting":"FIELDGATE_ROLE_CLAIM"`, "viewer, operator, approver or admin"},
			token:  `the claim app_metadata.role is "Admin", so that the user has the role viewer`},
	}},
	{"URL with a path", []wrongSetting{
		{name: "Auth", settings: []string{"FIELDGATE_SUPABASE_URL=https://abc.supabase.co/auth/v1"}, start: "FIELDGATE_SUPABASE_URL contains the path of a service"},
		{name: "REST", settings: []string{"FIELDGATE_SUPABASE_URL=https://supabase.example.com/rest/v1/"}, start: "FIELDGATE_SUPABASE_URL contains the path of a service"},
		{name: "dashboard", settings: []string{"FIELDGATE_SUPABASE_URL=https://supabase.com/dashboard/project/abc"}, start: "FIELDGATE_SUPABASE_URL is a page of the dashboard"},
		{name: "any path of a hosted project", settings: []string{"FIELDGATE_SUPABASE_URL=https://abc.supabase.co/console"}, start: "FIELDGATE_SUPABASE_URL has a path"},
		{name: "query", settings: []string{"FIELDGATE_SUPABASE_URL=https://abc.supabase.co?apikey=hunter2"}, start: "FIELDGATE_SUPABASE_URL contains a password, a query or a fragment"},
		{name: "database", settings: []string{"FIELDGATE_SUPABASE_URL=https://db.abc.supabase.co"}, start: "FIELDGATE_SUPABASE_URL is the address of the database"},
	}},
	{"http", []wrongSetting{
		{name: "no scheme", settings: []string{"FIELDGATE_SUPABASE_URL=abc.supabase.co"}, start: "FIELDGATE_SUPABASE_URL is not a URL that begins with https://"},
		{name: "hosted", settings: []string{"FIELDGATE_SUPABASE_URL=http://abc.supabase.co"}, start: "FIELDGATE_SUPABASE_URL begins with http://"},
		{name: "self-hosted", settings: []string{"FIELDGATE_JWKS_URL=http://kong.invalid:8000/auth/v1/.well-known/jwks.json"},
			logged: []string{"fetching the keys of the token issuer over http"}, doctor: "the keys are fetched over http", token: "token signature"},
	}},
	{"secret instead of the public key", []wrongSetting{
		{name: "secret key", settings: []string{"FIELDGATE_SUPABASE_ANON_KEY=sb_secret_hunter2"}, start: "FIELDGATE_SUPABASE_ANON_KEY is a secret key"},
		{name: "service_role key", settings: []string{"FIELDGATE_SUPABASE_ANON_KEY=" + serviceKey}, start: "FIELDGATE_SUPABASE_ANON_KEY is a token whose role is not anon"},
		{name: "JWT secret", settings: []string{"FIELDGATE_SUPABASE_ANON_KEY=" + signingSecret, "FIELDGATE_JWT_SECRET=" + signingSecret},
			start: "FIELDGATE_SUPABASE_ANON_KEY is the secret in FIELDGATE_JWT_SECRET"},
		{name: "JWT secret of a hosted project", settings: []string{"FIELDGATE_SUPABASE_URL=https://abc.supabase.co", "FIELDGATE_SUPABASE_ANON_KEY=" + signingSecret},
			start: "FIELDGATE_SUPABASE_ANON_KEY is not a key of a hosted project"},
	}},
	{"public value instead of the secret", []wrongSetting{
		{name: "publishable key", settings: []string{"FIELDGATE_JWT_SECRET=sb_publishable_0123456789abcdefghijklmnop"}, start: "FIELDGATE_JWT_SECRET is an API key or a token"},
		{name: "anon key", settings: []string{"FIELDGATE_JWT_SECRET=" + anonKeyOfAbc}, start: "FIELDGATE_JWT_SECRET is an API key or a token"},
		{name: "id of a key", settings: []string{"FIELDGATE_JWT_SECRET=0b5a3a5c-2f0e-4c39-9c9b-5c1c2b8a4d1e"},
			logged: []string{"has the form of a key id", `"setting":"FIELDGATE_JWT_SECRET"`}, doctor: "FIELDGATE_JWT_SECRET has the form of a key id"},
		{name: "public key", settings: []string{"FIELDGATE_JWT_SECRET=-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQ"}, start: "FIELDGATE_JWT_SECRET is a key in the form PEM or JWK"},
		{name: "URL of the keys", settings: []string{"FIELDGATE_JWT_SECRET=https://abc.supabase.co/auth/v1/.well-known/jwks.json"}, start: "FIELDGATE_JWT_SECRET is a URL"},
		{name: "previous secret", settings: []string{"FIELDGATE_JWT_SECRET=" + signingSecret, "FIELDGATE_JWT_SECRET_PREVIOUS=" + anonKeyOfAbc},
			start: "FIELDGATE_JWT_SECRET_PREVIOUS is an API key or a token"},
	}},
	{"HS256 secret", []wrongSetting{
		{name: "none", secret: signingSecret,
			logged: []string{`"reason":"algorithm"`, `"setting":"FIELDGATE_JWT_SECRET"`}, token: "no secret is configured"},
		{name: "of another project", secret: signingSecret, settings: []string{"FIELDGATE_JWT_SECRET=the-secret-of-another-project-is-as-long"},
			logged: []string{`"reason":"bad_signature"`, `"setting":"FIELDGATE_JWT_SECRET"`}, doctor: "FIELDGATE_JWT_SECRET are accepted too", token: "the signature is not that of the key"},
		{name: "short", settings: []string{"FIELDGATE_JWT_SECRET=hunter2"}, start: "FIELDGATE_JWT_SECRET must have at least 32 characters"},
		{name: "previous without a current one", settings: []string{"FIELDGATE_JWT_SECRET_PREVIOUS=" + signingSecret}, start: "FIELDGATE_JWT_SECRET_PREVIOUS is set without FIELDGATE_JWT_SECRET"},
		{name: "previous is the current one", settings: []string{"FIELDGATE_JWT_SECRET=" + signingSecret, "FIELDGATE_JWT_SECRET_PREVIOUS=" + signingSecret},
			start: "FIELDGATE_JWT_SECRET_PREVIOUS contains the secret in FIELDGATE_JWT_SECRET"},
		{name: "too many previous ones", settings: []string{"FIELDGATE_JWT_SECRET=" + signingSecret, "FIELDGATE_JWT_SECRET_PREVIOUS=a\nb\nc"}, start: "FIELDGATE_JWT_SECRET_PREVIOUS has 3 secrets"},
		{name: "previous one in use", secret: signingSecret, settings: []string{"FIELDGATE_JWT_SECRET=the-secret-of-another-project-is-as-long", "FIELDGATE_JWT_SECRET_PREVIOUS=" + signingSecret},
			logged: []string{"accepting tokens that are signed with a previous secret", `"setting":"FIELDGATE_JWT_SECRET_PREVIOUS"`},
			doctor: "signed with a secret in FIELDGATE_JWT_SECRET_PREVIOUS", token: "a secret in FIELDGATE_JWT_SECRET_PREVIOUS"},
	}},
	{"claim that users can edit", []wrongSetting{
		{name: "tenant", settings: []string{"FIELDGATE_TENANT_CLAIM=user_metadata.customer_id"}, start: "FIELDGATE_TENANT_CLAIM must not be a path into user_metadata"},
		{name: "role", settings: []string{"FIELDGATE_ROLE_CLAIM=user_metadata.role"}, start: "FIELDGATE_ROLE_CLAIM must not be a path into user_metadata"},
		{name: "address", settings: []string{"FIELDGATE_EMAIL_CLAIM=user_metadata.email"}, start: "FIELDGATE_EMAIL_CLAIM must not be a path into user_metadata"},
	}},
	{"lifetime", []wrongSetting{
		{name: "shorter than that of the tokens", settings: []string{"FIELDGATE_JWT_MAX_LIFETIME=5m"},
			logged: []string{`"reason":"lifetime_too_long"`, `"setting":"FIELDGATE_JWT_MAX_LIFETIME"`, `"wants":"5m0s"`}, token: "FIELDGATE_JWT_MAX_LIFETIME is 5m"},
	}},
}

// TestWrongSettings requires that each kind of mistake is refused at the start, or named in one line
// of the log and by doctor, and that the guide lists the kinds.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/supabase.md")
	require.NoError(t, err)
	require.Len(t, wrongSettings, 12)
	redis := storetest.Start(t, "--maxmemory", "1gb").URL()
	for _, w := range wrongSettings {
		require.Contains(t, string(guide), "| "+w.kind+" |")
		for _, c := range w.cases {
			t.Run(w.kind+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				project := customertest.NewIssuer(t)
				other := customertest.NewIssuer(t)
				urls := strings.NewReplacer("ISSUER", project.URL(), "OTHER", other.URL())
				settings := []string{
					"FIELDGATE_REDIS_URL=" + redis, "FIELDGATE_SUPABASE_URL=" + project.URL(), "FIELDGATE_ADDR=127.0.0.1:0",
					"FIELDGATE_METRICS_ADDR=off", "FIELDGATE_LOG_DELAY=0s", "FIELDGATE_RATE_LIMITS=off",
				}
				for _, setting := range c.settings {
					name, value, _ := strings.Cut(setting, "=")
					settings = append(settings, name+"="+urls.Replace(value))
				}
				if c.start != "" {
					c.requireRefusedAtStart(t, settings)
					return
				}
				c.requireNamed(t, settings, c.signed(project))
			})
		}
	}
}

// requireRefusedAtStart requires that serve and doctor refuse the settings with the sentence, and without
// their secrets.
func (c wrongSetting) requireRefusedAtStart(t *testing.T, settings []string) {
	t.Helper()
	stdout, stderr, code := once(t, settings, "serve")
	require.Equal(t, 1, code, stdout+stderr)
	require.Contains(t, stderr, c.start)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	findings, _, code := once(t, settings, "doctor")
	require.Equal(t, 1, code)
	require.Contains(t, findings, c.start)
	for _, secret := range []string{"hunter2", signingSecret, serviceKey, anonKeyOfAbc} {
		require.NotContains(t, stderr+findings, secret)
	}
}

// requireNamed requires that the log has the warning once after the token was sent twice, and that doctor
// has its findings.
func (c wrongSetting) requireNamed(t *testing.T, settings []string, token string) {
	t.Helper()
	if len(c.logged) > 0 {
		p := start(t, settings, "serve")
		require.Eventually(t, func() bool { return p.logged("serving", "addr") != "" }, time.Minute, 10*time.Millisecond, "%s", &p.log)
		for range 2 {
			sendToken(t, "http://"+p.logged("serving", "addr"), token)
		}
		var found int
		require.Eventually(t, func() bool {
			found = countWarnings(p.log.String(), c.logged)
			return found > 0
		}, time.Minute, 10*time.Millisecond, "%s", &p.log)
		require.Equal(t, 1, found, p.log.String())
		require.NotContains(t, p.log.String(), token[strings.LastIndex(token, "."):])
	}
	if c.doctor != "" {
		findings, _, _ := once(t, settings, "doctor")
		require.Contains(t, findings, c.doctor)
	}
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	findings, _, _ := once(t, settings, "doctor", "--token", file)
	require.Contains(t, findings, c.token)
	require.NotContains(t, findings, token[strings.LastIndex(token, "."):])
}

// signed returns the token of the case.
func (c wrongSetting) signed(project *customertest.Issuer) string {
	payload, header := project.Payload(issuer.Claims{TenantID: "acme", Role: "admin"}), project.Header()
	for name, value := range c.claims {
		payload[name] = value
		if value == nil {
			delete(payload, name)
		}
	}
	if c.secret == "" {
		return project.Sign(header, payload)
	}
	header["alg"] = "HS256"
	token := project.Sign(header, payload)
	text := token[:strings.LastIndex(token, ".")]
	mac := hmac.New(sha256.New, []byte(c.secret))
	_, _ = fmt.Fprint(mac, text)
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// sendToken sends a request of the user with the token. The response may be anything.
func sendToken(t *testing.T, url, token string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/customer/me", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	response.Body.Close()
}

// countWarnings returns the number of warnings in the log that have all parts.
func countWarnings(log string, parts []string) (count int) {
	for line := range strings.Lines(log) {
		matches := strings.Contains(line, `"level":"WARN"`)
		for _, part := range parts {
			matches = matches && strings.Contains(line, part)
		}
		if matches {
			count++
		}
	}
	return count
}
