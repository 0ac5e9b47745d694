package customer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/store/storetest"
)

const alice = "6b5e5f0c-8f5c-4f3b-9a53-0a6d1f3c2b11"

func TestPrincipal_MatchesToken(t *testing.T) {
	t.Parallel()
	iss, clk, v := setup(t)
	token := iss.Token(issuer.Claims{
		Subject:   alice,
		TenantID:  "acme",
		Role:      "approver",
		SessionID: "session-1",
		Email:     "alice@example.com",
		Name:      "Alice Ångström",
		Assurance: "aal2",
		ClientID:  "https://app.example.com/client",
		IssuedAt:  clk.Now(),
		Lifetime:  10 * time.Minute,
	})
	expected := customer.Principal{
		Tenant:    "c.acme",
		UserID:    alice,
		Role:      customer.Approver,
		ExpiresAt: clk.Now().Add(10 * time.Minute).UTC(),
		SessionID: "session-1",
		Email:     "alice@example.com",
		Name:      "Alice Ångström",
		Assurance: customer.AAL2,
		ClientID:  "https://app.example.com/client",
		IssuedAt:  clk.Now().UTC(),

		SignedInAt: clk.Now().UTC(),
	}
	storetest.RequireFilled(t, expected, map[string]string{"SoleUser": "the tenant is shared"})
	require.Equal(t, expected, requireAccepted(t, v, token))
	require.Equal(t, expected, requireAccepted(t, v, token), "the cached principal differs")
}

func TestPrincipal_UserWithoutTenantIsAdminOfOwnTenant(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	principal := requireAccepted(t, v, iss.Token(issuer.Claims{Subject: alice}))
	require.Equal(t, "u."+alice, principal.Tenant)
	require.Equal(t, customer.Admin, principal.Role)
	require.True(t, principal.SoleUser)
}

// TestPrincipal_UserWithoutTenantIsRefusedByDefault checks that signing up gives no access.
func TestPrincipal_UserWithoutTenantIsRefusedByDefault(t *testing.T) {
	t.Parallel()
	iss := customertest.NewIssuer(t)
	cfg := configFor(iss)
	cfg.PersonalTenants = false
	v := newVerifier(t, cfg)
	for _, metadata := range []any{nil, object{}, object{"role": "admin"}, object{"provider": "email"}} {
		payload := iss.Payload(issuer.Claims{Subject: alice})
		payload["app_metadata"], payload["user_metadata"] = metadata, object{"customer_id": "victim"}
		requireCode(t, v, iss.Sign(iss.Header(), payload), fieldgate.CodeNoTenant)
		payload["exp"] = time.Now().Add(-time.Hour).Unix()
		requireRefused(t, v, iss.Sign(iss.Header(), payload))
	}
	require.Equal(t, "c.acme", requireAccepted(t, v, iss.Token(issuer.Claims{TenantID: "acme"})).Tenant)
}

func TestPrincipal_TenantIDEqualToUserIDIsAnotherTenant(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	user := requireAccepted(t, v, iss.Token(issuer.Claims{Subject: alice}))
	for _, tenantID := range []string{alice, "u." + alice} {
		member := requireAccepted(t, v, iss.Token(issuer.Claims{TenantID: tenantID}))
		require.NotEqual(t, user.Tenant, member.Tenant)
	}
}

// TestPrincipal_TenantOfUnusualSubjects covers subjects of other issuers, which may
// contain the separators of store keys.
func TestPrincipal_TenantOfUnusualSubjects(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	tenants := map[string]bool{}
	for _, subject := range []string{"a:b", "a|b", "a@b", "a.b", "a-b", "a_b", "a3ab", "auth0|64ad", "a.3ab"} {
		principal := requireAccepted(t, v, iss.Token(issuer.Claims{Subject: subject}))
		require.Regexp(t, `^u\.[A-Za-z0-9._~-]+$`, principal.Tenant)
		require.Equal(t, subject, principal.UserID)
		require.False(t, tenants[principal.Tenant], principal.Tenant)
		tenants[principal.Tenant] = true
	}
}

func TestPrincipal_UserMetadataGrantsNothing(t *testing.T) {
	t.Parallel()
	iss, _, v := setup(t)
	payload := iss.Payload(issuer.Claims{Subject: alice})
	payload["user_metadata"] = map[string]any{
		"customer_id":  "victim",
		"role":         "admin",
		"app_metadata": map[string]any{"customer_id": "victim", "role": "admin"},
	}
	require.Equal(t, "u."+alice, requireAccepted(t, v, iss.Sign(iss.Header(), payload)).Tenant)

	payload["app_metadata"] = map[string]any{"customer_id": "acme"}
	principal := requireAccepted(t, v, iss.Sign(iss.Header(), payload))
	require.Equal(t, "c.acme", principal.Tenant)
	require.Equal(t, customer.Viewer, principal.Role)
}

