package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/issuer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// shortLivedToken issues a token for alice. The token expires at a whole second, so it
// may live up to one second less than lifetime.
func (f *fleet) shortLivedToken(lifetime time.Duration) string {
	return f.Issuer.Token(issuer.Claims{Subject: "alice", TenantID: f.tenantID, Role: "viewer", Lifetime: lifetime})
}

func TestSocket_ClosesWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	before := time.Now()
	s := g.OpenCustomer(t, f.shortLivedToken(5*time.Second))
	var notice struct{ ExpiresAt time.Time }
	s.NextOf("token_expiring").Decode(t, &notice)
	require.WithinRange(t, notice.ExpiresAt, before.Add(3*time.Second), time.Now().Add(6*time.Second))
	s.Subscribe("tenant", "")
	for closed := false; !closed; { // events are published until the socket is closed
		_, err := f.alice.Cancel(t.Context(), f.session, f.propose(t, auto).ID, "")
		require.NoError(t, err)
		select {
		case <-s.Done():
			closed = true
		default:
		}
	}
	require.Equal(t, 4001, s.CloseCode())
	pushed := s.TakePushed()
	require.NotEmpty(t, pushed)
	var last gatewaytest.Event
	pushed[len(pushed)-1].Decode(t, &last)
	// The gateway's timer may be late on a busy machine.
	require.False(t, last.Time.After(notice.ExpiresAt.Add(2*time.Second)), "%s is after %s", last.Time, notice.ExpiresAt)
}

func TestSocket_AnnouncesTokenExpiryAMinuteBefore(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	soon, later := g.OpenCustomer(t, f.shortLivedToken(62*time.Second)), g.OpenCustomer(t, f.shortLivedToken(10*time.Minute))
	soon.NextOf("token_expiring")
	later.Barrier()
	require.Empty(t, later.TakePushed())
}

func TestRefresh_RenewsSocketInPlace(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := g.OpenCustomer(t, f.shortLivedToken(5*time.Second))
	s.NextOf("token_expiring")
	s.Subscribe("tenant", "")
	afterExpiry := time.Now().Add(6 * time.Second)
	var renewed struct{ ExpiresAt time.Time }
	s.Request("refresh", object{"token": f.shortLivedToken(time.Hour)}, &renewed)
	require.WithinDuration(t, time.Now().Add(time.Hour), renewed.ExpiresAt, time.Minute)
	eventually(t, func() bool { return time.Now().After(afterExpiry) }, "the clock stands still")
	f.propose(t, auto)
	require.Equal(t, "command.proposed", s.Event().Type, "the subscription was lost")

	s.Request("refresh", object{"token": f.shortLivedToken(5 * time.Second)}, nil)
	s.NextOf("token_expiring")
	require.Equal(t, 4001, s.CloseCode(), "the newest token does not count")
}

func TestRefresh_NeedsTokenOfSameUser(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.customerSocket(t, g)
	for name, token := range map[string]string{
		"another user":   g.Token(f.tenantID, "mallory", "admin"),
		"another tenant": g.Token(gatewaytest.NeighbourOf(f.tenantID), "alice", "viewer"),
		"expired":        g.Issuer.Token(issuer.Claims{Subject: "alice", TenantID: f.tenantID, IssuedAt: time.Now().Add(-2 * time.Hour)}),
		"malformed":      "x.y.z",
		"a ticket":       issueTicket(t, g, g.Token(f.tenantID, "alice", "viewer"), ""),
		"a login token":  f.Login(t, f.device),
	} {
		require.Equal(t, client.CodeUnauthorized, s.RequestError("refresh", object{"token": token}).Code, name)
	}
	for _, data := range []any{nil, object{}, object{"token": ""}, object{"token": 5}, object{"token": "x", "room": "tenant"}} {
		require.Equal(t, client.CodeValidationFailed, s.RequestError("refresh", data).Code, "%v", data)
	}
	s.Subscribe("tenant", "")
	f.propose(t, auto)
	require.Equal(t, "command.proposed", s.Event().Type, "the socket does not work any more")
	require.NotContains(t, g.Log.String(), "eyJ", "a token is logged")
}

