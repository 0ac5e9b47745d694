package gateway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// object is the data of a frame.
type object = map[string]any

// deviceCall makes a request as a device and returns the data of the response, which may
// be a problem document.
type deviceCall func(kind string, data object) (response json.RawMessage)

// callOverSocket returns a deviceCall that sends frames.
func callOverSocket(s *gatewaytest.Socket) deviceCall {
	return func(kind string, data object) json.RawMessage { return s.StartRequest(kind, data)().Data }
}

// callOverHTTP returns a deviceCall that sends HTTP requests.
func callOverHTTP(t testing.TB, g *gatewaytest.Gateway, token string) deviceCall {
	return func(kind string, data object) json.RawMessage {
		t.Helper()
		request := gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/" + kind, Token: token, Header: http.Header{}}
		data = maps.Clone(data)
		if key, ok := data["idempotencyKey"].(string); ok {
			request.Header.Set("Idempotency-Key", key)
			delete(data, "idempotencyKey")
		}
		if kind != "heartbeat" {
			request.Path = "/api/v1/device/commands/" + kind
		}
		if id, ok := data["commandId"].(string); ok {
			request.Path = "/api/v1/device/commands/" + id + "/" + kind
			delete(data, "commandId")
		}
		body, err := json.Marshal(data)
		require.NoError(t, err)
		request.Body = string(body)
		return json.RawMessage(g.Do(t, request).Body)
	}
}

// commands decodes the response to a claim.
func commands(t testing.TB, response json.RawMessage) []client.ClaimedCommand {
	t.Helper()
	var claimed struct{ Commands []client.ClaimedCommand }
	require.NoError(t, json.Unmarshal(response, &claimed), "%s", response)
	return claimed.Commands
}

// runDeviceLifecycle makes every kind of call that a device can make, including those that
// are refused. It returns the kinds of the calls and their normalized responses.
func runDeviceLifecycle(t testing.TB, f *fleet, call deviceCall) (responses []any) {
	t.Helper()
	send := func(kind string, data object) json.RawMessage {
		response := call(kind, data)
		responses = append(responses, kind, normalized(t, response))
		return response
	}
	send("claim", object{})
	send("heartbeat", object{"status": "busy", "metrics": object{"cpuPercent": 12.5}, "firmwareVersion": "2.8.1"})
	f.propose(t, auto)
	approved := f.propose(t, review)
	f.decide(t, approved, true)
	send("heartbeat", object{"status": "ok"})

	first := commands(t, send("claim", object{"limit": 1, "visibilityTimeoutMs": longLeaseMs, "waitMs": 1000, "idempotencyKey": "key-1"}))[0]
	send("claim", object{"limit": 1, "visibilityTimeoutMs": longLeaseMs, "waitMs": 1000, "idempotencyKey": "key-1"})
	send("claim", object{"limit": 2, "visibilityTimeoutMs": longLeaseMs, "idempotencyKey": "key-1"})
	claim := object{"commandId": first.ID, "claimToken": first.ClaimToken}
	with := func(more object) object {
		all := maps.Clone(claim)
		maps.Copy(all, more)
		return all
	}
	send("extend", with(object{"extensionMs": longLeaseMs}))
	send("release", with(object{"reason": "rebooting"}))
	send("extend", with(object{"extensionMs": longLeaseMs}))
	send("release", claim)

	both := commands(t, send("claim", object{"limit": 2, "visibilityTimeoutMs": longLeaseMs}))
	claim = object{"commandId": both[0].ID, "claimToken": both[0].ClaimToken}
	send("result", object{"commandId": first.ID, "claimToken": first.ClaimToken, "status": "failed"})
	send("result", with(object{"claimToken": "never-issued", "status": "failed"}))
	done := with(object{
		"status": "succeeded", "output": "done\n", "data": object{"pid": 4711, "big": 9007199254740993},
		"executedAt": "2025-11-22T20:16:11.300Z", "durationMs": 8420,
	})
	send("result", done)
	send("result", done)
	send("result", with(object{"status": "failed", "error": "no"}))
	send("extend", with(object{"extensionMs": 1000}))
	_, err := f.alice.Cancel(t.Context(), f.session, both[1].ID, "wrong service")
	require.NoError(t, err)
	send("heartbeat", object{"status": "error"})
	claim = object{"commandId": both[1].ID, "claimToken": both[1].ClaimToken}
	send("extend", with(object{"extensionMs": longLeaseMs}))
	send("result", with(object{"status": "cancelled"}))
	for _, id := range []string{"cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm", "dev_1", "x"} {
		claim["commandId"] = id
		send("extend", with(object{"extensionMs": 1000}))
		send("release", claim)
		send("result", with(object{"status": "failed"}))
	}
	return responses
}

