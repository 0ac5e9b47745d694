package supabase_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// pending is a command that waits for an approval, and the gateway and the users that decide.
type pending struct {
	g       *served
	session string
	command client.Command
}

// propose provisions a device as an admin, and proposes a command that needs an approval.
func (g *served) propose(admin signIn) pending {
	t := g.t
	t.Helper()
	alice := g.user(admin.AccessToken)
	provisioned, err := alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump 7"})
	require.NoError(t, err)
	_, err = g.Register(t.Context(), client.RegisterDeviceRequest{ActivationCode: provisioned.ActivationCode})
	require.NoError(t, err)
	session, err := alice.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: provisioned.Device.ID, Type: "remediation"})
	require.NoError(t, err)
	command, err := alice.Propose(t.Context(), session.ID, client.ProposeCommandRequest{
		Type: "remediation.restart", Parameters: json.RawMessage(`{}`),
	})
	require.NoError(t, err)
	require.EqualValues(t, "pending_approval", command.Status)
	return pending{g, session.ID, command}
}

// approve approves the command with a token.
func (p pending) approve(token string) (client.Command, error) {
	return p.g.user(token).Decide(p.g.t.Context(), p.session, client.DecisionRequest{
		CommandID: p.command.ID, Approved: true, Digest: p.command.Digest,
	})
}

// requireRefused requires that an approval with the token is refused with a code.
func (p pending) requireRefused(token string, code client.ProblemCode) {
	p.g.t.Helper()
	_, err := p.approve(token)
	require.Equal(p.g.t, code, client.CodeOf(err), "%v", err)
}

func TestApproval_NeedsVerifiedSecondFactor(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve("FIELDGATE_APPROVAL_AAL=aal2")
	alice := p.enroll(p.member("alice@example.com", "acme", "admin"))
	bob := p.member("bob@example.com", "acme", "approver")
	command := g.propose(alice)
	command.requireRefused(bob.AccessToken, "step_up_required")

	verified := p.enroll(bob)
	require.Equal(t, "aal2", g.me(verified.AccessToken).Aal)
	password := p.signIn("bob@example.com") // bob has a second factor, and has not used it
	require.Equal(t, "aal1", g.me(password.AccessToken).Aal)
	command.requireRefused(password.AccessToken, "step_up_required")
	command.requireRefused(alice.AccessToken, "self_approval")

	approved, err := command.approve(verified.AccessToken)
	require.NoError(t, err)
	require.EqualValues(t, "queued", approved.Status)
	renewed := p.refresh(verified)
	require.Equal(t, "aal2", g.me(renewed.AccessToken).Aal, "the level survives a renewal")
}

func TestApproval_ByPasswordIsTheDefault(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	command := p.serve().propose(p.member("alice@example.com", "acme", "admin"))
	_, err := command.approve(p.member("bob@example.com", "acme", "approver").AccessToken)
	require.NoError(t, err)
}

// TestApproval_NamesItsUsers requires the names and the addresses of the proposer and of the approver.
func TestApproval_NamesItsUsers(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	alice, bob := p.member("alice@example.com", "acme", "admin"), p.member("bob@example.com", "acme", "approver")
	p.admin("PUT", "/users/"+alice.User.ID, object{"user_metadata": object{"full_name": "Alice Lee"}}, nil)
	proposer := client.ActorDetails{Kind: client.ActorKindUser, ID: alice.User.ID, Name: "Alice Lee", Email: "alice@example.com"}
	approver := client.ActorDetails{Kind: client.ActorKindUser, ID: bob.User.ID, Email: "bob@example.com"}

	command := p.serve().propose(p.refresh(alice))
	user := command.g.user(bob.AccessToken)
	inbox, err := user.Approvals(t.Context(), client.ListApprovalsParams{})
	require.NoError(t, err)
	require.Equal(t, proposer, inbox.Items[0].ProposedByActor)
	approved, err := command.approve(bob.AccessToken)
	require.NoError(t, err)
	require.Equal(t, approver, approved.Approval.DecidedByActor)
	events, err := user.Events(t.Context(), command.session, client.ListSessionEventsParams{})
	require.NoError(t, err)
	actors := map[string]client.ActorDetails{}
	for _, event := range events.Items {
		actors[string(event.Type)] = event.ActorDetails
	}
	require.Equal(t, proposer, actors["command.proposed"])
	require.Equal(t, approver, actors["command.approved"])
}

// TestApproval_OfApplicationNeedsSetting approves with a token of Bob that an application has
// received from the OAuth 2.1 server of the project.
func TestApproval_OfApplicationNeedsSetting(t *testing.T) {
	t.Parallel()
	p := startProject(t, with("GOTRUE_OAUTH_SERVER_ENABLED", "true"), with("GOTRUE_OAUTH_SERVER_AUTHORIZATION_PATH", "/consent"))
	app := p.registerApplication()
	alice, bob := p.member("alice@example.com", "acme", "admin"), p.member("bob@example.com", "acme", "approver")
	token := p.authorize(app, bob)

	g := p.serve()
	require.EqualValues(t, "program", g.me(token).Kind)
	g.propose(alice).requireRefused(token, "client_not_allowed")

	allowed := p.serve("FIELDGATE_ALLOWED_CLIENTS=" + app.ID)
	_, err := allowed.propose(alice).approve(token)
	require.NoError(t, err)
}

// application is an OAuth client of a project.
type application struct {
	ID string `json:"client_id"`
}

const callback = "https://app.example.com/callback"

func (p *project) registerApplication() (app application) {
	p.t.Helper()
	p.admin("POST", "/oauth/clients", object{
		"client_name": "Reports", "redirect_uris": []string{callback}, "token_endpoint_auth_method": "none",
	}, &app)
	return app
}

// authorize returns an access token that a user has granted to an application (RFC 6749, section
// 4.1, with RFC 7636).
func (p *project) authorize(app application, user signIn) string {
	p.t.Helper()
	verifier := strings.Repeat("v", 64)
	hash := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"client_id": {app.ID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"email"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(hash[:])}, "code_challenge_method": {"S256"},
	}
	_, consent := p.send(request{method: "GET", path: "/oauth/authorize?" + query.Encode()})
	authorization := "/oauth/authorizations/" + p.parameter(consent, "authorization_id")
	p.call(request{method: "GET", path: authorization, bearer: user.AccessToken}, nil)
	var granted struct {
		RedirectURL string `json:"redirect_url"`
	}
	p.call(request{method: "POST", path: authorization + "/consent", bearer: user.AccessToken, body: object{"action": "approve"}}, &granted)
	var tokens signIn
	p.call(request{method: "POST", path: "/oauth/token", body: object{
		"grant_type": "authorization_code", "code": p.parameter([]byte(granted.RedirectURL), "code"), "client_id": app.ID,
		"redirect_uri": callback, "code_verifier": verifier,
	}}, &tokens)
	return tokens.AccessToken
}

// parameter returns a parameter of an address to which a project has redirected.
func (p *project) parameter(address []byte, name string) string {
	p.t.Helper()
	parsed, err := url.Parse(string(address))
	require.NoError(p.t, err)
	require.Contains(p.t, parsed.Query(), name, "%s", address)
	return parsed.Query().Get(name)
}