// revocations are calls that end the rights of a device.
var revocations = map[string]func(t testing.TB, f *fleet) error{
	"suspended": func(t testing.TB, f *fleet) error {
		_, err := f.alice.Suspend(t.Context(), f.device.ID, "")
		return err
	},
	"logins revoked": func(t testing.TB, f *fleet) error {
		_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "")
		return err
	},
	"decommissioned": func(t testing.TB, f *fleet) error { return f.alice.Decommission(t.Context(), f.device.ID) },
}

func TestSocket_ClosesWhenItsDeviceIsRevoked(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	for name, revoke := range revocations {
		for _, at := range []*gatewaytest.Gateway{here, there} {
			f := newFleet(t, here)
			f.propose(t, auto)
			s := f.deviceSocket(t, at)
			pending := s.StartRequest("heartbeat", object{"status": "ok"})
			require.Equal(t, "reply", pending().Type)
			require.NoError(t, revoke(t, f), name)
			// The handshake, the suspension and the close may come in any order.
			require.Equal(t, 4003, closeCodeWithin(t, s, wakeUpTimeout), name)
			_, refused := at.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.DevicePath, Token: "fgd_no"})
			require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
			eventually(t, func() bool { return len(connections(t, here, f.tenantID)) == 0 }, "the socket is still listed")
		}
	}
}

// TestSocket_ClosesWhenRevokedDuringHandshake revokes a device while its socket opens and
// does not receive wake-ups yet.
func TestSocket_ClosesWhenRevokedDuringHandshake(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	for range 8 {
		f := newFleet(t, here)
		token := f.Login(t, f.device)
		revoked := make(chan error)
		go func() { revoked <- revocations["suspended"](t, f) }()
		s, refused := there.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.DevicePath, Token: token})
		require.NoError(t, <-revoked)
		if refused != nil {
			require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
			continue
		}
		require.Equal(t, 4003, closeCodeWithin(t, s, wakeUpTimeout))
	}
}

// endedLogins are ways to end one login of a device while the device's other logins stay
// valid.
var endedLogins = map[string]func(t testing.TB, f *fleet, g *gatewaytest.Gateway, token string){
	"logout": func(t testing.TB, f *fleet, g *gatewaytest.Gateway, token string) {
		require.NoError(t, g.DeviceWithToken(client.Bearer(token)).Logout(t.Context()))
	},
	"too many logins": func(t testing.TB, f *fleet, g *gatewaytest.Gateway, _ string) {
		for range 20 {
			f.Login(t, f.device)
		}
	},
}

// TestLogin_EndClosesSocketAndWaitingClaim ends a login on one instance. The login's
// socket and waiting claim are on the other instance, and must also end.
func TestLogin_EndClosesSocketAndWaitingClaim(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	for name, end := range endedLogins {
		f := newFleet(t, here)
		token := f.Login(t, f.device)
		s := there.OpenDevice(t, token)
		claim := make(chan error, 1)
		go func() {
			_, err := there.DeviceWithToken(client.Bearer(token)).Claim(t.Context(), client.ClaimRequest{WaitMs: 30_000})
			claim <- err
		}()
		awaitWaitingClaims(t, there, 1)
		end(t, f, here, token)
		require.Equal(t, 4003, closeCodeWithin(t, s, wakeUpTimeout), name)
		requireCode(t, client.CodeUnauthorized, <-claim)
		f.propose(t, auto)
		require.Equal(t, f.commandIDs(t)[0], f.claimFor(t, time.Minute).ID, "another login gets the command")
	}
}

// TestSocket_EndedLoginServesNoFrame ends the login in the store only. The wake-up that would
// close the socket may be late or lost.
func TestSocket_EndedLoginServesNoFrame(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	s, p := f.deviceSocket(t, g), f.publisher(t, url)
	s.Barrier()
	for _, hash := range p.redis.LRange(t.Context(), store.LoginsKey(f.device.ID), 0, -1).Val() {
		require.NoError(t, p.redis.Del(t.Context(), store.LoginKey(f.device.ID, hash)).Err())
	}
	_ = s.TrySend(`{"type":"heartbeat","data":{"status":"ok"}}`)
	require.Equal(t, 4003, closeCodeWithin(t, s, wakeUpTimeout))
}