func TestDeviceSocket_RepliesEqualHTTPResponses(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		one, another := newFleet(t, g), newFleet(t, g)
		overSocket := runDeviceLifecycle(t, one, callOverSocket(one.deviceSocket(t, g)))
		overHTTP := runDeviceLifecycle(t, another, callOverHTTP(t, g, another.Login(t, another.device)))
		require.Len(t, overSocket, len(overHTTP))
		for i := range overHTTP {
			require.Equal(t, overHTTP[i], overSocket[i], "response %d", i/2)
		}

		finished := one.command(t, one.commandIDs(t)[0])
		require.Equal(t, client.CommandStatusSucceeded, finished.Status)
		require.EqualValues(t, 8420, finished.Result.DurationMs)
	})
}

// commandIDs returns the ids of all commands of the session, sorted.
func (f *fleet) commandIDs(t testing.TB) (ids []string) {
	t.Helper()
	session, err := f.alice.Session(t.Context(), f.session)
	require.NoError(t, err)
	for _, c := range session.Commands {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// invalidData lists data that the gateway must refuse, by frame type. Each entry has the
// JSON pointer and the keyword of the first error. An HTTP request with the same field in
// its body gets the same error.
var invalidData = map[string][]struct {
	data    object
	pointer string
	keyword string
}{
	"claim": {
		{object{"limit": 0}, "/limit", "minimum"},
		{object{"limit": 11}, "/limit", "maximum"},
		{object{"limit": 1.5}, "/limit", "type"},
		{object{"limit": "1"}, "/limit", "type"},
		{object{"visibilityTimeoutMs": 999}, "/visibilityTimeoutMs", "minimum"},
		{object{"visibilityTimeoutMs": 3_600_001}, "/visibilityTimeoutMs", "maximum"},
		{object{"waitMs": -1}, "/waitMs", "minimum"},
		{object{"waitMs": 30_001}, "/waitMs", "maximum"},
		{object{"commandId": "cmd_1"}, "", "additionalProperties"},
		{object{"idempotencyKey": 5}, "/idempotencyKey", "type"},
		{object{"idempotencyKey": ""}, "/idempotencyKey", "minLength"},
		{object{"idempotencyKey": "two words"}, "/idempotencyKey", "pattern"},
	},
	"extend": {
		{object{"claimToken": "x", "extensionMs": 1000}, "/commandId", "required"},
		{object{"commandId": "c", "extensionMs": 1000}, "/claimToken", "required"},
		{object{"commandId": "c", "claimToken": "x"}, "/extensionMs", "required"},
		{object{"commandId": "c", "claimToken": "", "extensionMs": 1000}, "/claimToken", "minLength"},
		{object{"commandId": "c", "claimToken": "x", "extensionMs": 999}, "/extensionMs", "minimum"},
		{object{"commandId": "c", "claimToken": "x", "extensionMs": 3_600_001}, "/extensionMs", "maximum"},
		{object{"commandId": 7, "claimToken": "x", "extensionMs": 1000}, "/commandId", "type"},
		{object{"commandId": "../c", "claimToken": "x", "extensionMs": 1000}, "/commandId", "pattern"},
	},
	"release": {
		{object{"claimToken": "x"}, "/commandId", "required"},
		{object{"commandId": "c"}, "/claimToken", "required"},
		{object{"commandId": "c", "claimToken": "x", "reason": 5}, "/reason", "type"},
		{object{"commandId": "c", "claimToken": "x", "because": "so"}, "", "additionalProperties"},
	},
	"result": {
		{object{"claimToken": "x", "status": "failed"}, "/commandId", "required"},
		{object{"commandId": "c", "claimToken": "x"}, "/status", "required"},
		{object{"commandId": "c", "claimToken": "x", "status": "done"}, "/status", "enum"},
		{object{"commandId": "c", "claimToken": "x", "status": "failed", "data": []int{1}}, "/data", "type"},
		{object{"commandId": "c", "claimToken": "x", "status": "failed", "durationMs": -1}, "/durationMs", "minimum"},
		{object{"commandId": "c", "claimToken": "x", "status": "failed", "executedAt": "2025-02-30T00:00:00Z"}, "/executedAt", "format"},
	},
	"heartbeat": {
		{object{}, "/status", "required"},
		{object{"status": "fine"}, "/status", "enum"},
		{object{"status": "ok", "metrics": object{"cpu": "high"}}, "/metrics", "type"},
		{object{"status": "ok", "metrics": []int{}}, "/metrics", "type"},
	},
}

func TestDeviceSocket_RefusesInvalidFramesAsHTTPDoes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s, token := f.deviceSocket(t, g), f.Login(t, f.device)
	for kind, rows := range invalidData {
		for i, row := range rows {
			problem := s.RequestError(kind, row.data)
			name := fmt.Sprintf("%s %d: %v", kind, i, row.data)
			require.Equal(t, client.CodeValidationFailed, problem.Code, name)
			require.NotEmpty(t, problem.Errors, name)
			require.Equal(t, row.pointer, problem.Errors[0].Pointer, name)
			require.Equal(t, row.keyword, problem.Errors[0].Keyword, name)
			if row.pointer == "/commandId" || row.pointer == "/idempotencyKey" || row.keyword == "additionalProperties" {
				continue
			}
			var overHTTP client.Problem
			require.NoError(t, json.Unmarshal(callOverHTTP(t, g, token)(kind, row.data), &overHTTP))
			require.Equal(t, overHTTP.Errors, problem.Errors, name)
			require.Equal(t, overHTTP.Detail, problem.Detail, name)
		}
	}
	for _, kind := range []string{"extend", "release", "result", "heartbeat"} {
		require.Equal(t, client.CodeValidationFailed, s.RequestError(kind, nil).Code, "%s without data", kind)
		for _, data := range []any{[]int{}, "text", 5, true} {
			require.Equal(t, client.CodeValidationFailed, s.RequestError(kind, data).Code, "%s with %v", kind, data)
		}
	}
	for _, kind := range []string{"subscribe", "refresh", "reply", "welcome", "Claim", "nothing"} {
		require.Equal(t, "/type", s.RequestError(kind, object{}).Errors[0].Pointer, kind)
	}
}

func TestDeviceSocket_ServesFrameWithoutRequestID(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	s := f.deviceSocket(t, g)
	claimed := commands(t, s.Request("claim", nil, nil).Data)[0]

	s.Send("result", object{"commandId": claimed.ID, "claimToken": claimed.ClaimToken, "status": "succeeded"})
	eventually(t, func() bool { return f.command(t, claimed.ID).Status == client.CommandStatusSucceeded }, "the frame was not served")
	s.Barrier()
	require.Empty(t, s.TakePushed())

	s.Send("result", object{"commandId": claimed.ID})
	refused := s.NextOf("error")
	require.Empty(t, refused.RequestID)
	var problem client.Problem
	refused.Decode(t, &problem)
	require.Equal(t, client.CodeValidationFailed, problem.Code)
	require.NotEmpty(t, problem.RequestID)
	eventually(t, func() bool { return len(g.Log.Lines("frame", problem.RequestID)) == 1 }, "the log does not name the request")
}

func TestDeviceSocket_RepliesOnceAndConcurrently(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	s := f.deviceSocket(t, there)
	const waiting = 2 // maximum number of waiting claims of a device
	claims := make([]gatewaytest.PendingReply, waiting)
	for i := range claims {
		claims[i] = s.StartRequest("claim", object{"waitMs": 30_000, "visibilityTimeoutMs": longLeaseMs / 2})
	}
	awaitWaitingClaims(t, there, waiting)
	for range 3 { // other requests get a reply while the claims wait
		s.Request("ping", nil, nil)
		s.Request("heartbeat", object{"status": "ok"}, nil)
	}
	proposed := map[string]bool{}
	for range waiting {
		proposed[f.propose(t, auto).ID] = true
	}
	var claimed []client.ClaimedCommand
	for _, claim := range claims {
		claimed = append(claimed, commands(t, claim().Data)...)
	}
	require.Len(t, claimed, waiting, "each claim gets one command")
	var extensions []gatewaytest.PendingReply
	for _, c := range claimed {
		require.True(t, proposed[c.ID])
		delete(proposed, c.ID)
		extensions = append(extensions, s.StartRequest("extend", object{"commandId": c.ID, "claimToken": c.ClaimToken, "extensionMs": longLeaseMs}))
	}
	for i, extension := range extensions {
		var lease client.Lease
		extension().Decode(t, &lease)
		require.Equal(t, claimed[i].ID, lease.CommandID)
		require.Greater(t, lease.LeaseRemainingMs, longLeaseMs*3/4)
	}
}

func TestDeviceSocket_NotifiesOfCommandsAndCancels(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	f := newFleet(t, here)
	s := f.deviceSocket(t, there)
	var available struct{ Pending int }
	f.propose(t, auto)
	s.NextOf("commands.available").Decode(t, &available)
	require.Equal(t, 1, available.Pending)
	proposed := f.propose(t, review)
	f.decide(t, proposed, true)
	s.NextOf("commands.available").Decode(t, &available)
	require.Equal(t, 2, available.Pending, "a command that waits for an approval is not announced")

	claimed := commands(t, s.Request("claim", object{"limit": 2, "visibilityTimeoutMs": longLeaseMs}, nil).Data)
	_, err := f.alice.Cancel(t.Context(), f.session, claimed[0].ID, "wrong host")
	require.NoError(t, err)
	var cancel struct{ CommandID, Reason string }
	s.NextOf("command.cancel").Decode(t, &cancel)
	require.Equal(t, claimed[0].ID, cancel.CommandID)
	require.Equal(t, "wrong host", cancel.Reason)

	s.Request("release", object{"commandId": claimed[1].ID, "claimToken": claimed[1].ClaimToken}, nil)
	s.NextOf("commands.available").Decode(t, &available)
	require.Equal(t, 1, available.Pending)
}

// TestDeviceSocket_WaitingClaimEndsWithItsSocket closes a socket on which a claim
// waits. The claim must take no command afterwards, because the device would not receive
// that command.
func TestDeviceSocket_WaitingClaimEndsWithItsSocket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	for name, end := range map[string]func(s *gatewaytest.Socket){
		"the device closes the socket": func(s *gatewaytest.Socket) { s.Close() },
		"the connection is dropped":    func(s *gatewaytest.Socket) { s.Drop() },
		"a newer socket takes over":    func(s *gatewaytest.Socket) { f.deviceSocket(t, g); require.Equal(t, 4009, s.CloseCode()) },
	} {
		s := f.deviceSocket(t, g)
		s.StartRequest("claim", object{"waitMs": 30_000})
		awaitWaitingClaims(t, g, 1)
		end(s)
		awaitWaitingClaims(t, g, 0)
		proposed := f.propose(t, auto, func(r *client.ProposeCommandRequest) { r.MaxAttempts = 1 })
		claimed := f.claim(t)
		require.Equal(t, proposed.ID, claimed.ID, name)
		require.Equal(t, 1, claimed.Attempt, name)
		_, err := f.device.SubmitResult(t.Context(), claimed.ID, succeeded(claimed))
		require.NoError(t, err)
	}
}

func TestDeviceSocket_HeartbeatUpdatesDevice(t *testing.T) {
	t.Parallel()
	gatewaytest.ForEachStore(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		s := f.deviceSocket(t, g)
		require.Equal(t, 25*time.Second, s.PingInterval)
		var reply client.HeartbeatReply
		s.Request("heartbeat", object{"status": "degraded", "metrics": object{"load": 3}}, &reply)
		require.WithinDuration(t, time.Now(), reply.ServerTime, time.Minute)
		d, err := f.alice.Device(t.Context(), f.device.ID)
		require.NoError(t, err)
		require.Equal(t, client.DevicePresenceOnline, d.Presence)
		require.EqualValues(t, "degraded", d.LastHeartbeat.Status)
		require.Equal(t, 3.0, d.Metrics["load"])
	})
}
