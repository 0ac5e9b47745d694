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

// says is a way to say something as a device; what comes back is what was answered.
type says func(kind string, data object) (answer json.RawMessage)

// overSocket says it in a frame.
func overSocket(s *gatewaytest.Socket) says {
	return func(kind string, data object) json.RawMessage { return s.Ask(kind, data)().Data }
}

// overHTTP says it in a request.
func overHTTP(t testing.TB, g *gatewaytest.Gateway, token string) says {
	return func(kind string, data object) json.RawMessage {
		t.Helper()
		call := gatewaytest.Call{Method: http.MethodPost, Path: "/api/v1/device/" + kind, Token: token, Header: http.Header{}}
		data = maps.Clone(data)
		if key, ok := data["idempotencyKey"].(string); ok {
			call.Header.Set("Idempotency-Key", key)
			delete(data, "idempotencyKey")
		}
		if kind != "heartbeat" {
			call.Path = "/api/v1/device/commands/" + kind
		}
		if id, ok := data["commandId"].(string); ok {
			call.Path = "/api/v1/device/commands/" + id + "/" + kind
			delete(data, "commandId")
		}
		body, err := json.Marshal(data)
		require.NoError(t, err)
		call.Body = string(body)
		return json.RawMessage(g.Ask(t, call).Body)
	}
}

// commands reads what a claim was answered.
func commands(t testing.TB, answer json.RawMessage) []client.ClaimedCommand {
	t.Helper()
	var claimed struct{ Commands []client.ClaimedCommand }
	require.NoError(t, json.Unmarshal(answer, &claimed), "%s", answer)
	return claimed.Commands
}

// lifeOfADevice says everything that a device can say, with what is refused too, and
// gives what was answered.
func lifeOfADevice(t testing.TB, f *fleet, say says) (answers []any) {
	t.Helper()
	note := func(kind string, data object) json.RawMessage {
		answer := say(kind, data)
		answers = append(answers, kind, masked(t, answer))
		return answer
	}
	note("claim", object{})
	note("heartbeat", object{"status": "busy", "metrics": object{"cpuPercent": 12.5}, "firmwareVersion": "2.8.1"})
	f.propose(t, auto)
	approved := f.propose(t, review)
	f.decide(t, approved, true)
	note("heartbeat", object{"status": "ok"})

	first := commands(t, note("claim", object{"limit": 1, "visibilityTimeoutMs": 60_000, "waitMs": 1000, "idempotencyKey": "key-1"}))[0]
	note("claim", object{"limit": 1, "visibilityTimeoutMs": 60_000, "waitMs": 1000, "idempotencyKey": "key-1"})
	note("claim", object{"limit": 2, "visibilityTimeoutMs": 60_000, "idempotencyKey": "key-1"})
	held := object{"commandId": first.ID, "claimToken": first.ClaimToken}
	with := func(more object) object {
		all := maps.Clone(held)
		maps.Copy(all, more)
		return all
	}
	note("extend", with(object{"extensionMs": 90_000}))
	note("release", with(object{"reason": "rebooting"}))
	note("extend", with(object{"extensionMs": 90_000}))
	note("release", held)

	both := commands(t, note("claim", object{"limit": 2}))
	held = object{"commandId": both[0].ID, "claimToken": both[0].ClaimToken}
	note("result", object{"commandId": first.ID, "claimToken": first.ClaimToken, "status": "failed"})
	note("result", with(object{"claimToken": "never-given-out", "status": "failed"}))
	done := with(object{
		"status": "succeeded", "output": "done\n", "data": object{"pid": 4711, "big": 9007199254740993},
		"executedAt": "2025-11-22T20:16:11.300Z", "durationMs": 8420,
	})
	note("result", done)
	note("result", done)
	note("result", with(object{"status": "failed", "error": "no"}))
	note("extend", with(object{"extensionMs": 1000}))
	_, err := f.alice.Cancel(t.Context(), f.session, both[1].ID, "wrong service")
	require.NoError(t, err)
	note("heartbeat", object{"status": "error"})
	held = object{"commandId": both[1].ID, "claimToken": both[1].ClaimToken}
	note("extend", with(object{"extensionMs": 1000}))
	note("result", with(object{"status": "cancelled"}))
	for _, id := range []string{"cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm", "dev_1", "x"} {
		held["commandId"] = id
		note("extend", with(object{"extensionMs": 1000}))
		note("release", held)
		note("result", with(object{"status": "failed"}))
	}
	return answers
}

