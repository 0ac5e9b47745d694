package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/ratelimit"
)

func withoutLimits(cfg *gateway.Config) { cfg.Limits = ratelimit.Limits{} }

// TestCutOff_EndsAccessAtAllInstances cuts mallory off at one instance, and uses her token, her ticket
// and her sockets at both. A user of the same tenant keeps hers.
func TestCutOff_EndsAccessAtAllInstances(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t, withFrontend, withoutLimits)
	f := newFleet(t, here)
	token := here.Token(f.tenantID, "mallory", "approver")
	ticket := issueTicket(t, here, token, frontend)
	socket, elsewhere := here.OpenCustomer(t, token), there.OpenCustomer(t, token)
	other := there.OpenCustomer(t, here.Token(f.tenantID, "bob", "approver"))
	witness := there.OpenCustomer(t, here.Token(f.tenantID, "alice", "admin"))
	witness.Subscribe("tenant", "")

	require.NoError(t, f.alice.CutOff(t.Context(), "mallory", client.CutOffRequest{Reason: "laptop stolen"}))

	require.Equal(t, 4003, socket.CloseCode())
	require.Equal(t, 4003, elsewhere.CloseCode())
	for _, g := range []*gatewaytest.Gateway{here, there} {
		require.Equal(t, "cut_off", loggedReason(t, g, gatewaytest.Request{Method: http.MethodGet, Path: "/api/v1/customer/me", Token: token}))
		require.Equal(t, http.StatusUnauthorized, handshakeStatus(t, g, gatewaytest.CustomerPath, frontend, http.Header{"Authorization": {"Bearer " + token}}))
	}
	requireTicketReason(t, there, "cut_off", ticket, frontend)
	event := witness.Event()
	require.Equal(t, "user.cut_off", event.Type)
	other.Barrier()
	list, err := there.Customer(client.Bearer(here.Token(f.tenantID, "alice", "admin"))).CutOffs(t.Context(), client.ListCutOffsParams{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.NotZero(t, list.Items[0].CutOffAt)
	list.Items[0].CutOffAt = time.Time{}
	require.Equal(t, client.CutOff{
		UserID: "mallory", CutOffBy: "alice", CutOffByActor: list.Items[0].CutOffByActor, Reason: "laptop stolen",
	}, list.Items[0])
}

// TestCutOff_OfSessionSparesOtherSignIns cuts one of two sign-ins of a user off.
func TestCutOff_OfSessionSparesOtherSignIns(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f, user := newFleet(t, g), "auth0|mallory:m@example.com"
	sockets := map[string]*gatewaytest.Socket{}
	for _, session := range []string{"s-laptop", "s-phone"} {
		token := g.Issuer.Token(issuer.Claims{Subject: user, TenantID: f.tenantID, Role: "viewer", SessionID: session})
		sockets[session] = g.OpenCustomer(t, token)
	}
	require.NoError(t, f.alice.CutOff(t.Context(), user, client.CutOffRequest{Reason: "laptop stolen", SessionID: "s-laptop"}))
	require.Equal(t, 4003, sockets["s-laptop"].CloseCode())
	sockets["s-phone"].Barrier()
}

// TestCutOff_RefreshIsChecked continues a socket of the user with a token of a session that was cut off.
func TestCutOff_RefreshIsChecked(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	claims := issuer.Claims{Subject: "mallory", TenantID: f.tenantID, Role: "viewer", SessionID: "s-phone"}
	s := g.OpenCustomer(t, g.Issuer.Token(claims))
	claims.SessionID = "s-laptop"
	refreshed := g.Issuer.Token(claims)
	s.Request("refresh", object{"token": refreshed}, nil)
	require.NoError(t, f.alice.CutOff(t.Context(), "mallory", client.CutOffRequest{Reason: "laptop stolen", SessionID: "s-laptop"}))
	require.Equal(t, 4003, s.CloseCode(), "the token of the last refresh does not count")

	claims.SessionID = "s-phone"
	s = g.OpenCustomer(t, g.Issuer.Token(claims))
	require.Equal(t, client.CodeUserCutOff, s.RequestError("refresh", object{"token": refreshed}).Code)
}

// TestCutOff_HasTheRulesOfApprovals cuts off with a password alone, and as an application.
func TestCutOff_HasTheRulesOfApprovals(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) {
		cfg.ApprovalAAL, cfg.AllowedClients = "aal2", []string{"console"}
	})
	f := newFleet(t, g)
	request := client.CutOffRequest{Reason: "laptop stolen"}
	err := f.userWith(issuer.Claims{Subject: "alice", Role: "admin", Assurance: "aal1"}).CutOff(t.Context(), "mallory", request)
	refusal := requireCode(t, client.CodeStepUpRequired, err)
	require.Equal(t, "aal2", refusal.Assurance)
	require.Contains(t, refusal.Detail, "Cutting a user off")
	err = f.userWith(issuer.Claims{Subject: "alice", Role: "admin", Assurance: "aal2", ClientID: "stranger"}).CutOff(t.Context(), "mallory", request)
	requireCode(t, client.CodeClientNotAllowed, err)
	err = f.userWith(issuer.Claims{Subject: "alice", Role: "admin", Assurance: "aal2", ClientID: "console"}).CutOff(t.Context(), "mallory", request)
	require.NoError(t, err)
}
