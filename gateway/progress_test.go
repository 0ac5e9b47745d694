package gateway_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// report returns the data of a frame that reports progress.
func report(c client.ClaimedCommand, seq int, more object) object {
	more["commandId"], more["claimToken"], more["seq"] = c.ID, c.ClaimToken, seq
	return more
}

// output reads the output of a command from a position on.
func (f *fleet) output(t testing.TB, id string, since int) client.CommandOutput {
	t.Helper()
	o, err := f.alice.Output(t.Context(), f.session, id, client.GetCommandOutputParams{Since: since})
	require.NoError(t, err)
	return o
}

// TestProgress_ReachesViewersOfAnotherInstance reports over the socket and over HTTP. The device and
// the viewers use different instances.
func TestProgress_ReachesViewersOfAnotherInstance(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	device := f.deviceSocket(t, there)
	rooms := []string{"device:" + f.device.ID, "session:" + f.session}
	viewer := here.OpenCustomer(t, here.Token(f.tenantID, "alice", "viewer"))
	subscribed := map[string]string{}
	for _, room := range append(rooms, "tenant") {
		subscribed[room] = viewer.Subscribe(room, "").Offset
	}
	f.propose(t, auto)
	running := commands(t, device.Request("claim", object{"visibilityTimeoutMs": longLeaseMs}, nil).Data)[0]
	last := map[string]string{} // offset of the last kept event, by room
	for range 2 * (len(rooms) + 1) {
		e := viewer.Event()
		last[e.Room] = e.Offset
	}

	var reply client.ProgressReply
	device.Request("progress", report(running, 1, object{"percent": 42.5, "message": "writing", "output": "block 17\n"}), &reply)
	require.Equal(t, client.ProgressReply{CommandID: running.ID, Seq: 1, LeaseRemainingMs: reply.LeaseRemainingMs}, reply)
	require.Positive(t, reply.LeaseRemainingMs)
	var told []string
	for range rooms {
		e := viewer.Event()
		require.Equal(t, "command.progress", e.Type)
		require.Equal(t, last[e.Room], e.Offset, "a client that resumes misses nothing")
		require.Equal(t, "device", e.Actor["kind"])
		require.Equal(t, object{
			"deviceId": f.device.ID, "sessionId": f.session, "commandId": running.ID,
			"percent": 42.5, "message": "writing", "seq": 1.0, "nextSince": 9.0,
		}, e.Data)
		told = append(told, e.Room)
	}
	require.ElementsMatch(t, rooms, told, "not the room of the tenant")

	response := callOverHTTP(t, there, there.Login(t, f.device))("progress", report(running, 2, object{"output": "block 18\n"}))
	require.NoError(t, json.Unmarshal(response, &reply))
	require.Equal(t, 2, reply.Seq, "%s", response)
	o := f.output(t, running.ID, 0)
	require.Equal(t, "block 17\nblock 18\n", o.Output)
	require.InDelta(t, 42.5, *o.Percent, 0)
	require.False(t, o.Complete)
	require.Equal(t, "block 18\n", f.output(t, running.ID, 9).Output)
}

// TestProgress_ClientDeliversEachEvent requires that the client does not take events of progress, which
// have equal offsets, for repetitions.
func TestProgress_ClientDeliversEachEvent(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.ProgressInterval = 100 * time.Millisecond })
	f := newFleet(t, g)
	f.propose(t, auto)
	running := f.claim(t)
	api, err := client.New(g.URL)
	require.NoError(t, err)
	viewer := api.Customer(client.Bearer(g.Token(f.tenantID, "alice", "viewer")))
	socket := viewer.Connect(t.Context(), client.CustomerSocketConfig{})
	defer socket.Close()
	_, err = socket.Subscribe(t.Context(), client.SessionRoom(f.session), "")
	require.NoError(t, err)
	seq := 0
	report := func() {
		seq++
		_, err := f.device.ReportProgress(t.Context(), running.ID, client.ProgressRequest{ClaimToken: running.ClaimToken, Seq: seq})
		require.NoError(t, err)
	}
	report()
	for event, err := range socket.Events(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, "command.progress", event.Type)
		if seq == 3 {
			break
		}
		report()
	}
}

