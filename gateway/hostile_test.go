package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
)

// TestProgress_HostileReportsAreRefused sends reports with values out of bounds, over HTTP and over a socket.
// None changes what is kept.
func TestProgress_HostileReportsAreRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	running := f.claim(t)
	token, socket := g.Login(t, f.device), f.deviceSocket(t, g)
	callOverHTTP(t, g, token)("progress", report(running, 5, object{"percent": 1, "output": "kept"}))
	for name, wrong := range map[string]string{
		"negative percent": `"percent":-1`, "percent just below": `"percent":-0.0000001`, "percent above": `"percent":100.0000001`,
		"infinite percent": `"percent":1e999`, "percent as text": `"percent":"5"`, "no percent": `"percent":null`,
		"negative number": `"seq":-1`, "fraction": `"seq":6.5`, "exponent": `"seq":1e3`, "too large a number": `"seq":100000000000000`,
		"huge number": `"seq":` + strings.Repeat("9", 300), "number as text": `"seq":"6"`, "number twice": `"seq":6,"seq":7`,
		"long message": `"message":"` + strings.Repeat("😀", 257) + `"`, "huge chunk": `"output":"` + strings.Repeat("x", 32769) + `"`,
		"half a surrogate": `"output":"\ud800"`, "chunk as list": `"output":["x"]`, "unknown field": `"position":0`,
		"long token": `"claimToken":"` + strings.Repeat("t", 10_000) + `"`, "token as object": `"claimToken":{}`,
	} {
		fields := map[string]string{"seq": `"seq":6`, "claimToken": `"claimToken":"` + running.ClaimToken + `"`}
		for field := range fields {
			if strings.HasPrefix(wrong, `"`+field+`"`) {
				delete(fields, field)
			}
		}
		body := wrong
		for field := range maps.Values(fields) {
			body += "," + field
		}
		response := g.Do(t, gatewaytest.Request{
			Method: http.MethodPost, Path: "/api/v1/device/commands/" + running.ID + "/progress", Token: token, Body: "{" + body + "}",
		})
		require.Equal(t, http.StatusBadRequest, response.Status, "%s: %s", name, response.Body)
		problem := socket.RequestError("progress", json.RawMessage(`{"commandId":"`+running.ID+`",`+body+`}`))
		require.Equal(t, client.ProblemCode("validation_failed"), problem.Code, name)
	}
	o := f.output(t, running.ID, 0)
	require.Equal(t, []any{"kept", 5, 1.0}, []any{o.Output, o.Seq, *o.Percent})
}

// TestProgress_ExtremeReportsAreKept sends the largest values, and texts that a terminal or JSON could take
// for something else. They come back as they were.
func TestProgress_ExtremeReportsAreKept(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	f.propose(t, auto)
	running := f.claim(t)
	device := callOverHTTP(t, g, g.Login(t, f.device))
	const last = 99999999999999
	all := ""
	for i, output := range []string{strings.Repeat("\x01", 32768), strings.Repeat("😀", 8192), "\x00\x1b[2J\r\n\"\\\u2028", "</script>"} {
		message := strings.Repeat("\x1f", 256)
		var reply client.ProgressReply
		require.NoError(t, json.Unmarshal(device("progress", report(running, last-3+i, object{"percent": 1e-300, "message": message, "output": output})), &reply))
		require.Equal(t, last-3+i, reply.Seq)
		all += output
		o := f.output(t, running.ID, 0)
		require.Equal(t, []any{all, message, last - 3 + i}, []any{o.Output, o.Message, o.Seq})
	}
	require.Equal(t, last-4, f.output(t, running.ID, 0).Missed)
	o := f.output(t, running.ID, last)
	require.Equal(t, []any{"", len(all), len(all)}, []any{o.Output, o.From, o.NextSince})
	inside := f.output(t, running.ID, 32768+2) // within a character
	require.Equal(t, 32768+4, inside.From)
	require.Equal(t, all[32768+4:], inside.Output)
}

