package supabase_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// identityProvider is a way to sign in with an identity provider of a project.
type identityProvider struct {
	name string
	add  func(*testing.T) func(*project)
	// signIn signs a user in, and returns the parameters with which the project returns to the console.
	signIn func(*project, string) url.Values
}

var identityProviders = []identityProvider{
	{"OpenID", func(t *testing.T) func(*project) { return withOpenID(t) }, (*project).signInWithOpenID},
	{"SAML", func(t *testing.T) func(*project) { return withSAML(t) }, (*project).signInWithSAML},
}

// TestIdentityProvider_CannotChooseTenant signs in with providers that claim a tenant and a role. The user has
// the tenant that the project assigns.
func TestIdentityProvider_CannotChooseTenant(t *testing.T) {
	t.Parallel()
	for _, provider := range identityProviders {
		t.Run(provider.name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t, provider.add(t))
			g := p.serve()
			email := "carol@" + companyDomain
			g.requireRefused(provider.signIn(p, email).Get("access_token"), "no_tenant", "")

			p.sql(`update auth.users set raw_app_meta_data = raw_app_meta_data || '{"customer_id": "acme", "role": "approver"}'`)
			me := g.me(provider.signIn(p, email).Get("access_token"))
			require.Equal(t, "c.acme", me.Tenant)
			require.EqualValues(t, "approver", me.Role)
			require.Equal(t, email, me.Email)
			require.Equal(t, "aal1", me.Aal, "an identity provider is no second factor")
		})
	}
}

// TestIdentityProvider_WithoutSignUps is about projects that do not allow users to sign up. A user who exists
// may sign in with an OpenID provider that has verified the address. Single sign-on would create an account.
func TestIdentityProvider_WithoutSignUps(t *testing.T) {
	t.Parallel()
	for _, provider := range identityProviders {
		t.Run(provider.name, func(t *testing.T) {
			t.Parallel()
			p := startProject(t, provider.add(t), with("GOTRUE_DISABLE_SIGNUP", "true"))
			p.member("bob@"+companyDomain, "acme", "approver")
			require.Equal(t, "signup_disabled", provider.signIn(p, "carol@"+companyDomain).Get("error_code"))
			known := provider.signIn(p, "bob@"+companyDomain)
			if provider.name == "SAML" { // an account of single sign-on is another one than that with a password
				require.Equal(t, "signup_disabled", known.Get("error_code"))
				return
			}
			require.Equal(t, "c.acme", p.serve().me(known.Get("access_token")).Tenant)
		})
	}
}

// TestSingleSignOn_IsAnotherAccount signs in as a user of a company whose address is that of an admin. An
// address that a company has asserted must not have the rights of the account with that address.
func TestSingleSignOn_IsAnotherAccount(t *testing.T) {
	t.Parallel()
	p := startProject(t, withSAML(t))
	email := "alice@" + companyDomain
	alice := p.member(email, "acme", "admin")
	token := p.signInWithSAML(email).Get("access_token")
	require.NotEqual(t, alice.User.ID, claimsOf(t, token)["sub"])
	g := p.serve()
	g.requireRefused(token, "no_tenant", "")

	p.sql("%s", strings.ReplaceAll(readGuide(t).block("assign with SQL"), "alice@example.com", email))
	g.me(p.refresh(alice).AccessToken)
	g.requireRefused(p.signInWithSAML(email).Get("access_token"), "no_tenant", "")
}

// signInWithOpenID signs a user in with the OpenID provider of the project.
func (p *project) signInWithOpenID(email string) url.Values {
	p.t.Helper()
	_, page := p.send(request{method: "GET", path: "/authorize?provider=keycloak"})
	form := url.Values{"state": {p.parameter(page, "state")}, "email": {email}, "decision": {"allow"}}
	callback := p.submit(string(page), form).Header.Get("Location")
	return p.returned(p.submit(callback, nil).Header.Get("Location"))
}

// signInWithSAML signs a user in with the identity provider of the company, which it adds first.
func (p *project) signInWithSAML(email string) url.Values {
	p.t.Helper()
	if p.sql("select count(*) from auth.sso_providers") == "0" {
		p.addCompany()
	}
	var page struct{ URL string }
	p.call(request{method: "POST", path: "/sso", body: object{"domain": companyDomain, "skip_http_redirect": true}}, &page)
	response := p.submit(page.URL, url.Values{"email": {email}, "decision": {"allow"}})
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	consumer := p.URL + authPath + "/sso/saml/acs"
	return p.returned(p.submit(consumer, hiddenFields(string(body))).Header.Get("Location"))
}

// submit sends a form as a browser does, or opens a page if there is no form. It follows no redirect.
func (p *project) submit(address string, form url.Values) *http.Response {
	p.t.Helper()
	method := http.MethodPost
	if form == nil {
		method = http.MethodGet
	}
	sent, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(p.t, err)
	sent.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultTransport.RoundTrip(sent)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// returned returns the parameters of an address to which a project redirects: those of its fragment, or else
// those of its query.
func (p *project) returned(address string) url.Values {
	p.t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(p.t, err)
	if parsed.Fragment == "" {
		return parsed.Query()
	}
	values, err := url.ParseQuery(parsed.Fragment)
	require.NoError(p.t, err)
	return values
}

var hiddenField = regexp.MustCompile(`type="hidden" name="([^"]*)" value="([^"]*)"`)

// hiddenFields returns the hidden fields of the form on a page.
func hiddenFields(page string) url.Values {
	fields := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(page, -1) {
		fields.Set(field[1], html.UnescapeString(field[2]))
	}
	return fields
}
