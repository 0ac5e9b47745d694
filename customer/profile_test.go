package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
)

// signedWith returns a token with the given claims in addition to those of a user.
func signedWith(iss *customertest.Issuer, claims map[string]any) string {
	payload := iss.Payload(issuer.Claims{TenantID: "acme"})
	for name, value := range claims {
		payload[name] = value
	}
	return iss.Sign(iss.Header(), payload)
}

// TestPrincipal_NameAndEmail checks that a text of the token that cannot be displayed is
// dropped, because lists show it beside the ids of users.
func TestPrincipal_NameAndEmail(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	for name, c := range map[string]struct {
		claims      map[string]any
		email, name string
	}{
		"none":                {map[string]any{"email": nil}, "", ""},
		"both":                {map[string]any{"email": "a@example.com", "name": "Ann Lee"}, "a@example.com", "Ann Lee"},
		"name in metadata":    {metadata("full_name", "Ann"), "", "Ann"},
		"short name":          {metadata("name", "Ann"), "", "Ann"},
		"space around":        {map[string]any{"name": " Ann\n"}, "", "Ann"},
		"other types":         {map[string]any{"email": 7, "name": []string{"Ann"}}, "", ""},
		"too long":            {map[string]any{"email": strings.Repeat("a", 255), "name": strings.Repeat("é", 101)}, "", ""},
		"longest":             {map[string]any{"name": strings.Repeat("é", 100)}, "", strings.Repeat("é", 100)},
		"like an address":     {map[string]any{"name": "Bob <bob@example.com>"}, "", ""},
		"an address":          {map[string]any{"name": "bob@example.com"}, "", ""},
		"a second name":       {map[string]any{"name": "bob@example.com", "user_metadata": map[string]any{"name": "Bob"}}, "", "Bob"},
		"e-mail in metadata":  {metadata("email", "b@example.com"), "", ""},
		"a line break":        {map[string]any{"name": "Ann\nadmin"}, "", ""},
		"reversed text":       {map[string]any{"name": "Ann\u202enimda"}, "", ""},
		"an invisible letter": {map[string]any{"name": "Ann\u200b"}, "", ""},
		"a variation":         {map[string]any{"name": "Ann\ufe0f"}, "", ""},
		"a joiner":            {map[string]any{"name": "An\u034fn", "email": "a\u034f@example.com"}, "", ""},
		"a filler":            {map[string]any{"name": "Ann\u3164Lee"}, "", ""},
		"an empty cell":       {map[string]any{"name": "Ann\u2800"}, "", ""},
		"a full-width sign":   {map[string]any{"name": "ann\uff20example.com"}, "", ""},
		"full-width brackets": {map[string]any{"name": "Ann \uff1cann\uff1e"}, "", ""},
		"a small sign":        {map[string]any{"name": "ann\ufe6bexample.com"}, "", ""},
		"small brackets":      {map[string]any{"name": "Ann \ufe64ann\ufe65"}, "", ""},
		"a null byte":         {map[string]any{"email": "a\x00@example.com"}, "", ""},
	} {
		principal := requireAccepted(t, v, signedWith(iss, c.claims))
		require.Equal(t, c.email, principal.Email, name)
		require.Equal(t, c.name, principal.Name, name)
	}
}

// metadata returns claims with one claim of user_metadata.
func metadata(name, value string) map[string]any {
	return map[string]any{"user_metadata": map[string]any{name: value}}
}

func TestPrincipal_AssuranceOfUnusualTokens(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	for _, c := range []struct {
		claim any
		want  string
	}{
		{nil, ""}, {"aal1", "aal1"}, {"aal2", "aal2"}, {2, ""}, {"AAL2", ""}, {"aal2 ", ""}, {[]string{"aal2"}, ""}, {"", ""},
	} {
		require.Equal(t, c.want, requireAccepted(t, v, signedWith(iss, map[string]any{"aal": c.claim})).Assurance, c.claim)
	}
}

// TestPrincipal_SignInIsTheNewestMethod reads the claim amr as Supabase Auth writes it, and as it does not.
func TestPrincipal_SignInIsTheNewestMethod(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	entry := func(method string, timestamp any) map[string]any {
		return map[string]any{"method": method, "timestamp": timestamp}
	}
	soon, later := time.Now().Unix()+15, time.Now().Add(time.Hour).Unix()
	for name, c := range map[string]struct {
		amr  any
		want int64
	}{
		"password":                         {[]any{entry("password", 1_700_000_000)}, 1_700_000_000},
		"second factor, the newest first":  {[]any{entry("totp", 1_700_000_600), entry("password", 1_700_000_000)}, 1_700_000_600},
		"second factor, the newest last":   {[]any{entry("password", 1_700_000_000), entry("totp", 1_700_000_600)}, 1_700_000_600},
		"a refreshed token":                {[]any{entry("token_refresh", 1_700_000_600), entry("password", 1_700_000_000)}, 1_700_000_000},
		"no time":                          {[]any{"password", entry("password", "now"), entry("password", nil), entry("password", -1), entry("otp", 1e300)}, 0},
		"methods without times (RFC 8176)": {[]any{"pwd", "mfa"}, 0},
		"a clock that is ahead":            {[]any{entry("password", soon)}, soon},
		"a time to come":                   {[]any{entry("password", later)}, 0},
		"the year 9999":                    {[]any{entry("totp", 253402300799), entry("password", 1_700_000_000)}, 1_700_000_000},
		"no list":                          {"password", 0},
		"none":                             {nil, 0},
	} {
		got := requireAccepted(t, v, signedWith(iss, map[string]any{"amr": c.amr})).SignedInAt
		if c.want == 0 {
			require.Zero(t, got, name)
			continue
		}
		require.Equal(t, c.want, got.Unix(), name)
	}
}

// TestPrincipal_ClientCannotBeHidden checks that an odd client_id does not look like a user
// who has signed in directly.
func TestPrincipal_ClientCannotBeHidden(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	for _, claim := range []any{7, true, []string{"app"}, map[string]any{}, strings.Repeat("a", 257)} {
		requireRefused(t, v, signedWith(iss, map[string]any{"client_id": claim}))
	}
	require.Empty(t, requireAccepted(t, v, signedWith(iss, map[string]any{"client_id": nil})).ClientID)
	require.Equal(t, "app", requireAccepted(t, v, signedWith(iss, map[string]any{"client_id": "app"})).ClientID)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func TestVerify_LifetimeIsBounded(t *testing.T) {
	t.Parallel()
	iss, clk := customertest.NewIssuer(t), newClock()
	cfg := configFor(iss)
	cfg.Now = clk.Now
	for _, limit := range []struct{ set, want int }{{0, 7 * 24 * 3600}, {3600, 3600}} {
		cfg.MaxLifetime = seconds(limit.set)
		v := newVerifier(t, cfg)
		requireAccepted(t, v, iss.Token(issuer.Claims{IssuedAt: clk.Now(), Lifetime: seconds(limit.want)}))
		requireRefused(t, v, iss.Token(issuer.Claims{IssuedAt: clk.Now(), Lifetime: seconds(limit.want + 1)}))
	}
}
