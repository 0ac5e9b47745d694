package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// happening is an event as a test expects it.
type happening struct {
	kind  string
	actor string // the kind of who did it
	id    string // of who did it
}

// everythingHappens makes one event of each kind that needs no time, and some that
// need a second. It gives what has to be seen, in its order, in the room of the
// session and in that of the device.
func everythingHappens(t testing.TB, f *fleet, s *gatewaytest.Socket) (inSession, inDevice []happening) {
	t.Helper()
	device := happening{actor: "device", id: f.device.ID}
	note := func(kind string, who happening) {
		who.kind = kind
		inDevice = append(inDevice, who)
		if !strings.HasPrefix(kind, "device.") {
			inSession = append(inSession, who)
		}
	}
	alice, bob, system := happening{actor: "user", id: "alice"}, happening{actor: "user", id: "bob"}, happening{actor: "system", id: "system"}
	claim := func(visibleMs int) client.ClaimedCommand {
		claimed := commands(t, s.Request("claim", object{"visibilityTimeoutMs": visibleMs}, nil).Data)
		require.Len(t, claimed, 1)
		note("command.claimed", device)
		return claimed[0]
	}
	held := func(c client.ClaimedCommand, more object) object {
		more["commandId"], more["claimToken"] = c.ID, c.ClaimToken
		return more
	}

	asked := f.propose(t, review)
	note("command.proposed", alice)
	f.decide(t, asked, true)
	note("command.approved", bob)
	s.Request("release", held(claim(60_000), object{}), nil)
	note("command.released", device)
	lost := claim(1000)
	eventually(t, func() bool { return f.command(t, lost.ID).Status == client.CommandStatusTimedOut }, "the lease does not end")
	note("command.timed_out", system)

	f.propose(t, auto)
	note("command.proposed", alice)
	lost = claim(1000)
	eventually(t, func() bool { return f.command(t, lost.ID).Status == client.CommandStatusQueued }, "the lease does not end")
	note("command.requeued", system)
	stopped := claim(60_000)
	_, err := f.alice.Cancel(t.Context(), f.session, stopped.ID, "enough")
	require.NoError(t, err)
	note("command.cancel_requested", alice)
	s.Request("result", held(stopped, object{"status": "cancelled"}), nil)
	note("command.cancelled", device)

	for _, status := range []string{"succeeded", "failed"} {
		f.propose(t, auto)
		note("command.proposed", alice)
		s.Request("result", held(claim(60_000), object{"status": status}), nil)
		note("command."+status, device)
	}
	f.decide(t, f.propose(t, review), false)
	note("command.proposed", alice)
	note("command.rejected", bob)
	f.propose(t, auto)
	note("command.proposed", alice)
	_, err = f.alice.CloseSession(t.Context(), f.session, "solved")
	require.NoError(t, err)
	note("command.expired", alice)
	note("session.closed", alice)

	_, err = f.alice.RevokeLogins(t.Context(), f.device.ID, "seen in a log")
	require.NoError(t, err)
	note("device.logins_revoked", alice)
	_, err = f.alice.Suspend(t.Context(), f.device.ID, "stolen")
	require.NoError(t, err)
	note("device.suspended", alice)
	_, err = f.alice.Resume(t.Context(), f.device.ID, "found")
	require.NoError(t, err)
	note("device.resumed", alice)
	require.NoError(t, f.alice.Decommission(t.Context(), f.device.ID))
	note("device.decommissioned", alice)
	return inSession, inDevice
}

func TestEvents_EveryTransitionReachesItsRooms(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	s := f.socket(t, there)
	eventually(t, func() bool { return f.presence(t) == "online" }, "the device is not online")
	watchers := map[string]*gatewaytest.Socket{}
	for _, room := range []string{f.sessionRoom(), f.deviceRoom(), "tenant"} {
		watchers[room] = f.watch(t, here, room)
	}
	elsewhere := f.watch(t, there, f.sessionRoom())
	inSession, inDevice := everythingHappens(t, f, s)

	requireHappened(t, f, watchers[f.sessionRoom()], f.sessionRoom(), inSession)
	requireHappened(t, f, elsewhere, f.sessionRoom(), inSession)
	inRoom := requireHappened(t, f, watchers[f.deviceRoom()], f.deviceRoom(), inDevice)
	inTenant := requireHappened(t, f, watchers["tenant"], "tenant", inDevice)
	require.Equal(t, inRoom, inTenant, "an event has one offset, whatever the room")
	requireTimeline(t, f, inSession)
}