// TestOutput_HostileReadsAreRefused reads with positions that are none, and output of other tenants.
func TestOutput_HostileReadsAreRefused(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f, stranger := newFleet(t, g), newFleet(t, g)
	f.propose(t, auto)
	running := f.claim(t)
	callOverHTTP(t, g, g.Login(t, f.device))("progress", report(running, 1, object{"output": "secret"}))
	read := func(token, session, command, query string) gatewaytest.Response {
		path := "/api/v1/customer/sessions/" + session + "/commands/" + command + "/output" + query
		return g.Do(t, gatewaytest.Request{Method: http.MethodGet, Path: path, Token: token})
	}
	viewer := g.Token(f.tenantID, "alice", "viewer")
	for _, since := range []string{"-1", "x", "1.5", "1e3", "0x10", "100000000000000", strings.Repeat("9", 400), "", "%00", "1&since=2", "null", "%2B1", "１"} {
		require.Equal(t, http.StatusBadRequest, read(viewer, f.session, running.ID, "?since="+since).Status, since)
	}
	require.Equal(t, http.StatusOK, read(viewer, f.session, running.ID, "?since=99999999999999").Status)
	other := g.Token(stranger.tenantID, "alice", "admin")
	for name, response := range map[string]gatewaytest.Response{
		"session and command of another tenant": read(other, f.session, running.ID, ""),
		"command of another tenant":             read(other, stranger.session, running.ID, ""),
		"session of another tenant":             read(viewer, stranger.session, running.ID, ""),
		"command that does not exist":           read(viewer, f.session, store.NewID(store.KindCommand, gatewaytest.PartitionOf(f.tenantID)), ""),
	} {
		require.Equal(t, http.StatusNotFound, response.Status, name)
		require.NotContains(t, response.Body, "secret")
	}
	require.Equal(t, http.StatusUnauthorized, read(g.Login(t, f.device), f.session, running.ID, "").Status, "the login of a device")
}

// TestResolveIdentity_HostileRequestsChangeNothing resolves a conflict as others than an admin of the tenant, and
// with instances that are none of the conflict.
func TestResolveIdentity_HostileRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f, stranger := newFleet(t, g), newFleet(t, g)
	for _, id := range []string{"a", `b"\`, "a"} {
		_, err := f.device.Claim(t.Context(), client.ClaimRequest{InstanceID: id})
		require.NoError(t, err)
	}
	resolve := func(token, body string) gatewaytest.Response {
		return g.Do(t, gatewaytest.Request{
			Method: http.MethodPost, Path: "/api/v1/customer/devices/" + f.device.ID + "/resolve-identity", Token: token, Body: body,
		})
	}
	admin := g.Token(f.tenantID, "alice", "admin")
	for body, status := range map[string]int{
		`{}`: 400, `{"keep":""}`: 400, `{"keep":"c"}`: 400, `{"keep":"A"}`: 400, `{"keep":"a\n"}`: 400, `{"keep":null}`: 400, `{"keep":["a"]}`: 400,
		`{"keep":"` + strings.Repeat("a", 129) + `"}`: 400, `{"keep":"a","keep":"newest"}`: 400, `{"keep":"a","deviceId":"x"}`: 400,
		`{"keep":"a","reason":"` + strings.Repeat("r", 10_000) + `"}`: 400,
	} {
		require.Equal(t, status, resolve(admin, body).Status, body)
	}
	require.Equal(t, http.StatusNotFound, resolve(g.Token(stranger.tenantID, "alice", "admin"), `{"keep":"newest"}`).Status)
	require.Equal(t, http.StatusForbidden, resolve(g.Token(f.tenantID, "bob", "approver"), `{"keep":"newest"}`).Status)
	require.Equal(t, http.StatusUnauthorized, resolve(g.Login(t, f.device), `{"keep":"newest"}`).Status)
	require.NotZero(t, f.readDevice(t).IdentityConflict)
	require.Equal(t, http.StatusOK, resolve(admin, `{"keep":"b\"\\"}`).Status)
	require.Zero(t, f.readDevice(t).IdentityConflict)
}
