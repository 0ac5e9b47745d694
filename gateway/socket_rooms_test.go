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

// expectedEvent is an event that a room must receive.
type expectedEvent struct {
	kind  string
	actor string // type of the actor
	id    string // id of the actor
}

// runEveryTransition runs every transition of a command, a session and a device, except
// transitions that happen only after more than a second. It returns the events that the
// rooms of the session and of the device must receive, in order.
func runEveryTransition(t testing.TB, f *fleet, s *gatewaytest.Socket) (inSession, inDevice []expectedEvent) {
	t.Helper()
	device := expectedEvent{actor: "device", id: f.device.ID}
	expect := func(kind string, e expectedEvent) {
		e.kind = kind
		inDevice = append(inDevice, e)
		if !strings.HasPrefix(kind, "device.") {
			inSession = append(inSession, e)
		}
	}
	alice, bob, system := expectedEvent{actor: "user", id: "alice"}, expectedEvent{actor: "user", id: "bob"}, expectedEvent{actor: "system", id: "system"}
	claim := func(visibleMs int) client.ClaimedCommand {
		claimed := commands(t, s.Request("claim", object{"visibilityTimeoutMs": visibleMs}, nil).Data)
		require.Len(t, claimed, 1)
		expect("command.claimed", device)
		return claimed[0]
	}
	with := func(c client.ClaimedCommand, more object) object {
		more["commandId"], more["claimToken"] = c.ID, c.ClaimToken
		return more
	}

	proposed := f.propose(t, review)
	expect("command.proposed", alice)
	f.decide(t, proposed, true)
	expect("command.approved", bob)
	s.Request("release", with(claim(longLeaseMs), object{}), nil)
	expect("command.released", device)
	lapsed := claim(1000)
	eventually(t, func() bool { return f.command(t, lapsed.ID).Status == client.CommandStatusTimedOut }, "the lease does not expire")
	expect("command.timed_out", system)

	f.propose(t, auto)
	expect("command.proposed", alice)
	lapsed = claim(1000)
	eventually(t, func() bool { return f.command(t, lapsed.ID).Status == client.CommandStatusQueued }, "the lease does not expire")
	expect("command.requeued", system)
	cancelled := claim(longLeaseMs)
	_, err := f.alice.Cancel(t.Context(), f.session, cancelled.ID, "enough")
	require.NoError(t, err)
	expect("command.cancel_requested", alice)
	s.Request("result", with(cancelled, object{"status": "cancelled"}), nil)
	expect("command.cancelled", device)

	for _, status := range []string{"succeeded", "failed"} {
		f.propose(t, auto)
		expect("command.proposed", alice)
		s.Request("result", with(claim(longLeaseMs), object{"status": status}), nil)
		expect("command."+status, device)
	}
	f.decide(t, f.propose(t, review), false)
	expect("command.proposed", alice)
	expect("command.rejected", bob)
	f.propose(t, auto)
	expect("command.proposed", alice)
	_, err = f.alice.CloseSession(t.Context(), f.session, "solved")
	require.NoError(t, err)
	expect("command.expired", alice)
	expect("session.closed", alice)

	_, err = f.alice.RevokeLogins(t.Context(), f.device.ID, "seen in a log")
	require.NoError(t, err)
	expect("device.logins_revoked", alice)
	_, err = f.alice.Suspend(t.Context(), f.device.ID, "stolen")
	require.NoError(t, err)
	expect("device.suspended", alice)
	_, err = f.alice.Resume(t.Context(), f.device.ID, "found")
	require.NoError(t, err)
	expect("device.resumed", alice)
	require.NoError(t, f.alice.Decommission(t.Context(), f.device.ID))
	expect("device.decommissioned", alice)
	return inSession, inDevice
}

func TestEvents_EveryTransitionReachesItsRooms(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	s := f.deviceSocket(t, there)
	eventually(t, func() bool { return f.presence(t) == "online" }, "the device is not online")
	watchers := map[string]*gatewaytest.Socket{}
	for _, room := range []string{f.sessionRoom(), f.deviceRoom(), "tenant"} {
		watchers[room] = f.customerSocket(t, here, room)
	}
	elsewhere := f.customerSocket(t, there, f.sessionRoom())
	inSession, inDevice := runEveryTransition(t, f, s)

	requireEvents(t, f, watchers[f.sessionRoom()], f.sessionRoom(), inSession)
	requireEvents(t, f, elsewhere, f.sessionRoom(), inSession)
	inRoom := requireEvents(t, f, watchers[f.deviceRoom()], f.deviceRoom(), inDevice)
	inTenant := requireEvents(t, f, watchers["tenant"], "tenant", inDevice)
	require.Equal(t, inRoom, inTenant, "an event has the same offset in every room")
	requireTimeline(t, f, inSession)
}

// requireEvents receives the events of a room, requires the expected ones, and returns
// their offsets.
func requireEvents(t testing.TB, f *fleet, s *gatewaytest.Socket, room string, want []expectedEvent) (offsets []string) {
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
	require.IsIncreasing(t, offsetNumbers(t, offsets))
	return offsets
}