// requireHappened takes the events of a room and holds each against what happened.
func requireHappened(t testing.TB, f *fleet, s *gatewaytest.Socket, room string, want []happening) (offsets []string) {
	t.Helper()
	for i, one := range want {
		e := s.Event()
		name := fmt.Sprintf("event %d in %s: %+v", i, room, e)
		require.Equal(t, room, e.Room, name)
		require.Equal(t, one.kind, e.Type, name)
		require.Equal(t, one.actor, e.Actor["kind"], name)
		require.Equal(t, one.id, e.Actor["id"], name)
		require.Equal(t, f.device.ID, e.Data["deviceId"], name)
		require.WithinDuration(t, time.Now(), e.Time, time.Minute, name)
		require.NotEmpty(t, e.RequestID, name)
		if strings.HasPrefix(e.Type, "command.") {
			require.NotEmpty(t, e.Data["commandId"], name)
			require.Equal(t, f.session, e.Data["sessionId"], name)
		}
		offsets = append(offsets, e.Offset)
	}
	require.IsIncreasing(t, moments(t, offsets))
	return offsets
}

// moments makes numbers of offsets that can be compared: the milliseconds, and the
// place within them.
func moments(t testing.TB, offsets []string) (all []float64) {
	t.Helper()
	for _, offset := range offsets {
		var ms, place float64
		_, err := fmt.Sscanf(offset, "%f-%f", &ms, &place)
		require.NoError(t, err, offset)
		all = append(all, ms-1.6e12+place/1024)
	}
	return all
}

// requireTimeline holds the timeline over HTTP against what happened.
func requireTimeline(t testing.TB, f *fleet, want []happening) {
	t.Helper()
	answer := f.Do(t, gatewaytest.Request{
		Method: http.MethodGet, Path: "/api/v1/customer/sessions/" + f.session + "/events?limit=200", Token: f.Token(f.customer, "alice", "viewer"),
	})
	var page struct{ Items []struct{ Type string } }
	require.NoError(t, json.Unmarshal([]byte(answer.Body), &page))
	require.Len(t, page.Items, len(want)+1, "and the session's opening")
	for i, one := range want {
		require.Equal(t, one.kind, page.Items[i+1].Type)
	}
}

func TestEvents_DeviceRegisteredAndSessionOpened(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.watch(t, g, "tenant")
	other := g.NewDevice(t, f.alice)
	registered := s.Event()
	require.Equal(t, "device.registered", registered.Type)
	require.Equal(t, other.ID, registered.Data["deviceId"])
	opened := f.open(t, other.ID)
	e := s.Event()
	require.Equal(t, "session.opened", e.Type)
	require.Equal(t, opened, e.Data["sessionId"])
	beating := g.DeviceWithToken(client.Bearer(g.Login(t, other)))
	require.NoError(t, beat(t, beating))
	e = s.Event()
	require.Equal(t, "device.presence", e.Type)
	require.Equal(t, "online", e.Data["presence"])
	require.Equal(t, map[string]string{"kind": "device", "id": other.ID}, e.Actor)
}

func TestSubscribe_RoomOfAnotherTenantLooksMissing(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		mine := newFleet(t, g)
		theirs := newFleetOf(t, g, gatewaytest.NeighbourOf(mine.customer))
		s := mine.watch(t, g)
		partition := gatewaytest.PartitionOf(mine.customer)
		for kind, rooms := range map[string][]string{
			"device":  {theirs.deviceRoom(), "device:" + store.NewID(store.KindDevice, partition), "device:x", "device:" + theirs.session},
			"session": {theirs.sessionRoom(), "session:" + store.NewID(store.KindSession, partition), "session:x", "session:" + mine.device.ID},
		} {
			var missing any
			for _, room := range rooms {
				f := s.StartRequest("subscribe", object{"room": room})()
				require.Equal(t, "error", f.Type, room)
				answer := masked(t, f.Data)
				if missing == nil {
					missing = answer
				}
				require.Equal(t, missing, answer, room)
				require.Equal(t, kind+"_not_found", answer.(object)["code"], room)
			}
		}
		theirs.propose(t, auto)
		_, err := theirs.alice.CloseSession(t.Context(), theirs.session, "")
		require.NoError(t, err)
		s.Subscribe("tenant", "")
		mine.propose(t, auto)
		require.Equal(t, mine.device.ID, s.Event().Data["deviceId"], "nothing of theirs came before it")
	})
}

