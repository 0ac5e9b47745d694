package supabase_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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

func TestSignUp_WithoutTenantIsRefused(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	g.requireRefused(p.signUp("mallory@example.com").AccessToken, "no_tenant", "")
	require.Contains(t, g.log.String(), `"setting":"FIELDGATE_TENANT_CLAIM"`)
}