func TestCloseConnection_AtAnyInstance(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f, others := newFleet(t, here), newFleet(t, here)
	foreign := others.customerSocket(t, there)
	sockets := map[string]*gatewaytest.Socket{}
	for _, s := range []*gatewaytest.Socket{f.deviceSocket(t, there), f.customerSocket(t, there), f.customerSocket(t, here)} {
		sockets[s.ID] = s
	}
	admin, viewer := f.Token(f.tenantID, "alice", "admin"), f.Token(f.tenantID, "carol", "operator")
	closeConnection := func(token, id string) gatewaytest.Response {
		return here.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: "/api/v1/customer/connections/" + id, Token: token})
	}
	for id, s := range sockets {
		require.Equal(t, client.CodeInsufficientRole, closeConnection(viewer, id).Problem.Code)
		require.Equal(t, client.CodeConnectionNotFound, closeConnection(others.Token(others.tenantID, "eve", "admin"), id).Problem.Code)
		s.Barrier()
		require.Equal(t, http.StatusNoContent, closeConnection(admin, id).Status)
		require.Equal(t, 4003, closeCodeWithin(t, s, wakeUpTimeout))
		require.NotContains(t, connections(t, there, f.tenantID), id)
		require.Equal(t, client.CodeConnectionNotFound, closeConnection(admin, id).Problem.Code, "the socket is closed already")
	}
	for _, id := range []string{foreign.ID, "con_3FYMTQ7KJ2VCX5LWAHB6NEUZDO", "x"} {
		require.Equal(t, client.CodeConnectionNotFound, closeConnection(admin, id).Problem.Code, id)
	}
	foreign.Barrier()
}

// TestCloseConnection_WithoutWakeUp marks a connection as closed in the store only. The
// instance detects the mark when it renews the socket's lease.
func TestCloseConnection_WithoutWakeUp(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url), withSockets(func(cfg *realtime.Config) { cfg.RenewEvery = 50 * time.Millisecond }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	for _, s := range []*gatewaytest.Socket{f.deviceSocket(t, g), f.customerSocket(t, g)} {
		s.Barrier()
		require.NoError(t, p.redis.Set(t.Context(), store.Tenant(p.tenant).ConnectionKey(s.ID), "kicked", time.Minute).Err())
		require.Equal(t, 4003, s.CloseCode())
	}
}

func TestListConnections_OfAllInstancesToOwnTenant(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	others := newFleetOf(t, here, gatewaytest.NeighbourOf(f.tenantID))
	others.customerSocket(t, here)
	device := there.Open(t, gatewaytest.DialOptions{
		Path: gatewaytest.DevicePath, Token: f.Login(t, f.device), Header: http.Header{"User-Agent": {"agent/1.0"}},
	})
	user := f.customerSocket(t, here)
	for _, at := range []*gatewaytest.Gateway{here, there} {
		listed := connections(t, at, f.tenantID)
		require.Len(t, listed, 2)
		require.Equal(t, client.Connection{
			ID: device.ID, Kind: client.ConnectionKindDevice, DeviceID: f.device.ID, Agent: "agent/1.0", Since: listed[device.ID].Since,
			OpenedByActor: client.ActorDetails{Kind: client.ActorKindDevice, ID: f.device.ID},
		}, listed[device.ID])
		require.Equal(t, "alice", listed[user.ID].UserID)
		require.WithinDuration(t, time.Now(), listed[user.ID].Since, time.Minute)
	}
	info, err := here.User(f.tenantID, "alice", "viewer").SystemInfo(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.Connections{Customers: 2}, info.Connections, "the sockets of this instance, of all tenants")
	user.Close()
	device.Drop()
	eventually(t, func() bool { return len(connections(t, here, f.tenantID)) == 0 }, "closed sockets are still listed")
}

func TestListConnections_Pages(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	want := map[string]bool{}
	for range 7 {
		want[f.customerSocket(t, g).ID] = true
	}
	got, cursor, pages := map[string]bool{}, "", 0
	for ; pages == 0 || cursor != ""; pages++ {
		var page client.ConnectionList
		response := g.Do(t, gatewaytest.Request{
			Method: http.MethodGet, Path: "/api/v1/customer/connections?limit=3" + cursor, Token: f.Token(f.tenantID, "alice", "viewer"),
		})
		unmarshal(t, response.Body, &page)
		for _, one := range page.Items {
			require.False(t, got[one.ID], "a connection is on two pages")
			got[one.ID] = true
		}
		if cursor = ""; page.NextCursor != "" {
			cursor = "&cursor=" + page.NextCursor
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, pages)
}
