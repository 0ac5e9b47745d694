package supabase_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIssuer_IsTheOneOfTheProject is about projects whose tokens name another issuer than the URL
// at which they are reached.
func TestIssuer_IsTheOneOfTheProject(t *testing.T) {
	t.Parallel()
	for name, issuer := range map[string]string{
		"custom domain":           "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
		"self-hosted, other path": "https://supabase.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t, with("GOTRUE_JWT_ISSUER", issuer))
			token := p.member("alice@example.com", "acme", "viewer").AccessToken
			wrong := p.serve()
			wrong.requireRefused(token, "unauthorized", "wrong_issuer")
			wrong.requireLogged(`"setting":"FIELDGATE_JWT_ISSUER"`)
			wrong.requireLogged(issuer)

			right := p.serve("FIELDGATE_JWT_ISSUER=" + issuer + "," + p.issuer())
			require.Equal(t, "c.acme", right.me(token).Tenant)
		})
	}
}

// TestIssuer_Absent is about self-hosted projects without GOTRUE_JWT_ISSUER.
func TestIssuer_Absent(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_JWT_ISSUER", ""))
	token := p.member("alice@example.com", "acme", "viewer").AccessToken
	wrong := p.serve()
	wrong.requireRefused(token, "unauthorized", "missing_claim")
	wrong.requireLogged("or off, if the issuer sets none")

	off := p.serve("FIELDGATE_JWT_ISSUER=off")
	require.Equal(t, "c.acme", off.me(token).Tenant)
	off.requireLogged(`"level":"WARN"`)
}
