package supabase_test

import (
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"
)

// paddedKeyID is a key id with all characters of base64, as projects with a legacy secret have.
const paddedKeyID = "aB/cD+eF0gH1iJ=="

func TestSignIn_IsAccepted(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	p.member("alice@example.com", "acme", "operator")
	me := g.me(p.signIn("alice@example.com").AccessToken)
	require.Equal(t, "c.acme", me.Tenant)
	require.EqualValues(t, "operator", me.Role)
	require.Equal(t, "alice@example.com", me.Email)
	require.Equal(t, "aal1", me.Aal)
}

func TestSigningKey_AnyTypeAndID(t *testing.T) {
	t.Parallel()
	for _, alg := range []jwa.SignatureAlgorithm{jwa.ES256, jwa.RS256, jwa.EdDSA} {
		t.Run(alg.String(), func(t *testing.T) {
			t.Parallel()
			p := startProject(t, withKeys(newKeyWithID(t, alg, paddedKeyID)))
			require.Equal(t, "c.acme", p.serve().me(p.member("alice@example.com", "acme", "viewer").AccessToken).Tenant)
		})
	}
}

// TestLegacySecret_NeedsSetting signs with the shared secret in both ways: as a project that was
// never migrated, and as one whose secret was imported as a signing key.
func TestLegacySecret_NeedsSetting(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]jwk.Key{"not migrated": nil, "imported": {newKeyWithID(t, jwa.HS256, paddedKeyID)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t, withKeys(keys...), with("GOTRUE_JWT_KEY_ID", paddedKeyID))
			token := p.member("alice@example.com", "acme", "viewer").AccessToken
			require.Equal(t, "c.acme", p.serve("FIELDGATE_JWT_SECRET="+legacySecret).me(token).Tenant)

			wrong := p.serve("FIELDGATE_JWT_SECRET=the-secret-of-another-project-has-as-many")
			wrong.requireRefused(token, "unauthorized", "bad_signature")
			wrong.requireLogged(`"setting":"FIELDGATE_JWT_SECRET"`)

			findings, ok := p.doctor(token)
			require.False(t, ok)
			require.Contains(t, findings, "HS256")
			require.Contains(t, findings, "no secret is configured")
		})
	}
}

// TestLegacySecret_Migration goes from the shared secret to a signing key. No user is signed out
// until the secret is removed from the settings.
func TestLegacySecret_Migration(t *testing.T) {
	t.Parallel()
	p := startProject(t, withKeys(), with("GOTRUE_JWT_KEY_ID", paddedKeyID))
	before := p.member("alice@example.com", "acme", "viewer")

	legacy, next := newKeyWithID(t, jwa.HS256, paddedKeyID), newKey(t, jwa.ES256)
	p.setKeys(next, legacy)
	after := p.refresh(before)
	both := p.serve("FIELDGATE_JWT_SECRET=" + legacySecret)
	require.Equal(t, "c.acme", both.me(before.AccessToken).Tenant)
	require.Equal(t, "c.acme", both.me(after.AccessToken).Tenant)

	revoked := p.serve()
	revoked.requireRefused(before.AccessToken, "unauthorized", "algorithm")
	require.Equal(t, "c.acme", revoked.me(after.AccessToken).Tenant)
}

// TestLegacySecret_Replaced replaces the shared secret in the steps of the guide. No user is signed out
// until the previous secret is removed from the settings.
func TestLegacySecret_Replaced(t *testing.T) {
	t.Parallel()
	const next = "the-next-secret-of-the-project-has-41-characters"
	p := startProject(t, withKeys())
	before := p.member("alice@example.com", "acme", "viewer")
	both := p.serve("FIELDGATE_JWT_SECRET="+next, "FIELDGATE_JWT_SECRET_PREVIOUS="+legacySecret)
	require.Equal(t, "c.acme", both.me(before.AccessToken).Tenant)
	both.requireLogged(`"setting":"FIELDGATE_JWT_SECRET_PREVIOUS"`)

	p.stopAuth()
	p.settings["GOTRUE_JWT_SECRET"] = next
	p.startAuth()
	after := p.refresh(before)
	require.Equal(t, "c.acme", both.me(after.AccessToken).Tenant)

	removed := p.serve("FIELDGATE_JWT_SECRET=" + next)
	removed.requireRefused(before.AccessToken, "unauthorized", "bad_signature")
	require.Equal(t, "c.acme", removed.me(after.AccessToken).Tenant)
}

// TestCredential_OfNoUserIsRefused sends the credentials of a project that belong to no user who has
// signed in with an address.
func TestCredential_OfNoUserIsRefused(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve("FIELDGATE_JWT_SECRET="+legacySecret, "FIELDGATE_PERSONAL_TENANTS=on", "FIELDGATE_JWT_MAX_LIFETIME=168h")
	var anonymous signIn
	p.call(request{method: "POST", path: "/signup", body: object{}}, &anonymous)
	g.requireRefused(anonymous.AccessToken, "unauthorized", "not_signed_in")
	for name, credential := range map[string]string{
		"anon key": p.anon, "service_role key": p.serviceRole, "publishable key": p.publishable, "secret key": p.secret,
	} {
		t.Run(name, func(t *testing.T) { g.requireRefused(credential, "unauthorized", "") })
	}
}

// TestSecretKey_IsNotPublished starts gateways with the keys of a project that administer it.
func TestSecretKey_IsNotPublished(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	for name, key := range map[string]string{"secret key": p.secret, "service_role key": p.serviceRole} {
		t.Run(name, func(t *testing.T) {
			log := p.refuseToStart("FIELDGATE_SUPABASE_ANON_KEY=" + key)
			require.Contains(t, log, "which the console would publish")
			require.NotContains(t, log, key)
		})
	}
}