func TestSubscribe_InvalidRoomIsRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.watch(t, g)
	for _, room := range []any{
		"", " ", "tenants", "tenant:", "tenant:x", "TENANT", "device", "device:", "session:", "command:" + f.device.ID, f.device.ID,
		"device:" + f.device.ID + " ", "device:*", "device:a:b", "device:" + strings.Repeat("x", 65), nil, 5, []string{"tenant"}, object{},
	} {
		for _, kind := range []string{"subscribe", "unsubscribe"} {
			problem := s.RequestError(kind, object{"room": room})
			require.Equal(t, client.CodeValidationFailed, problem.Code, "%s %v", kind, room)
			require.Equal(t, "/room", problem.Errors[0].Pointer, "%s %v", kind, room)
		}
	}
	for _, data := range []any{nil, object{}, []string{"tenant"}, "tenant", object{"room": "tenant", "from": "0-0"}, object{"Room": "tenant"}} {
		require.Equal(t, client.CodeValidationFailed, s.RequestError("subscribe", data).Code, "%v", data)
	}
	for _, since := range []any{5, "", strings.Repeat("1", 65), object{}} {
		require.Equal(t, "/since", s.RequestError("subscribe", object{"room": "tenant", "since": since}).Errors[0].Pointer, "%v", since)
	}
}

func TestSubscribe_LimitsRoomsPerSocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withSockets(func(cfg *realtime.Config) { cfg.Limits.Burst = 500 }))
	f := newFleet(t, g)
	s := f.watch(t, g)
	rooms := []string{"tenant", f.deviceRoom(), f.sessionRoom()}
	for len(rooms) < 101 {
		made, err := f.alice.Provision(t.Context(), client.ProvisionDeviceRequest{Name: "Pump"})
		require.NoError(t, err)
		rooms = append(rooms, "device:"+made.Device.ID)
	}
	for _, room := range rooms[:100] {
		s.Subscribe(room, "")
	}
	require.Equal(t, client.CodeValidationFailed, s.RequestError("subscribe", object{"room": rooms[100]}).Code)
	s.Subscribe(rooms[7], "") // a room that was entered already takes no place
	s.Request("unsubscribe", object{"room": rooms[9]}, nil)
	s.Subscribe(rooms[100], "")
}

func TestUnsubscribe_StopsEvents(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	s := f.watch(t, g)
	p.publish(2000)
	for i := range 20 { // left while what was missed is still coming
		entered := s.Subscribe("tenant", "0-0")
		require.True(t, entered.Resumed)
		if i%2 == 0 {
			s.Request("unsubscribe", object{"room": "tenant"}, nil)
			s.TakePushed()
			s.Barrier()
			require.Empty(t, s.TakePushed())
			continue
		}
		offsets(t, s, "tenant", i)
	}
	s.Request("unsubscribe", object{"room": "tenant"}, nil)
	s.TakePushed()
	s.Subscribe(f.deviceRoom(), "")
	f.propose(t, auto)
	require.Equal(t, f.deviceRoom(), s.Event().Room)
	s.Barrier()
	require.Empty(t, s.TakePushed())
}

func TestSubscribe_AgainRestartsAtOffset(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	p.publish(1000)
	s := f.watch(t, g)
	for range 3 {
		s.Subscribe("tenant", "0-0")
	}
	want := p.stream()
	var got []string
	for len(got) < len(want) { // some of the first ones may come before the last begins
		offset := s.Event().Offset
		if offset == want[0] {
			got = nil
		}
		got = append(got, offset)
	}
	require.Equal(t, want, got)
	s.Barrier()
	require.Empty(t, s.TakePushed())
}

func TestEvents_ArriveInOrderAndOncePerRoom(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	p := f.publisher(t, url)
	before := len(p.stream())
	watchers := []*gatewaytest.Socket{f.watch(t, here, "tenant", f.sessionRoom()), f.watch(t, there, f.deviceRoom(), "tenant")}
	p.publish(1000)
	want := p.stream()[before:]
	require.Len(t, want, 1000)
	for _, s := range watchers {
		got := byRoom(s, 2*len(want))
		require.Len(t, got, 2)
		for room, offsets := range got {
			require.Equal(t, want, offsets, room)
		}
		s.Barrier()
		require.Empty(t, s.TakePushed())
	}
}
