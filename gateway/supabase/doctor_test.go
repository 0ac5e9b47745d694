package supabase_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDoctor_NamesWhatDoesNotFit passes the token of a user to doctor, with one setting that is wrong. The
// mistakes that need no token of a real project are in TestWrongSettings of cmd/fieldgate.
func TestDoctor_NamesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	user := p.member("alice@example.com", "acme", "admin")
	stranger := p.signUp("mallory@example.com")
	numbered := p.signUp("number@example.com")
	p.admin("PUT", "/users/"+numbered.User.ID, object{"app_metadata": object{"customer_id": 7, "role": "admin"}}, nil)
	numbered = p.refresh(numbered)

	findings, ok := p.doctor("Bearer " + user.AccessToken + "\n")
	require.True(t, ok, findings)
	require.Contains(t, findings, `tenant "c.acme" with the role admin`)
	require.NotContains(t, findings, user.AccessToken)
	for name, c := range map[string]struct{ setting, token, finding string }{
		"issuer":            {"FIELDGATE_JWT_ISSUER=https://abc.supabase.co/auth/v1", user.AccessToken, "FIELDGATE_JWT_ISSUER is"},
		"audience":          {"FIELDGATE_JWT_AUDIENCE=api", user.AccessToken, `FIELDGATE_JWT_AUDIENCE is "api"`},
		"lifetime":          {"FIELDGATE_JWT_MAX_LIFETIME=5m", user.AccessToken, "FIELDGATE_JWT_MAX_LIFETIME is 5m"},
		"tenant claim":      {"FIELDGATE_TENANT_CLAIM=app_metadata.tenant", user.AccessToken, "the claim app_metadata.tenant is absent"},
		"role claim":        {"FIELDGATE_ROLE_CLAIM=app_metadata.roles", user.AccessToken, "the claim app_metadata.roles is absent"},
		"no tenant":         {"", stranger.AccessToken, "no_tenant"},
		"type of the claim": {"", numbered.AccessToken, "invalid_tenant"},
		"API key":           {"FIELDGATE_JWT_SECRET=" + legacySecret, p.anon, "an API key of the project"},
		"other project":     {"FIELDGATE_JWKS_URL=" + startProject(t).issuer() + keySetPath, user.AccessToken, "the issuer publishes no such key"},
		"key set":           {"FIELDGATE_JWKS_URL=" + p.issuer() + "/jwks", user.AccessToken, "status 404"},
	} {
		t.Run(name, func(t *testing.T) {
			findings, ok := p.doctor(c.token, c.setting)
			require.Equal(t, name == "role claim", ok, findings) // the user is then a viewer
			require.Contains(t, findings, c.finding)
		})
	}
}
