package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// transitionsOf returns the requests of a device whose script checks the login, by the name of
// the script. Each is valid except for the command and the claim token.
func transitionsOf(token string, c client.ClaimedCommand) map[string]gatewaytest.Request {
	claimToken := `"claimToken":"` + c.ClaimToken + `"`
	result := `,"status":"succeeded","output":"","executedAt":"` + time.Now().UTC().Format(time.RFC3339) + `","durationMs":1}`
	requests := map[string]gatewaytest.Request{}
	for name, r := range map[string]struct{ path, body string }{
		"claim":     {"commands/claim", `{}`},
		"extend":    {"commands/" + c.ID + "/extend", `{` + claimToken + `,"extensionMs":60000}`},
		"release":   {"commands/" + c.ID + "/release", `{` + claimToken + `}`},
		"result":    {"commands/" + c.ID + "/result", `{` + claimToken + result},
		"heartbeat": {"heartbeat", `{"status":"ok"}`},
	} {
		requests[name] = gatewaytest.Request{Method: http.MethodPost, Path: "/api/v1/device/" + r.path, Token: token, Body: r.body}
	}
	return requests
}

// known sends a request, after which the instance remembers the login.
func known(t testing.TB, g *gatewaytest.Gateway, token string) {
	t.Helper()
	require.Equal(t, http.StatusOK, g.Do(t, heartbeatWith(token)).Status)
}

func TestLoginCheck_TransitionIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t))
	token := f.Login(t, f.device)
	known(t, f.Gateway, token)
	for _, name := range []string{"claim", "extend", "release", "result", "heartbeat"} {
		f.propose(t, auto)
		c := f.claim(t)
		before := f.Metrics(t)
		require.Equal(t, http.StatusOK, f.Do(t, transitionsOf(token, c)[name]).Status, name)
		after := f.Metrics(t)
		const count = `fieldgate_redis_duration_seconds_count{name="`
		require.EqualValues(t, 1, after[count+name+`"}`]-before[count+name+`"}`], name)
		require.Equal(t, before[count+`check"}`], after[count+`check"}`], name)
	}
}

// TestLoginCheck_EndedLoginIsUnauthorized ends a login that an instance remembers. Whatever is
// wrong with a request, the answer is that of the login.
func TestLoginCheck_EndedLoginIsUnauthorized(t *testing.T) {
	t.Parallel()
	here, there := startTwoInstances(t)
	ends := map[string]func(t testing.TB, f *fleet, token string){
		"logout": func(t testing.TB, _ *fleet, token string) {
			r := gatewaytest.Request{Method: http.MethodDelete, Path: "/api/v1/device/auth", Token: token}
			require.Equal(t, http.StatusNoContent, there.Do(t, r).Status)
		},
	}
	for name, revoke := range revocations {
		ends[name] = func(t testing.TB, f *fleet, _ string) { require.NoError(t, revoke(t, f)) }
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []string{"claim", "extend", "release", "result", "heartbeat"} {
				for fault, change := range faults {
					f := newFleet(t, here)
					f.propose(t, auto)
					token, c := f.Login(t, f.device), f.claim(t)
					known(t, here, token)
					end(t, f, token)
					request := transitionsOf(token, c)[kind]
					change(&request)
					response := here.Do(t, request)
					require.Equal(t, http.StatusUnauthorized, response.Status, "%s of %s", fault, kind)
					require.Equal(t, client.CodeUnauthorized, response.Problem.Code)
					require.NotEmpty(t, here.Log.AccessLine(t, response.Problem.RequestID)["reason"])
				}
			}
		})
	}
}

// faults change a request so that its script is not reached, except for the first.
var faults = map[string]func(*gatewaytest.Request){
	"a valid request": func(*gatewaytest.Request) {},
	"an invalid body": func(r *gatewaytest.Request) { r.Body = `{"status":1}` },
	"no JSON":         func(r *gatewaytest.Request) { r.Body = `{` },
	"another tenant's command": func(r *gatewaytest.Request) {
		id := store.NewID(store.KindCommand, store.PartitionOf("c.other"))
		if before, after, found := strings.Cut(r.Path, "/cmd_"); found {
			_, action, _ := strings.Cut(after, "/")
			r.Path = before + "/" + id + "/" + action
		}
	},
}

// TestLoginCheck_RefusedIsForgotten requires that an instance forgets a login that a transition
// has refused, so that it reads no further bodies of that login.
func TestLoginCheck_RefusedIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, guarded))
	token := f.Login(t, f.device)
	known(t, f.Gateway, token)
	_, err := f.alice.RevokeLogins(t.Context(), f.device.ID, "")
	require.NoError(t, err)
	checks, heartbeats := roundTrips(t, f.Gateway, "check"), roundTrips(t, f.Gateway, "heartbeat")
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, f.Do(t, heartbeatWith(token)).Status)
	}
	require.EqualValues(t, 1, roundTrips(t, f.Gateway, "heartbeat")-heartbeats)
	require.EqualValues(t, 1, roundTrips(t, f.Gateway, "check")-checks)
}

// TestLoginCheck_RateLimitComesBeforeValidation uses up the limit of a device that the instance
// remembers, with requests whose body is invalid.
func TestLoginCheck_RateLimitComesBeforeValidation(t *testing.T) {
	t.Parallel()
	f := newFleet(t, gatewaytest.Start(t, func(cfg *gateway.Config) { cfg.DeviceRate = device.Rate{PerMinute: 1, Burst: 4} }))
	token := f.Login(t, f.device)
	known(t, f.Gateway, token)
	invalid := heartbeatWith(token)
	invalid.Body = `{"status":1}`
	for range 3 {
		require.Equal(t, http.StatusBadRequest, f.Do(t, invalid).Status)
	}
	for range 2 {
		response := f.Do(t, invalid)
		require.Equal(t, http.StatusTooManyRequests, response.Status)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
		require.Equal(t, http.StatusTooManyRequests, f.Do(t, heartbeatWith(token)).Status)
	}
}

// TestLoginCheck_FrameOfEndedLogin ends the login of a socket without a wake-up, and requires that
// the next frame closes it and changes nothing, valid or not.
func TestLoginCheck_FrameOfEndedLogin(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	g := gatewaytest.Start(t, gatewaytest.WithRedis(server.URL()))
	for _, kind := range []string{"claim", "extend", "release", "result", "heartbeat", "unknown"} {
		for _, valid := range []bool{true, false} {
			f := newFleet(t, g)
			f.propose(t, auto)
			c := f.claim(t)
			s := f.deviceSocket(t, g)
			data := frameData(kind, c)
			if !valid {
				data = object{"status": 1}
			}
			require.NoError(t, server.Client(t).HIncrBy(t.Context(), store.DeviceKey(f.device.ID), "epoch", 1).Err())
			s.Send(kind, data)
			require.Equal(t, 4003, s.CloseCode(), "%s %t", kind, valid)
			require.EqualValues(t, "claimed", f.command(t, c.ID).Status)
		}
	}
}

// frameData returns valid data for a frame about a claimed command.
func frameData(kind string, c client.ClaimedCommand) object {
	data := object{"commandId": c.ID, "claimToken": c.ClaimToken}
	switch kind {
	case "claim", "unknown":
		return object{}
	case "heartbeat":
		return object{"status": "ok"}
	case "extend":
		data["extensionMs"] = 60_000
	case "result":
		data["status"], data["output"] = "succeeded", ""
		data["executedAt"], data["durationMs"] = "2026-01-01T00:00:00Z", 1
	}
	return data
}
