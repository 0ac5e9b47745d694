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

// shortLived is a token of alice's that ends after so many whole seconds at most.
func (f *fleet) shortLived(lifetime time.Duration) string {
	return f.Issuer.Token(issuer.Claims{Subject: "alice", TenantID: f.customer, Role: "viewer", Lifetime: lifetime})
}

func TestSocket_ClosesWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := g.OpenCustomer(t, f.shortLived(2*time.Second))
	var notice struct{ ExpiresAt time.Time }
	s.NextOf("token_expiring").Decode(t, &notice)
	require.WithinDuration(t, time.Now().Add(time.Second), notice.ExpiresAt, 2*time.Second)
	s.Subscribe("tenant", "")
	for ended := false; !ended; { // events come all the time, and then no more
		_, err := f.alice.Cancel(t.Context(), f.session, f.propose(t, auto).ID, "")
		require.NoError(t, err)
		select {
		case <-s.Done():
			ended = true
		default:
		}
	}
	require.Equal(t, 4001, s.CloseCode())
	pushed := s.TakePushed()
	require.NotEmpty(t, pushed)
	var last gatewaytest.Event
	pushed[len(pushed)-1].Decode(t, &last)
	require.False(t, last.Time.After(notice.ExpiresAt.Add(100*time.Millisecond)), "%s is after %s", last.Time, notice.ExpiresAt)
}

func TestSocket_AnnouncesTokenExpiryAMinuteBefore(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	soon, later := g.OpenCustomer(t, f.shortLived(62*time.Second)), g.OpenCustomer(t, f.shortLived(2*time.Minute))
	soon.NextOf("token_expiring")
	later.Barrier()
	require.Empty(t, later.TakePushed())
}

func TestRefresh_RenewsSocketInPlace(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := g.OpenCustomer(t, f.shortLived(2*time.Second))
	s.NextOf("token_expiring")
	s.Subscribe("tenant", "")
	ends := time.Now().Add(3 * time.Second)
	var renewed struct{ ExpiresAt time.Time }
	s.Request("refresh", object{"token": f.shortLived(time.Hour)}, &renewed)
	require.WithinDuration(t, time.Now().Add(time.Hour), renewed.ExpiresAt, time.Minute)
	eventually(t, func() bool { return time.Now().After(ends) }, "time stands still")
	f.propose(t, auto)
	require.Equal(t, "command.proposed", s.Event().Type, "its rooms stay")

	s.Request("refresh", object{"token": f.shortLived(2 * time.Second)}, nil)
	s.NextOf("token_expiring")
	require.Equal(t, 4001, endsWithin(t, s, 4*time.Second), "the newest token counts")
}

func TestRefresh_NeedsTokenOfSameUser(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.watch(t, g)
	for name, token := range map[string]string{
		"another person":   g.Token(f.customer, "mallory", "admin"),
		"another customer": g.Token(gatewaytest.NeighbourOf(f.customer), "alice", "viewer"),
		"expired":          g.Issuer.Token(issuer.Claims{Subject: "alice", TenantID: f.customer, IssuedAt: time.Now().Add(-2 * time.Hour)}),
		"no token":         "x.y.z",
		"a ticket":         ticket(t, g, g.Token(f.customer, "alice", "viewer"), ""),
		"a device's":       f.Login(t, f.device),
	} {
		require.Equal(t, client.CodeUnauthorized, s.RequestError("refresh", object{"token": token}).Code, name)
	}
	for _, data := range []any{nil, object{}, object{"token": ""}, object{"token": 5}, object{"token": "x", "room": "tenant"}} {
		require.Equal(t, client.CodeValidationFailed, s.RequestError("refresh", data).Code, "%v", data)
	}
	s.Subscribe("tenant", "")
	f.propose(t, auto)
	require.Equal(t, "command.proposed", s.Event().Type, "the socket goes on as it was")
	require.NotContains(t, g.Log.String(), "eyJ", "no token is logged")
}

// withdrawals end the rights of a device.
var withdrawals = map[string]func(t testing.TB, f *fleet) error{
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
	here, there := twoOnOneRedis(t)
	for name, withdraw := range withdrawals {
		for _, at := range []*gatewaytest.Gateway{here, there} {
			f := newFleet(t, here)
			f.propose(t, auto)
			s := f.socket(t, at)
			waiting := s.StartRequest("heartbeat", object{"status": "ok"})
			require.Equal(t, "reply", waiting().Type)
			require.NoError(t, withdraw(t, f), name)
			// The handshake, the suspension and the close may come in any order.
			require.Equal(t, 4003, endsWithin(t, s, 2*time.Second), name)
			_, refused := at.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.DevicePath, Token: "fgd_no"})
			require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
			eventually(t, func() bool { return len(connections(t, here, f.customer)) == 0 }, "it is listed still")
		}
	}
}

// The withdrawal may come while the socket opens, when nobody listens for it yet.
func TestSocket_ClosesWhenRevokedDuringHandshake(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	for range 8 {
		f := newFleet(t, here)
		token := f.Login(t, f.device)
		withdrawn := make(chan error)
		go func() { withdrawn <- withdrawals["suspended"](t, f) }()
		s, refused := there.Dial(t, gatewaytest.DialOptions{Path: gatewaytest.DevicePath, Token: token})
		require.NoError(t, <-withdrawn)
		if refused != nil {
			require.Equal(t, http.StatusUnauthorized, refused.StatusCode)
			continue
		}
		require.Equal(t, 4003, endsWithin(t, s, 2*time.Second))
	}
}

