package supabase_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// TestLostAccess_AppliesToNextToken takes access from a user at the project. The current token is
// accepted until it expires, and no new one is issued for the old rights.
func TestLostAccess_AppliesToNextToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		take func(*project, signIn)
	}{
		{"signed out everywhere", func(p *project, s signIn) {
			p.call(request{method: "POST", path: "/logout?scope=global", bearer: s.AccessToken}, nil)
		}},
		{"banned", func(p *project, s signIn) {
			p.admin("PUT", "/users/"+s.User.ID, object{"ban_duration": "24h"}, nil)
		}},
		{"deleted", func(p *project, s signIn) {
			p.admin("DELETE", "/users/"+s.User.ID, object{}, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t)
			g := p.serve()
			bob := p.member("bob@example.com", "acme", "approver")
			c.take(p, bob)
			require.EqualValues(t, "approver", g.me(bob.AccessToken).Role)
			status, body := p.send(request{method: "POST", path: "/token?grant_type=refresh_token", body: object{"refresh_token": bob.RefreshToken}})
			require.GreaterOrEqual(t, status, 400, "%s", body)
		})
	}
}

func TestLostAccess_DemotionAppliesToNextToken(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	bob := p.member("bob@example.com", "acme", "approver")
	p.admin("PUT", "/users/"+bob.User.ID, object{"app_metadata": object{"role": "viewer"}}, nil)
	require.EqualValues(t, "approver", g.me(bob.AccessToken).Role)
	renewed := g.me(p.refresh(bob).AccessToken)
	require.EqualValues(t, "viewer", renewed.Role)
	require.Equal(t, "c.acme", renewed.Tenant, "the other claims are kept")
}

// TestLostAccess_EndsWithToken waits for the end of a token, which the gateway tolerates for 30 s.
func TestLostAccess_EndsWithToken(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_JWT_EXP", "2"))
	g := p.serve()
	bob := p.member("bob@example.com", "acme", "approver")
	g.me(bob.AccessToken)
	eventually(t, "the token is refused", func() bool {
		_, err := g.user(bob.AccessToken).Me(t.Context())
		return client.CodeOf(err) == "unauthorized"
	})
	g.requireLogged(`"reason":"expired"`)
}

func TestToken_LifetimeIsBounded(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_JWT_EXP", "604800")) // a week, the maximum of a hosted project
	token := p.member("bob@example.com", "acme", "approver").AccessToken
	require.Equal(t, "c.acme", p.serve().me(token).Tenant)
	bounded := p.serve("FIELDGATE_JWT_MAX_LIFETIME=1h")
	bounded.requireRefused(token, "unauthorized", "lifetime_too_long")
	bounded.requireLogged(`"setting":"FIELDGATE_JWT_MAX_LIFETIME"`)
}

// TestMail_SignsIn follows the links of the mails that a project sends. They lead to the console,
// with the tokens in the fragment of the address.
func TestMail_SignsIn(t *testing.T) {
	t.Parallel()
	const email = "bob@example.com"
	for _, c := range []struct {
		name string
		ask  func(*project)
	}{
		{"recovery", func(p *project) {
			p.member(email, "acme", "approver")
			p.call(request{method: "POST", path: "/recover", body: object{"email": email}}, nil)
		}},
		{"invite", func(p *project) {
			var invited struct{ ID string }
			p.call(request{method: "POST", path: "/invite", apikey: p.secret, body: object{"email": email}}, &invited)
			p.admin("PUT", "/users/"+invited.ID, object{"app_metadata": object{"customer_id": "acme", "role": "approver"}}, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t)
			c.ask(p)
			tokens := p.follow(p.mails.next(t, email))
			require.Equal(t, c.name, tokens.Get("type"))
			me := p.serve("FIELDGATE_APPROVAL_AAL=aal2").me(tokens.Get("access_token"))
			require.Equal(t, "c.acme", me.Tenant)
			require.Equal(t, "aal1", me.Aal, "a link is no second factor")
		})
	}
}

// follow opens the link in a mail, and returns the fragment of the address to which it leads.
func (p *project) follow(received mail) url.Values {
	t := p.t
	t.Helper()
	require.NotEmpty(t, received.links)
	path, found := strings.CutPrefix(received.links[0], p.URL+authPath)
	require.True(t, found, received.links[0])
	_, address := p.send(request{method: "GET", path: path})
	values := p.returned(string(address))
	require.Contains(t, values, "access_token", "%s", address)
	return values
}
