package gateway_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// These are the users of newNamedFleet, as the contract describes them.
var (
	aliceLee = client.ActorDetails{Kind: client.ActorKindUser, ID: "alice", Name: "Alice Lee", Email: "alice@example.com"}
	bobRay   = client.ActorDetails{Kind: client.ActorKindUser, ID: "bob", Name: "Bob Ray", Email: "bob@example.com"}
)

// newNamedFleet returns a fleet whose users have names.
func newNamedFleet(t *testing.T, g *gatewaytest.Gateway) *fleet {
	t.Helper()
	f := newFleet(t, g)
	f.alice = f.userWith(issuer.Claims{Subject: "alice", Role: "admin", Name: aliceLee.Name, Email: aliceLee.Email})
	f.bob = f.userWith(issuer.Claims{Subject: "bob", Role: "approver", Name: bobRay.Name, Email: bobRay.Email})
	f.device = g.NewDevice(t, f.alice)
	f.session = f.openSession(t, f.device.ID)
	return f
}

// TestNames_AreInEveryRead proposes as one user and approves as another, and looks for both in all
// that shows who has acted.
func TestNames_AreInEveryRead(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newNamedFleet(t, g)
		proposed := f.propose(t, review)
		require.Equal(t, aliceLee, proposed.ProposedByActor)
		inbox, err := f.bob.Approvals(t.Context(), client.ListApprovalsParams{})
		require.NoError(t, err)
		require.Equal(t, aliceLee, inbox.Items[0].ProposedByActor)

		decided := f.decide(t, proposed, true)
		require.Equal(t, bobRay, decided.Approval.DecidedByActor)
		listed, err := f.bob.Commands(t.Context(), f.session, client.ListCommandsParams{})
		require.NoError(t, err)
		opened, err := f.bob.Session(t.Context(), f.session)
		require.NoError(t, err)
		require.Equal(t, aliceLee, opened.CreatedByActor)
		for _, c := range []client.Command{f.command(t, proposed.ID), listed.Items[0], opened.Commands[0]} {
			require.Equal(t, aliceLee, c.ProposedByActor)
			require.Equal(t, bobRay, c.Approval.DecidedByActor)
		}
		_, err = f.alice.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID})
		require.Equal(t, bobRay, requireCode(t, client.CodeAlreadyDecided, err).Approval.DecidedByActor)
	})
}

// TestNames_AreInEventsAndConnections compares the timeline with the events of a socket.
func TestNames_AreInEventsAndConnections(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newNamedFleet(t, g)
		s := g.OpenCustomer(t, g.Issuer.Token(issuer.Claims{
			Subject: "bob", TenantID: f.tenantID, Role: "approver", Name: bobRay.Name, Email: bobRay.Email,
		}))
		s.Subscribe("session:"+f.session, "")
		f.decide(t, f.propose(t, review), true)
		_, err := f.device.Claim(t.Context(), client.ClaimRequest{})
		require.NoError(t, err)

		device := client.ActorDetails{Kind: client.ActorKindDevice, ID: f.device.ID}
		want := []client.ActorDetails{aliceLee, aliceLee, bobRay, device}
		timeline, err := f.bob.Events(t.Context(), f.session, client.ListSessionEventsParams{})
		require.NoError(t, err)
		for i, e := range timeline.Items {
			require.Equal(t, want[i], e.ActorDetails, e.Type)
			require.Equal(t, client.Actor{Kind: want[i].Kind, ID: want[i].ID}, e.Actor, e.Type)
		}
		require.Len(t, timeline.Items, len(want))
		for _, actor := range want[1:] {
			e := s.Event()
			require.Equal(t, actor, e.ActorDetails, e.Type)
		}

		page, err := f.alice.Connections(t.Context(), client.ListConnectionsParams{})
		require.NoError(t, err)
		require.Equal(t, bobRay, page.Items[0].OpenedByActor)
	})
}

// TestNames_AreThoseOfTheAct checks that a new name changes no record, and that it does not make a
// user another one.
func TestNames_AreThoseOfTheAct(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newNamedFleet(t, g)
		proposed := f.propose(t, review)
		renamed := f.userWith(issuer.Claims{Subject: "alice", Role: "admin", Name: bobRay.Name, Email: bobRay.Email})
		_, err := renamed.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		requireCode(t, client.CodeSelfApproval, err)
		require.Equal(t, aliceLee, f.command(t, proposed.ID).ProposedByActor)

		nameless := f.userWith(issuer.Claims{Subject: "bob", Role: "approver"})
		decided, err := nameless.Decide(t.Context(), f.session, client.DecisionRequest{CommandID: proposed.ID, Approved: true})
		require.NoError(t, err)
		require.Equal(t, client.ActorDetails{Kind: client.ActorKindUser, ID: "bob"}, decided.Approval.DecidedByActor)
	})
}

// TestNames_HostileOnesAreNotRecorded checks that a user cannot choose a name that looks like an
// address, reorders the text around it, or is another actor in the store.
func TestNames_HostileOnesAreNotRecorded(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newNamedFleet(t, g)
		for _, name := range []string{
			"Bob Ray <bob@example.com>", "bob@example.com", "\u202eyaR boB", "Bob\u200b Ray",
			"Mallory\nbob@example.com", strings.Repeat("B", 201), strings.Repeat("ß", 101),
		} {
			f.alice = f.userWith(issuer.Claims{Subject: "mallory", Role: "operator", Name: name, Email: "mallory@example.com"})
			require.Equal(t, client.ActorDetails{Kind: client.ActorKindUser, ID: "mallory", Email: "mallory@example.com"},
				f.propose(t, auto).ProposedByActor, "%q", name)
		}
		for _, name := range []string{`"} -- '; DROP`, "Søren O’Neill-李 🔧", strings.Repeat("ß", 100)} {
			f.alice = f.userWith(issuer.Claims{Subject: "mallory", Role: "operator", Name: name})
			require.Equal(t, name, f.propose(t, auto).ProposedByActor.Name)
		}
	})
}

// TestNames_ClaimsAreASetting checks the claims that an operator may choose, and that none are read
// if the setting is off.
func TestNames_ClaimsAreASetting(t *testing.T) {
	t.Parallel()
	claims := issuer.Claims{Subject: "alice", Role: "admin", Name: "Alice Lee", Email: "alice@example.com", Assurance: "aal2"}
	for name, c := range map[string]struct {
		names []string
		email string
		want  client.ActorDetails
	}{
		"default": {nil, "", aliceLee},
		"off":     {[]string{gateway.ClaimOff}, gateway.ClaimOff, client.ActorDetails{Kind: client.ActorKindUser, ID: "alice"}},
		"other":   {[]string{"absent", "aal"}, "absent", client.ActorDetails{Kind: client.ActorKindUser, ID: "alice", Name: "aal2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.NameClaims, cfg.EmailClaim = c.names, c.email })
			f := newFleet(t, g)
			f.alice = f.userWith(claims)
			require.Equal(t, c.want, f.propose(t, auto).ProposedByActor)
		})
	}
}
