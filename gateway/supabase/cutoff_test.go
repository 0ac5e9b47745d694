package supabase_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
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

// TestCutOff_OfSessionSparesOtherSignIns cuts one of two sign-ins off, by the session in its token.
func TestCutOff_OfSessionSparesOtherSignIns(t *testing.T) {
	t.Parallel()
	p := startProject(t)
	g := p.serve()
	alice, laptop := p.member("alice@example.com", "acme", "admin"), p.member("bob@example.com", "acme", "approver")
	phone := p.signIn("bob@example.com")
	lost, kept := g.openSocket(laptop), g.openSocket(phone)

	session := claimsOf(t, laptop.AccessToken)["session_id"].(string)
	require.NoError(t, g.user(alice.AccessToken).CutOff(t.Context(), laptop.User.ID, client.CutOffRequest{Reason: "laptop stolen", SessionID: session}))
	require.Equal(t, 4003, closeCode(lost))
	renewed := p.refresh(laptop)
	g.requireRefused(renewed.AccessToken, client.CodeUserCutOff, "cut_off")
	g.me(phone.AccessToken)

	require.NoError(t, g.user(alice.AccessToken).CutOff(t.Context(), laptop.User.ID, client.CutOffRequest{Reason: "phone stolen too"}))
	require.Equal(t, 4003, closeCode(kept))
}

// openSocket opens a socket of a user.
func (g *served) openSocket(s signIn) *websocket.Conn {
	g.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + s.AccessToken}}
	conn, response, err := websocket.DefaultDialer.DialContext(g.t.Context(), "ws"+strings.TrimPrefix(g.url, "http")+"/api/v1/customer/ws", header)
	require.NoError(g.t, err)
	require.NoError(g.t, response.Body.Close())
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// closeCode returns the code with which the gateway closes a socket, or 0 if the socket ends in another way.
func closeCode(conn *websocket.Conn) int {
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		if err != nil {
			return 0
		}
	}
}