func TestADeviceIsAnsweredOverItsSocketAsOverHTTP(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		one, another := newFleet(t, g), newFleet(t, g)
		spoken := lifeOfADevice(t, one, overSocket(one.socket(t, g)))
		posted := lifeOfADevice(t, another, overHTTP(t, g, another.Login(t, another.device)))
		require.Len(t, spoken, len(posted))
		for i := range posted {
			require.Equal(t, posted[i], spoken[i], "answer %d", i/2)
		}

		listed := one.command(t, onlyCommands(t, one)[0])
		require.Equal(t, client.CommandStatusSucceeded, listed.Status)
		require.EqualValues(t, 8420, listed.Result.DurationMs)
	})
}

func onlyCommands(t testing.TB, f *fleet) (ids []string) {
	t.Helper()
	session, err := f.alice.Session(t.Context(), f.session)
	require.NoError(t, err)
	for _, c := range session.Commands {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// wrongData is data that each frame refuses, by where and why. Where HTTP has it in
// the body too, it is refused there in the same words.
var wrongData = map[string][]struct {
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

func TestWhatTheContractDoesNotAllowIsRefusedInAFrameAsInARequest(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	s, token := f.socket(t, g), f.Login(t, f.device)
	for kind, rows := range wrongData {
		for i, row := range rows {
			problem := s.Refused(kind, row.data)
			name := fmt.Sprintf("%s %d: %v", kind, i, row.data)
			require.Equal(t, client.CodeValidationFailed, problem.Code, name)
			require.NotEmpty(t, problem.Errors, name)
			require.Equal(t, row.pointer, problem.Errors[0].Pointer, name)
			require.Equal(t, row.keyword, problem.Errors[0].Keyword, name)
			if row.pointer == "/commandId" || row.pointer == "/idempotencyKey" || row.keyword == "additionalProperties" {
				continue
			}
			var posted client.Problem
			require.NoError(t, json.Unmarshal(overHTTP(t, g, token)(kind, row.data), &posted))
			require.Equal(t, posted.Errors, problem.Errors, name)
			require.Equal(t, posted.Detail, problem.Detail, name)
		}
	}
	for _, kind := range []string{"extend", "release", "result", "heartbeat"} {
		require.Equal(t, client.CodeValidationFailed, s.Refused(kind, nil).Code, "%s without data", kind)
		for _, data := range []any{[]int{}, "text", 5, true} {
			require.Equal(t, client.CodeValidationFailed, s.Refused(kind, data).Code, "%s with %v", kind, data)
		}
	}
	for _, kind := range []string{"subscribe", "refresh", "reply", "welcome", "Claim", "nothing"} {
		require.Equal(t, "/type", s.Refused(kind, object{}).Errors[0].Pointer, kind)
	}
}

func TestAFrameThatAsksForNoAnswerIsServedAllTheSame(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	s := f.socket(t, g)
	claimed := commands(t, s.Request("claim", nil, nil).Data)[0]

	s.Send("result", object{"commandId": claimed.ID, "claimToken": claimed.ClaimToken, "status": "succeeded"})
	eventually(t, func() bool { return f.command(t, claimed.ID).Status == client.CommandStatusSucceeded }, "it was not served")
	s.Barrier()
	require.Empty(t, s.Pushed())

	s.Send("result", object{"commandId": claimed.ID})
	refused := s.NextOf("error")
	require.Empty(t, refused.RequestID)
	var problem client.Problem
	refused.Into(t, &problem)
	require.Equal(t, client.CodeValidationFailed, problem.Code)
	require.NotEmpty(t, problem.RequestID)
	eventually(t, func() bool { return len(g.Log.Lines("frame", problem.RequestID)) == 1 }, "the log does not name the request")
}

func TestEveryFrameIsAnsweredOnceAndNoneHoldsAnotherUp(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	s := f.socket(t, there)
	const waiting = 8
	claims := make([]gatewaytest.Pending, waiting)
	for i := range claims {
		claims[i] = s.Ask("claim", object{"waitMs": 30_000, "visibilityTimeoutMs": 60_000})
	}
	awaitWaitingClaims(t, there, waiting)
	for range 3 { // while they wait, everything else is answered
		s.Request("ping", nil, nil)
		s.Request("heartbeat", object{"status": "ok"}, nil)
	}
	proposed := map[string]bool{}
	for range waiting {
		proposed[f.propose(t, auto).ID] = true
	}
	var held []client.ClaimedCommand
	for _, claim := range claims {
		held = append(held, commands(t, claim().Data)...)
	}
	require.Len(t, held, waiting, "each claim gets one")
	var extensions []gatewaytest.Pending
	for _, c := range held {
		require.True(t, proposed[c.ID])
		delete(proposed, c.ID)
		extensions = append(extensions, s.Ask("extend", object{"commandId": c.ID, "claimToken": c.ClaimToken, "extensionMs": 120_000}))
	}
	for i, extension := range extensions {
		var lease client.Lease
		extension().Into(t, &lease)
		require.Equal(t, held[i].ID, lease.CommandID)
		require.Greater(t, lease.LeaseRemainingMs, 100_000)
	}
}

func TestADeviceIsToldOfWhatItCouldClaimAndOfWhatIsToBeStopped(t *testing.T) {
	t.Parallel()
	here, there := twoOnOneRedis(t)
	f := newFleet(t, here)
	s := f.socket(t, there)
	var available struct{ Pending int }
	f.propose(t, auto)
	s.NextOf("commands.available").Into(t, &available)
	require.Equal(t, 1, available.Pending)
	asked := f.propose(t, review)
	f.decide(t, asked, true)
	s.NextOf("commands.available").Into(t, &available)
	require.Equal(t, 2, available.Pending, "nobody is told of what waits for a person")

	claimed := commands(t, s.Request("claim", object{"limit": 2}, nil).Data)
	_, err := f.alice.Cancel(t.Context(), f.session, claimed[0].ID, "wrong host")
	require.NoError(t, err)
	var cancel struct{ CommandID, Reason string }
	s.NextOf("command.cancel").Into(t, &cancel)
	require.Equal(t, claimed[0].ID, cancel.CommandID)
	require.Equal(t, "wrong host", cancel.Reason)

	s.Request("release", object{"commandId": claimed[1].ID, "claimToken": claimed[1].ClaimToken}, nil)
	s.NextOf("commands.available").Into(t, &available)
	require.Equal(t, 1, available.Pending)
}

// What waits on a socket that ends must not win a command: nobody would be told.
func TestAClaimThatWaitsEndsWithItsSocketAndTakesNothing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	for name, end := range map[string]func(s *gatewaytest.Socket){
		"the device says goodbye":  func(s *gatewaytest.Socket) { s.Goodbye() },
		"the connection is cut":    func(s *gatewaytest.Socket) { s.Cut() },
		"a newer socket takes its": func(s *gatewaytest.Socket) { f.socket(t, g); require.Equal(t, 4009, s.CloseCode()) },
	} {
		s := f.socket(t, g)
		s.Ask("claim", object{"waitMs": 30_000})
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

func TestAHeartbeatOverTheSocketIsThatOfTheDevice(t *testing.T) {
	t.Parallel()
	gatewaytest.Each(t, func(t *testing.T, g *gatewaytest.Gateway) {
		f := newFleet(t, g)
		s := f.socket(t, g)
		require.Equal(t, 25*time.Second, s.Greeting)
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