// TestProgress_EventsAreLimited reports much faster than events may come. The last event has the last
// report.
func TestProgress_EventsAreLimited(t *testing.T) {
	t.Parallel()
	const reports, interval = 200, 400 * time.Millisecond
	g := gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.ProgressInterval = interval })
	f := newFleet(t, g)
	viewer := g.OpenCustomer(t, g.Token(f.tenantID, "alice", "viewer"))
	f.propose(t, auto)
	running := f.claim(t)
	viewer.Subscribe("session:"+f.session, "")
	device := callOverHTTP(t, g, g.Login(t, f.device))
	start := time.Now()
	for seq := range reports {
		device("progress", report(running, seq+1, object{"output": "x"}))
	}
	events := 0
	for {
		e := viewer.Event()
		require.Equal(t, "command.progress", e.Type)
		if events++; e.Data["seq"] == float64(reports) {
			break
		}
	}
	require.LessOrEqual(t, events, int(time.Since(start)/interval)+2)
	require.Equal(t, reports, f.output(t, running.ID, 0).NextSince)
}

// TestProgress_IsInNoTimeline requires that reports change the command, its device and what is counted, and
// nothing else of the store: no stream, timeline or index.
func TestProgress_IsInNoTimeline(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	f := newFleet(t, g)
	f.propose(t, auto)
	running := f.claim(t)
	device := callOverHTTP(t, g, g.Login(t, f.device))
	device("progress", report(running, 1, object{"percent": 1, "output": "x"}))
	before := storetest.Dump(t, server)
	for seq := range 3 {
		device("progress", report(running, seq+2, object{"percent": 1, "message": "now", "output": "x"}))
	}
	d := store.Device{Tenant: gatewaytest.TenantOf(f.tenantID), ID: f.device.ID}
	after := storetest.Dump(t, server)
	require.NotEqual(t, before[d.CommandsKey()], after[d.CommandsKey()])
	require.Equal(t, before[d.TimelineKey()], after[d.TimelineKey()])
	require.NotEmpty(t, after[d.TimelineKey()])
	for _, values := range []map[string]string{before, after} {
		for _, key := range []string{d.CommandsKey(), d.RecordKey(), store.Tenant(d.Tenant).UsageKey()} {
			delete(values, key)
		}
		maps.DeleteFunc(values, func(key, _ string) bool {
			return strings.Contains(key, ":rate") || strings.Contains(key, ":login:") || strings.HasSuffix(key, ":due")
		})
	}
	require.Equal(t, before, after)
	for event, err := range f.alice.AllEvents(t.Context(), f.session, client.ListSessionEventsParams{}) {
		require.NoError(t, err)
		require.NotEqual(t, "command.progress", event.Type)
	}
}

// TestProgress_ContinuesAtAnotherInstance sends the first reports at one instance, which then stops, and
// further ones at another, with the same login. A viewer at the second sees them.
func TestProgress_ContinuesAtAnotherInstance(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	f.propose(t, auto)
	running := f.claim(t)
	token := here.Login(t, f.device)
	callOverHTTP(t, here, token)("progress", report(running, 1, object{"percent": 1, "output": "one\n"}))
	alice := there.User(f.tenantID, "alice", "admin")
	require.NoError(t, here.Stop())

	viewer := there.OpenCustomer(t, there.Token(f.tenantID, "alice", "viewer"))
	viewer.Subscribe("session:"+f.session, "")
	var reply client.ProgressReply
	for _, want := range []int{1, 2} { // the first is a repetition, whose response was lost
		response := callOverHTTP(t, there, token)("progress", report(running, want, object{"output": "two\n"}))
		require.NoError(t, json.Unmarshal(response, &reply))
		require.Equal(t, want, reply.Seq, "%s", response)
	}
	e := viewer.Event()
	require.Equal(t, "command.progress", e.Type)
	require.InDelta(t, 2, e.Data["seq"], 0)
	require.InDelta(t, 1, e.Data["percent"], 0)
	o, err := alice.Output(t.Context(), f.session, running.ID, client.GetCommandOutputParams{})
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", o.Output)
}