// offsetNumbers converts offsets into numbers that sort in the same order. The integer part
// is the time in milliseconds, and the fraction is the sequence number.
func offsetNumbers(t testing.TB, offsets []string) (all []float64) {
	t.Helper()
	for _, offset := range offsets {
		var ms, sequence float64
		_, err := fmt.Sscanf(offset, "%f-%f", &ms, &sequence)
		require.NoError(t, err, offset)
		all = append(all, ms-1.6e12+sequence/1024)
	}
	return all
}

// requireTimeline reads the session's timeline over HTTP. After session.opened, the timeline
// must contain events of exactly the expected types.
func requireTimeline(t testing.TB, f *fleet, want []expectedEvent) {
	t.Helper()
	response := f.Do(t, gatewaytest.Request{
		Method: http.MethodGet, Path: "/api/v1/customer/sessions/" + f.session + "/events?limit=200", Token: f.Token(f.tenantID, "alice", "viewer"),
	})
	var page struct{ Items []struct{ Type string } }
	require.NoError(t, json.Unmarshal([]byte(response.Body), &page))
	require.Len(t, page.Items, len(want)+1, "the expected events and session.opened")
	for i, one := range want {
		require.Equal(t, one.kind, page.Items[i+1].Type)
	}
}

func TestEvents_DeviceRegisteredAndSessionOpened(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.customerSocket(t, g, "tenant")
	other := g.NewDevice(t, f.alice)
	registered := s.Event()
	require.Equal(t, "device.registered", registered.Type)
	require.Equal(t, other.ID, registered.Data["deviceId"])
	opened := f.openSession(t, other.ID)
	e := s.Event()
	require.Equal(t, "session.opened", e.Type)
	require.Equal(t, opened, e.Data["sessionId"])
	login := g.DeviceWithToken(client.Bearer(g.Login(t, other)))
	require.NoError(t, sendHeartbeat(t, login))
	e = s.Event()
	require.Equal(t, "device.presence", e.Type)
	require.Equal(t, "online", e.Data["presence"])
	require.Equal(t, map[string]string{"kind": "device", "id": other.ID}, e.Actor)
}

func TestSubscribe_RoomOfAnotherTenantLooksMissing(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		own := newFleet(t, g)
		foreign := newFleetOf(t, g, gatewaytest.NeighbourOf(own.tenantID))
		s := own.customerSocket(t, g)
		partition := gatewaytest.PartitionOf(own.tenantID)
		for kind, rooms := range map[string][]string{
			"device":  {foreign.deviceRoom(), "device:" + store.NewID(store.KindDevice, partition), "device:x", "device:" + foreign.session},
			"session": {foreign.sessionRoom(), "session:" + store.NewID(store.KindSession, partition), "session:x", "session:" + own.device.ID},
		} {
			var missing any
			for _, room := range rooms {
				f := s.StartRequest("subscribe", object{"room": room})()
				require.Equal(t, "error", f.Type, room)
				problem := normalized(t, f.Data)
				if missing == nil {
					missing = problem
				}
				require.Equal(t, missing, problem, room)
				require.Equal(t, kind+"_not_found", problem.(object)["code"], room)
			}
		}
		foreign.propose(t, auto)
		_, err := foreign.alice.CloseSession(t.Context(), foreign.session, "")
		require.NoError(t, err)
		s.Subscribe("tenant", "")
		own.propose(t, auto)
		require.Equal(t, own.device.ID, s.Event().Data["deviceId"], "an event of another tenant arrived")
	})
}

func TestSubscribe_InvalidRoomIsRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s := f.customerSocket(t, g)
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
	s := f.customerSocket(t, g)
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
	s.Subscribe(rooms[7], "") // a second subscription to a room does not count towards the limit
	s.Request("unsubscribe", object{"room": rooms[9]}, nil)
	s.Subscribe(rooms[100], "")
}

func TestUnsubscribe_StopsEvents(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(url))
	f := newFleet(t, g)
	p := f.publisher(t, url)
	s := f.customerSocket(t, g)
	p.publish(2000)
	for i := range 20 { // unsubscribes while missed events are still being sent
		subscribed := s.Subscribe("tenant", "0-0")
		require.True(t, subscribed.Resumed)
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
	s := f.customerSocket(t, g)
	for range 3 {
		s.Subscribe("tenant", "0-0")
	}
	want := p.stream()
	var got []string
	note := func(f gatewaytest.Frame) {
		var event gatewaytest.Event
		f.Decode(t, &event)
		if event.Offset == want[0] {
			got = nil
		}
		got = append(got, event.Offset)
	}
	for len(got) < len(want) {
		note(s.NextOf("event"))
		if len(got) < len(want) {
			continue
		}
		s.Barrier() // these may be all events of a subscription that was replaced
		for _, f := range s.TakePushed() {
			note(f)
		}
	}
	require.Equal(t, want, got)
}

func TestEvents_ArriveInOrderAndOncePerRoom(t *testing.T) {
	t.Parallel()
	url := storetest.SharedURL(t)
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	p := f.publisher(t, url)
	before := len(p.stream())
	watchers := []*gatewaytest.Socket{f.customerSocket(t, here, "tenant", f.sessionRoom()), f.customerSocket(t, there, f.deviceRoom(), "tenant")}
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