func TestSocket_EndedLoginServesNoFrame(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	f.propose(t, auto)
	token := f.Login(t, f.device)
	s := there.OpenDevice(t, token)
	require.NoError(t, there.DeviceWithToken(client.Bearer(token)).Logout(t.Context()))
	_ = s.TrySend(`{"type":"claim","data":{}}`)
	require.Equal(t, 4003, endsWithin(t, s, 2*time.Second))
	require.EqualValues(t, client.CommandStatusQueued, f.command(t, onlyCommands(t, f)[0]).Status)
}

func TestCloseConnection_AtAnyInstance(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f, others := newFleet(t, here), newFleet(t, here)
	theirs := others.watch(t, there)
	sockets := map[string]*gatewaytest.Socket{}
	for _, s := range []*gatewaytest.Socket{f.socket(t, there), f.watch(t, there), f.watch(t, here)} {
		sockets[s.ID] = s
	}
	admin, viewer := f.Token(f.customer, "alice", "admin"), f.Token(f.customer, "carol", "operator")
	end := func(token, id string) gatewaytest.Response {
		return here.Do(t, gatewaytest.Request{Method: http.MethodDelete, Path: "/api/v1/customer/connections/" + id, Token: token})
	}
	for id, s := range sockets {
		require.Equal(t, client.CodeInsufficientRole, end(viewer, id).Problem.Code)
		require.Equal(t, client.CodeConnectionNotFound, end(others.Token(others.customer, "eve", "admin"), id).Problem.Code)
		s.Barrier()
		require.Equal(t, http.StatusNoContent, end(admin, id).Status)
		require.Equal(t, 4003, endsWithin(t, s, 2*time.Second))
		require.NotContains(t, connections(t, there, f.customer), id)
		require.Equal(t, client.CodeConnectionNotFound, end(admin, id).Problem.Code, "it has ended already")
	}
	for _, id := range []string{theirs.ID, "con_3FYMTQ7KJ2VCX5LWAHB6NEUZDO", "x"} {
		require.Equal(t, client.CodeConnectionNotFound, end(admin, id).Problem.Code, id)
	}
	theirs.Barrier()
}

// The wake-up may be lost: the instance finds out with the next lease.
func TestCloseConnection_WithoutWakeUp(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url), withSockets(func(cfg *realtime.Config) { cfg.RenewEvery = 50 * time.Millisecond }))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	for _, s := range []*gatewaytest.Socket{f.socket(t, g), f.watch(t, g)} {
		s.Barrier()
		require.NoError(t, p.redis.Set(t.Context(), store.Tenant(p.tenant).ConnectionKey(s.ID), "kicked", time.Minute).Err())
		require.Equal(t, 4003, endsWithin(t, s, 2*time.Second))
	}
}

func TestListConnections_OfAllInstancesToOwnTenant(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	others := newFleetOf(t, here, gatewaytest.NeighbourOf(f.customer))
	others.watch(t, here)
	device := there.Open(t, gatewaytest.DialOptions{
		Path: gatewaytest.DevicePath, Token: f.Login(t, f.device), Header: http.Header{"User-Agent": {"agent/1.0"}},
	})
	person := f.watch(t, here)
	for _, at := range []*gatewaytest.Gateway{here, there} {
		listed := connections(t, at, f.customer)
		require.Len(t, listed, 2)
		require.Equal(t, client.Connection{
			ID: device.ID, Kind: client.ConnectionKindDevice, DeviceID: f.device.ID, Agent: "agent/1.0", Since: listed[device.ID].Since,
		}, listed[device.ID])
		require.Equal(t, "alice", listed[person.ID].UserID)
		require.WithinDuration(t, time.Now(), listed[person.ID].Since, time.Minute)
	}
	info, err := here.User(f.customer, "alice", "viewer").SystemInfo(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.Connections{Customers: 2}, info.Connections, "of this instance, of all tenants")
	person.Close()
	device.Drop()
	eventually(t, func() bool { return len(connections(t, here, f.customer)) == 0 }, "they have ended and are listed still")
}

func TestListConnections_Pages(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	want := map[string]bool{}
	for range 7 {
		want[f.watch(t, g).ID] = true
	}
	got, cursor, pages := map[string]bool{}, "", 0
	for ; pages == 0 || cursor != ""; pages++ {
		var page client.ConnectionList
		answer := g.Do(t, gatewaytest.Request{
			Method: http.MethodGet, Path: "/api/v1/customer/connections?limit=3" + cursor, Token: f.Token(f.customer, "alice", "viewer"),
		})
		unmarshal(t, answer.Body, &page)
		for _, one := range page.Items {
			require.False(t, got[one.ID], "it is listed twice")
			got[one.ID] = true
		}
		if cursor = ""; page.NextCursor != "" {
			cursor = "&cursor=" + page.NextCursor
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, pages)
}