// TestProgress_RefusalsAreThoseOfContract reports over HTTP and over a socket of another instance.
func TestProgress_RefusalsAreThoseOfContract(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f, stranger := newFleet(t, here), newFleet(t, here)
	f.propose(t, auto)
	superseded := f.claim(t)
	_, err := f.device.Release(t.Context(), superseded.ID, client.ReleaseRequest{ClaimToken: superseded.ClaimToken})
	require.NoError(t, err)
	newest := f.claim(t)
	f.propose(t, auto)
	finished := f.claim(t)
	_, err = f.device.SubmitResult(t.Context(), finished.ID, client.ResultRequest{ClaimToken: finished.ClaimToken, Status: "succeeded"})
	require.NoError(t, err)
	f.propose(t, auto)
	expired := f.claimFor(t, time.Second)
	require.Eventually(t, func() bool {
		_, err := f.device.ReportProgress(t.Context(), expired.ID, client.ProgressRequest{ClaimToken: expired.ClaimToken, Seq: 1})
		return err != nil
	}, time.Minute, 20*time.Millisecond)

	forged := newest
	forged.ClaimToken = finished.ClaimToken
	token := there.Login(t, f.device)
	socket := f.deviceSocket(t, there)
	for _, c := range []struct {
		command client.ClaimedCommand
		status  int
		code    string
		state   string // status of the command in the problem
	}{
		{superseded, 409, "claim_superseded", "claimed"}, {forged, 403, "invalid_claim_token", "claimed"},
		{finished, 409, "command_finished", "succeeded"}, {expired, 409, "claim_expired", "queued"},
	} {
		var overHTTP client.Problem
		data := report(c.command, 1, object{"percent": 1, "output": "late"})
		require.NoError(t, json.Unmarshal(callOverHTTP(t, there, token)("progress", data), &overHTTP))
		for _, p := range []client.Problem{overHTTP, socket.RequestError("progress", data)} {
			require.Equal(t, []any{c.status, c.code, c.command.ID, c.state}, []any{p.Status, string(p.Code), p.Command.ID, string(p.Command.Status)})
		}
	}
	_, err = stranger.device.ReportProgress(t.Context(), newest.ID, client.ProgressRequest{ClaimToken: newest.ClaimToken, Seq: 1})
	requireCode(t, "command_not_found", err)
	require.Empty(t, f.output(t, newest.ID, 0).Output)
}

// TestCancel_ReachesTheDeviceInASecond measures the time from the request of a user until the device
// knows: over a socket, and in the response to a report. The device sends one every 500 ms, and the
// user cancels just after one, so that the device learns of it as late as possible. On an idle machine
// the p99 is 49 ms over a socket and 513 ms by reports. The test allows more, because it runs beside others.
func TestCancel_ReachesTheDeviceInASecond(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	t.Run("socket", func(t *testing.T) {
		t.Parallel()
		requireCancelIsHeard(t, here, func(f *fleet, _ client.ClaimedCommand) func() {
			s := f.deviceSocket(t, there)
			return func() { s.NextOf("command.cancel") }
		})
	})
	t.Run("polling", func(t *testing.T) {
		t.Parallel()
		requireCancelIsHeard(t, here, func(f *fleet, c client.ClaimedCommand) func() {
			device := there.Device(f.device.ID, f.device.Secret)
			return func() { reportUntilCancelled(t, device, c) }
		})
	})
}

// requireCancelIsHeard cancels a command of each of many devices. The function listen prepares a device
// and returns a function that waits until it knows.
func requireCancelIsHeard(t *testing.T, g *gatewaytest.Gateway, listen func(*fleet, client.ClaimedCommand) func()) {
	t.Helper()
	const devices, bound = 100, time.Second
	took := make([]time.Duration, devices)
	var running sync.WaitGroup
	for i := range took {
		f := newFleet(t, g)
		f.propose(t, auto)
		c := f.claim(t)
		heard := listen(f, c)
		running.Go(func() {
			start := time.Now()
			_, err := f.alice.Cancel(t.Context(), f.session, c.ID, "enough")
			assert.NoError(t, err)
			heard()
			took[i] = time.Since(start)
		})
	}
	running.Wait()
	slices.Sort(took)
	p99 := took[devices*99/100-1]
	t.Logf("median %s, p99 %s, longest %s", took[devices/2], p99, took[devices-1])
	require.Less(t, took[devices/2], bound)
	require.Less(t, p99, 5*bound, "even beside all other tests, on a machine that they fill")
}

// reportUntilCancelled waits 500 ms and then reports, until the response says that the cancellation was
// requested.
func reportUntilCancelled(t *testing.T, device *client.DeviceClient, c client.ClaimedCommand) {
	for seq, pace := 1, time.NewTicker(500*time.Millisecond); ; seq++ {
		<-pace.C
		reply, err := device.ReportProgress(t.Context(), c.ID, client.ProgressRequest{ClaimToken: c.ClaimToken, Seq: seq})
		if !assert.NoError(t, err) || reply.CancelRequested {
			return
		}
	}
}