func TestPrincipal_Role(t *testing.T) {
	t.Parallel()
	shared := map[string]any{"customer_id": "acme"}
	alone := map[string]any{}
	cases := map[string]struct {
		metadata map[string]any
		role     any // nil means that the claim is absent
		expected customer.Role
	}{
		"shared, absent":       {shared, nil, customer.Viewer},
		"shared, viewer":       {shared, "viewer", customer.Viewer},
		"shared, operator":     {shared, "operator", customer.Operator},
		"shared, approver":     {shared, "approver", customer.Approver},
		"shared, admin":        {shared, "admin", customer.Admin},
		"shared, unknown":      {shared, "owner", customer.Viewer},
		"shared, empty":        {shared, "", customer.Viewer},
		"shared, upper case":   {shared, "ADMIN", customer.Viewer},
		"shared, with a space": {shared, "admin ", customer.Viewer},
		"shared, none":         {shared, "none", customer.Viewer},
		"shared, a list":       {shared, []string{"admin"}, customer.Viewer},
		"shared, a number":     {shared, 4, customer.Viewer},
		"alone, absent":        {alone, nil, customer.Admin},
		"alone, viewer":        {alone, "viewer", customer.Viewer},
		"alone, unknown":       {alone, "owner", customer.Viewer},
		"alone, a list":        {alone, []string{"admin"}, customer.Viewer},
	}
	iss, _, v := setup(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metadata := map[string]any{}
			for member, value := range c.metadata {
				metadata[member] = value
			}
			if c.role != nil {
				metadata["role"] = c.role
			}
			payload := iss.Payload(issuer.Claims{})
			payload["app_metadata"] = metadata
			principal := requireAccepted(t, v, iss.Sign(iss.Header(), payload))
			require.Equal(t, c.expected, principal.Role)
			require.Equal(t, len(c.metadata) == 0, principal.SoleUser)
		})
	}
}

// TestVerify_AcceptsOtherClaims covers further claims that tokens of real projects have.
func TestVerify_AcceptsOtherClaims(t *testing.T) {
	t.Parallel()
	cases := map[string]map[string]any{
		"app_metadata null":     {"app_metadata": nil},
		"amr a list of strings": {"amr": []string{"password"}},
		"amr null":              {"amr": nil},
		"a role of the project": {"role": "fleet_user"},
		"no phone, no email":    {"phone": "", "email": ""},
		"signed in with MFA":    {"aal": "aal2"},
		"of an OAuth client":    {"client_id": "0b8bb5b0", "scope": "openid"},
		"a custom claim":        {"plan": map[string]any{"name": "pro"}},
		"nbf and jti":           {"nbf": time.Now().Unix(), "jti": "1"},
		"times with fractions":  {"exp": float64(time.Now().Add(time.Hour).Unix()) + 0.5},
		"an empty session_id":   {"session_id": ""},
		"a large user_metadata": {"user_metadata": map[string]any{"bio": string(make([]byte, 500))}},
		"audience a list":       {"aud": []string{"authenticated"}},
	}
	iss, _, v := setup(t)
	for name, changes := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := iss.Payload(issuer.Claims{Subject: alice})
			for claim, value := range changes {
				payload[claim] = value
			}
			require.Equal(t, "u."+alice, requireAccepted(t, v, iss.Sign(iss.Header(), payload)).Tenant)
		})
	}
}

func TestPrincipal_ConfiguredClaimPaths(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		tenantClaim, roleClaim string
		claims                 map[string]any
	}{
		"at the top level": {"org", "org_role", map[string]any{"org": "acme", "org_role": "operator"}},
		"nested":           {"a.b.c", "a.b.d", map[string]any{"a": map[string]any{"b": map[string]any{"c": "acme", "d": "operator"}}}},
		"names with a dot": {"https://acme.example/org", "https://acme.example/role", map[string]any{"https://acme.example/org": "acme", "https://acme.example/role": "operator"}},
	}
	iss := customertest.NewIssuer(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configFor(iss)
			cfg.TenantClaim, cfg.RoleClaim = c.tenantClaim, c.roleClaim
			payload := iss.Payload(issuer.Claims{TenantID: "other", Role: "admin"})
			for claim, value := range c.claims {
				payload[claim] = value
			}
			principal := requireAccepted(t, newVerifier(t, cfg), iss.Sign(iss.Header(), payload))
			require.Equal(t, "c.acme", principal.Tenant)
			require.Equal(t, customer.Operator, principal.Role)
		})
	}
}

func TestRole_IncludesLesserRoles(t *testing.T) {
	t.Parallel()
	roles := []customer.Role{customer.Viewer, customer.Operator, customer.Approver, customer.Admin}
	for i, role := range roles {
		for j, least := range roles {
			require.Equal(t, i >= j, role.Allows(least), "%s for %s", role, least)
		}
		parsed, err := customer.ParseRole(role.String())
		require.NoError(t, err)
		require.Equal(t, role, parsed)
	}
}

func TestRole_InvalidAllowsNothing(t *testing.T) {
	t.Parallel()
	require.False(t, customer.Role(0).Allows(customer.Viewer))
	require.False(t, customer.Role(0).Allows(0), "least is not a role")
	require.False(t, customer.Admin.Allows(0), "least is not a role")
	require.False(t, customer.Admin.Allows(-1))
	require.Equal(t, "none", customer.Role(0).String())
	for _, name := range []string{"", "none", "Admin", "owner"} {
		_, err := customer.ParseRole(name)
		require.Error(t, err)
	}
}

func TestPrincipal_Context(t *testing.T) {
	t.Parallel()
	_, ok := customer.FromContext(t.Context())
	require.False(t, ok)

	principal := customer.Principal{Tenant: "c.acme", UserID: alice, Role: customer.Viewer}
	ctx, cancel := context.WithCancel(customer.NewContext(t.Context(), principal))
	defer cancel()
	carried, ok := customer.FromContext(ctx)
	require.True(t, ok)
	require.Equal(t, principal, carried)
}
