package supabase_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// TestCutOff_EndsTokensAtOnce cuts a user off whose token the project cannot revoke.
func TestCutOff_EndsTokensAtOnce(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	alice, bob := p.member("alice@example.com", "acme", "admin"), p.member("bob@example.com", "acme", "approver")
	other := p.signIn("bob@example.com")
	p.admin("PUT", "/users/"+bob.User.ID, object{"ban_duration": "24h"}, nil)
	g.me(bob.AccessToken)

	require.NoError(t, g.user(alice.AccessToken).CutOff(t.Context(), bob.User.ID, client.CutOffRequest{Reason: "laptop stolen"}))
	for _, token := range []string{bob.AccessToken, other.AccessToken} {
		eventually(t, "the token is refused", func() bool {
			_, err := g.user(token).Me(t.Context())
			return client.CodeOf(err) == client.CodeUserCutOff
		})
	}
	g.requireLogged(`"reason":"cut_off"`)
	g.me(alice.AccessToken)
}
