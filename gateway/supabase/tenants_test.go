package supabase_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSignUp_WithoutTenantIsRefused(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	g.requireRefused(p.signUp("mallory@example.com").AccessToken, "no_tenant", "")
	g.requireLogged(`"setting":"FIELDGATE_TENANT_CLAIM"`)
}

// TestSignUp_WithPersonalTenants starts a gateway as for development, where each user has a tenant of one.
func TestSignUp_WithPersonalTenants(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve("FIELDGATE_PERSONAL_TENANTS=on")
	mallory, alice := p.signUp("mallory@example.com"), p.member("alice@example.com", "acme", "viewer")
	me := g.me(mallory.AccessToken)
	require.Equal(t, "u."+mallory.User.ID, me.Tenant)
	require.EqualValues(t, "admin", me.Role)
	require.Equal(t, "c.acme", g.me(alice.AccessToken).Tenant)
}

func TestSignUp_CannotChooseTenant(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	var mallory signIn
	claims := object{"customer_id": "acme", "role": "admin", "app_metadata": object{"customer_id": "acme", "role": "admin"}}
	p.call(request{method: "POST", path: "/signup", body: object{
		"email": "mallory@example.com", "password": password, "data": claims, "app_metadata": claims,
	}}, &mallory)
	p.serve().requireRefused(mallory.AccessToken, "no_tenant", "")
}

func TestTenant_AssignedWithSQL(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	before := p.signUp("alice@example.com")
	p.signUp("other@example.com")
	p.sql("%s", readGuide(t).block("assign with SQL"))
	g.requireRefused(before.AccessToken, "no_tenant", "")

	me := g.me(p.refresh(before).AccessToken)
	require.Equal(t, "c.acme", me.Tenant)
	require.EqualValues(t, "admin", me.Role)
	g.requireRefused(p.signIn("other@example.com").AccessToken, "no_tenant", "")
}

// TestTenant_AssignedWithMembersTable runs the table and the hook of the guide.
func TestTenant_AssignedWithMembersTable(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED", "true"),
		with("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI", "pg-functions://postgres/public/add_membership"))
	p.sql("%s", readGuide(t).block("members table"))
	g := p.serve()
	alice := p.signUp("alice@example.com")
	g.requireRefused(alice.AccessToken, "no_tenant", "")

	p.sql("%s", readGuide(t).block("add a member"))
	me := g.me(p.refresh(alice).AccessToken)
	require.Equal(t, "c.acme", me.Tenant)
	require.EqualValues(t, "approver", me.Role)

	p.sql("update public.members set role = 'viewer'")
	require.EqualValues(t, "viewer", g.me(p.signIn("alice@example.com").AccessToken).Role)

	p.sql("delete from public.members")
	p.admin("PUT", "/users/"+alice.User.ID, object{"app_metadata": object{"customer_id": "acme", "role": "admin"}}, nil)
	g.requireRefused(p.signIn("alice@example.com").AccessToken, "no_tenant", "")
}

// TestMembersTable_IsClosed asks for the table and the function as the roles that the API of a
// hosted project has.
func TestMembersTable_IsClosed(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	p.sql("grant usage on schema public to anon, authenticated; alter default privileges in schema public grant all on tables to anon, authenticated; %s",
		readGuide(t).block("members table"))
	p.sql("insert into auth.users (id, email) values ('7a0e0d6c-5b0a-4a4e-9b39-6f1c4a4d3a01', 'bob@example.com'); insert into public.members select id, 'acme', 'admin' from auth.users")
	for _, role := range []string{"anon", "authenticated"} {
		require.Empty(t, p.sql("set role %s; select * from public.members", role))
		for statement, refusal := range map[string]string{
			"insert into public.members select gen_random_uuid(), 'acme', 'admin'": "violates row-level security",
			"select public.add_membership('{}')":                                   "permission denied",
		} {
			_, err := database.run(p.database, "set role "+role+"; "+statement)
			require.ErrorContains(t, err, refusal)
		}
	}
}

func TestTenant_MisspeltClaimIsNamed(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	token := p.member("alice@example.com", "acme", "admin").AccessToken
	g := p.serve("FIELDGATE_TENANT_CLAIM=app_metadata.customerId")
	g.requireRefused(token, "no_tenant", "")
	g.requireLogged(`"wants":"app_metadata.customerId","claims":["customer_id","provider","providers","role"]`)
}
