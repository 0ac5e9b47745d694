package fieldgate_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// An operation describes a call of a client: the expected request, the response, and the
// expected value.
type operation struct {
	call     func(context.Context) (any, error)
	method   string
	path     string // path and query
	body     string // expected request body; empty if there is none
	response string // response body; empty for status 204
	want     any
}

const (
	customers = "/api/v1/customer"
	devices   = "/api/v1/device"
)

// checkOperations makes the calls, and compares the requests and returned values with the
// expected ones.
func checkOperations(t *testing.T, operations func(*fieldgate.Gateway) map[string]operation) {
	t.Helper()
	for name := range operations(newGateway(t, "http://gateway")) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var test operation
			var requests []string
			var body, contentType string
			gateway := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests = append(requests, r.Method+" "+r.URL.RequestURI())
				body, contentType = readBody(r), r.Header.Get("Content-Type")
				if test.response == "" {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, test.response)
			})
			test = operations(gateway)[name]
			got, err := test.call(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, []string{test.method + " " + test.path}, requests)
			if test.body == "" {
				require.Empty(t, body)
				return
			}
			require.JSONEq(t, test.body, body)
			require.Equal(t, "application/json", contentType)
		})
	}
}

func TestOperations_Gateway(t *testing.T) {
	t.Parallel()
	noon := time.Date(2025, 11, 22, 12, 0, 0, 0, time.UTC)
	checkOperations(t, func(g *fieldgate.Gateway) map[string]operation {
		return map[string]operation{
			"Register": {
				func(ctx context.Context) (any, error) {
					return g.Register(ctx, fieldgate.RegisterDeviceRequest{ActivationCode: "7K2M-Q9TX-4WPA"})
				},
				"POST", devices + "/register", `{"activationCode":"7K2M-Q9TX-4WPA"}`,
				`{"deviceId":"` + deviceID + `","deviceSecret":"` + deviceSecret + `","registeredAt":"2025-11-22T12:00:00.000Z"}`,
				fieldgate.RegisteredDevice{DeviceID: deviceID, DeviceSecret: deviceSecret, RegisteredAt: noon},
			},
			"Authenticate": {
				func(ctx context.Context) (any, error) {
					return g.Authenticate(ctx, fieldgate.AuthenticateDeviceRequest{DeviceID: deviceID, DeviceSecret: deviceSecret})
				},
				"POST", devices + "/auth", `{"deviceId":"` + deviceID + `","deviceSecret":"` + deviceSecret + `"}`,
				`{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2025-11-22T12:00:00.000Z","deviceId":"` + deviceID + `"}`,
				fieldgate.DeviceLogin{Token: "q8Zr1vTn", ExpiresInSeconds: 604800, ExpiresAt: noon, DeviceID: deviceID},
			},
			"Health": {
				func(ctx context.Context) (any, error) { return g.Health(ctx) },
				"GET", "/healthz", "", `{"status":"ok","timestamp":"2025-11-22T12:00:00.000Z"}`,
				fieldgate.Health{Status: fieldgate.HealthStatusOk, Timestamp: noon},
			},
			"Readiness": {
				func(ctx context.Context) (any, error) { return g.Readiness(ctx) },
				"GET", "/readyz", "", `{"ready":true,"draining":false,"checks":{}}`, fieldgate.Readiness{Ready: true},
			},
			"Version": {
				func(ctx context.Context) (any, error) { return g.Version(ctx) },
				"GET", "/version", "", `{"version":"1.4.0"}`, fieldgate.Version{Version: "1.4.0"},
			},
		}
	})
}

func TestOperations_Device(t *testing.T) {
	t.Parallel()
	checkOperations(t, func(g *fieldgate.Gateway) map[string]operation {
		device := g.DeviceWithToken(fieldgate.Bearer("token"))
		command := devices + "/commands/" + commandID
		return map[string]operation{
			"Heartbeat": {
				func(ctx context.Context) (any, error) {
					return device.Heartbeat(ctx, fieldgate.HeartbeatRequest{
						Status: fieldgate.HeartbeatStatusBusy, Metrics: fieldgate.Metrics{"cpuPercent": 12.5}, FirmwareVersion: "2.8.1",
					})
				},
				"POST", devices + "/heartbeat", `{"status":"busy","metrics":{"cpuPercent":12.5},"firmwareVersion":"2.8.1"}`,
				`{"nextHeartbeatMs":30000,"pendingCommands":2,"cancelRequested":["` + commandID + `"]}`,
				fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000, PendingCommands: 2, CancelRequested: []string{commandID}},
			},
			"Claim": {
				func(ctx context.Context) (any, error) {
					return device.Claim(ctx, fieldgate.ClaimRequest{Limit: 2, VisibilityTimeoutMs: 60_000, WaitMs: 20_000})
				},
				"POST", devices + "/commands/claim", `{"limit":2,"visibilityTimeoutMs":60000,"waitMs":20000}`,
				`{"commands":[{"id":"` + commandID + `","claimToken":"` + claimToken + `","parameters":{"n":9007199254740993}}]}`,
				[]fieldgate.ClaimedCommand{{
					ID: commandID, ClaimToken: claimToken, Parameters: json.RawMessage(`{"n":9007199254740993}`),
				}},
			},
			"Claim without commands": {
				func(ctx context.Context) (any, error) { return device.Claim(ctx, fieldgate.ClaimRequest{}) },
				"POST", devices + "/commands/claim", `{}`, `{"commands":[]}`, []fieldgate.ClaimedCommand{},
			},
			"Extend": {
				func(ctx context.Context) (any, error) {
					return device.Extend(ctx, commandID, fieldgate.ExtendRequest{ClaimToken: claimToken, ExtensionMs: 60_000})
				},
				"POST", command + "/extend", `{"claimToken":"` + claimToken + `","extensionMs":60000}`,
				`{"commandId":"` + commandID + `","leaseRemainingMs":60000,"cancelRequested":true}`,
				fieldgate.Lease{CommandID: commandID, LeaseRemainingMs: 60_000, CancelRequested: true},
			},
			"ReportProgress": {
				func(ctx context.Context) (any, error) {
					percent := 42.5
					return device.ReportProgress(ctx, commandID, fieldgate.ProgressRequest{ClaimToken: claimToken, Seq: 3, Percent: &percent, Output: "block 17 written\n"})
				},
				"POST", command + "/progress", `{"claimToken":"` + claimToken + `","seq":3,"percent":42.5,"output":"block 17 written\n"}`,
				`{"commandId":"` + commandID + `","seq":3,"leaseRemainingMs":60000,"cancelRequested":true}`,
				fieldgate.ProgressReply{CommandID: commandID, Seq: 3, LeaseRemainingMs: 60_000, CancelRequested: true},
			},
			"Release": {
				func(ctx context.Context) (any, error) {
					return device.Release(ctx, commandID, fieldgate.ReleaseRequest{ClaimToken: claimToken, Reason: "shutting down"})
				},
				"POST", command + "/release", `{"claimToken":"` + claimToken + `","reason":"shutting down"}`,
				`{"commandId":"` + commandID + `","status":"queued"}`,
				fieldgate.ReleasedCommand{CommandID: commandID, Status: fieldgate.CommandStatusQueued},
			},
			"SubmitResult": {
				func(ctx context.Context) (any, error) {
					return device.SubmitResult(ctx, commandID, fieldgate.ResultRequest{
						ClaimToken: claimToken, Status: fieldgate.ResultStatusFailed, Error: "no answer", Data: json.RawMessage(`{"pid":4711}`),
					})
				},
				"POST", command + "/result", `{"claimToken":"` + claimToken + `","status":"failed","error":"no answer","data":{"pid":4711}}`,
				`{"commandId":"` + commandID + `","status":"failed","late":true,"duplicate":true}`,
				fieldgate.RecordedResult{CommandID: commandID, Status: fieldgate.CommandStatusFailed, Late: true, Duplicate: true},
			},
			"Command": {
				func(ctx context.Context) (any, error) { return device.Command(ctx, commandID) },
				"GET", command, "", `{"id":"` + commandID + `","status":"claimed"}`,
				fieldgate.DeviceCommand{ID: commandID, Status: fieldgate.CommandStatusClaimed},
			},
			"Logout": {
				func(ctx context.Context) (any, error) { return nil, device.Logout(ctx) },
				"DELETE", devices + "/auth", "", "", nil,
			},
		}
	})
}

func TestOperations_Fleet(t *testing.T) {
	t.Parallel()
	checkOperations(t, func(g *fieldgate.Gateway) map[string]operation {
		customer := g.Customer(fieldgate.Bearer("JWT"))
		device, response := customers+"/devices/"+deviceID, `{"id":"`+deviceID+`","status":"active"}`
		empty, active := "", fieldgate.Device{ID: deviceID, Status: fieldgate.DeviceStatusActive}
		return map[string]operation{
			"Provision": {
				func(ctx context.Context) (any, error) {
					return customer.Provision(ctx, fieldgate.ProvisionDeviceRequest{Name: "Pump 12", Tags: fieldgate.Tags{"site": "leipzig"}})
				},
				"POST", customers + "/devices", `{"name":"Pump 12","tags":{"site":"leipzig"}}`,
				`{"device":` + response + `,"activationCode":"7K2M-Q9TX-4WPA","instructions":"Type it in."}`,
				fieldgate.ProvisionedDevice{Device: active, ActivationCode: "7K2M-Q9TX-4WPA", Instructions: "Type it in."},
			},
			"Device": {
				func(ctx context.Context) (any, error) { return customer.Device(ctx, deviceID) },
				"GET", device, "", response, active,
			},
			"Device with an id to escape": {
				func(ctx context.Context) (any, error) { return customer.Device(ctx, "a/b?c") },
				"GET", customers + "/devices/a%2Fb%3Fc", "", response, active,
			},
			"Update": {
				func(ctx context.Context) (any, error) {
					return customer.Update(ctx, deviceID, fieldgate.UpdateDeviceRequest{Location: &empty, Tags: fieldgate.Tags{}})
				},
				"PATCH", device, `{"location":"","tags":{}}`, response, active,
			},
			"IssueActivationCode": {
				func(ctx context.Context) (any, error) { return customer.IssueActivationCode(ctx, deviceID) },
				"POST", device + "/activation-code", "", `{"activationCode":"7K2M-Q9TX-4WPA"}`,
				fieldgate.ActivationCode{ActivationCode: "7K2M-Q9TX-4WPA"},
			},
			"Suspend": {
				func(ctx context.Context) (any, error) { return customer.Suspend(ctx, deviceID, "stolen") },
				"POST", device + "/suspend", `{"reason":"stolen"}`, response, active,
			},
			"Resume": {
				func(ctx context.Context) (any, error) { return customer.Resume(ctx, deviceID, "") },
				"POST", device + "/resume", `{}`, response, active,
			},
			"RevokeLogins": {
				func(ctx context.Context) (any, error) { return customer.RevokeLogins(ctx, deviceID, "") },
				"POST", device + "/revoke-logins", `{}`, response, active,
			},
			"ResolveIdentity": {
				func(ctx context.Context) (any, error) {
					return customer.ResolveIdentity(ctx, deviceID, "newest", "the copy is off")
				},
				"POST", device + "/resolve-identity", `{"keep":"newest","reason":"the copy is off"}`, response, active,
			},
			"Decommission": {
				func(ctx context.Context) (any, error) { return nil, customer.Decommission(ctx, deviceID) },
				"DELETE", device, "", "", nil,
			},
			"Devices": {
				func(ctx context.Context) (any, error) {
					return customer.Devices(ctx, fieldgate.ListDevicesParams{
						Status: fieldgate.DeviceStatusActive, Tag: "site:leipzig", Q: "pump 1&2", Limit: 2, Cursor: "MDFq",
					})
				},
				"GET", customers + "/devices?cursor=MDFq&limit=2&q=pump+1%262&status=active&tag=site%3Aleipzig", "",
				`{"items":[` + response + `],"nextCursor":"ZDNx"}`,
				fieldgate.DeviceList{Items: []fieldgate.Device{active}, NextCursor: "ZDNx"},
			},
			"Usage": {
				func(ctx context.Context) (any, error) { return customer.Usage(ctx) },
				"GET", customers + "/usage", "", `{"limits":{"devices":9},"used":{"devices":3}}`,
				fieldgate.Usage{Limits: fieldgate.UsageLimits{Devices: 9}, Used: fieldgate.UsageAmounts{Devices: 3}},
			},
			"Me": {
				func(ctx context.Context) (any, error) { return customer.Me(ctx) },
				"GET", customers + "/me", "", `{"userId":"alice","kind":"person","role":"admin"}`,
				fieldgate.Me{UserID: "alice", Kind: fieldgate.UserKindPerson, Role: fieldgate.RoleAdmin},
			},
			"SystemInfo": {
				func(ctx context.Context) (any, error) { return customer.SystemInfo(ctx) },
				"GET", customers + "/system/info", "", `{"version":"1.4.0"}`, fieldgate.SystemInfo{Version: "1.4.0"},
			},
		}
	})
}

func TestOperations_Sessions(t *testing.T) {
	t.Parallel()
	checkOperations(t, func(g *fieldgate.Gateway) map[string]operation {
		customer := g.Customer(fieldgate.Bearer("JWT"))
		session, response := customers+"/sessions/"+sessionID, `{"id":"`+sessionID+`","status":"active"}`
		active := fieldgate.Session{ID: sessionID, Status: fieldgate.SessionStatusActive}
		return map[string]operation{
			"OpenSession": {
				func(ctx context.Context) (any, error) {
					return customer.OpenSession(ctx, fieldgate.OpenSessionRequest{DeviceID: deviceID, Type: fieldgate.SessionTypeDiagnostic})
				},
				"POST", customers + "/sessions", `{"deviceId":"` + deviceID + `","type":"diagnostic"}`, response, active,
			},
			"Session": {
				func(ctx context.Context) (any, error) { return customer.Session(ctx, sessionID) },
				"GET", session, "", response, active,
			},
			"CloseSession": {
				func(ctx context.Context) (any, error) { return customer.CloseSession(ctx, sessionID, "done") },
				"POST", session + "/close", `{"reason":"done"}`, response, active,
			},
			"Sessions": {
				func(ctx context.Context) (any, error) {
					return customer.Sessions(ctx, fieldgate.ListSessionsParams{DeviceID: deviceID})
				},
				"GET", customers + "/sessions?deviceId=" + deviceID, "", `{"items":[]}`, fieldgate.SessionList{Items: []fieldgate.Session{}},
			},
			"Events": {
				func(ctx context.Context) (any, error) {
					since := time.Date(2025, 11, 22, 12, 0, 0, 0, time.UTC)
					return customer.Events(ctx, sessionID, fieldgate.ListSessionEventsParams{Since: since})
				},
				"GET", session + "/events?since=" + strings.ReplaceAll("2025-11-22T12:00:00Z", ":", "%3A"), "",
				`{"items":[]}`, fieldgate.EventList{Items: []fieldgate.Event{}},
			},
		}
	})
}

func TestOperations_Commands(t *testing.T) {
	t.Parallel()
	checkOperations(t, func(g *fieldgate.Gateway) map[string]operation {
		customer := g.Customer(fieldgate.Bearer("JWT"))
		session, response := customers+"/sessions/"+sessionID, `{"id":"`+commandID+`","status":"queued"}`
		command, queued := session+"/commands/"+commandID, fieldgate.Command{ID: commandID, Status: fieldgate.CommandStatusQueued}
		return map[string]operation{
			"Propose": {
				func(ctx context.Context) (any, error) {
					return customer.Propose(ctx, sessionID, fieldgate.ProposeCommandRequest{
						Type: "service.restart", Parameters: json.RawMessage(`{"service":"telemetry"}`), Priority: new(int),
					})
				},
				"POST", session + "/commands", `{"type":"service.restart","parameters":{"service":"telemetry"},"priority":0}`, response, queued,
			},
			"Command": {
				func(ctx context.Context) (any, error) { return customer.Command(ctx, sessionID, commandID) },
				"GET", command, "", response, queued,
			},
			"Output": {
				func(ctx context.Context) (any, error) {
					return customer.Output(ctx, sessionID, commandID, fieldgate.GetCommandOutputParams{Since: 272})
				},
				"GET", command + "/output?since=272", "", `{"output":"block 17 written\n","from":272,"nextSince":289,"complete":false}`,
				fieldgate.CommandOutput{Output: "block 17 written\n", From: 272, NextSince: 289},
			},
			"Cancel": {
				func(ctx context.Context) (any, error) { return customer.Cancel(ctx, sessionID, commandID, "no need") },
				"POST", command + "/cancel", `{"reason":"no need"}`, response, queued,
			},
			"Retry": {
				func(ctx context.Context) (any, error) { return customer.Retry(ctx, sessionID, commandID, "once more") },
				"POST", command + "/retry", `{"reason":"once more"}`, response, queued,
			},
			"Decide": {
				func(ctx context.Context) (any, error) {
					return customer.Decide(ctx, sessionID, fieldgate.DecisionRequest{CommandID: commandID, Approved: false, Digest: "ab"})
				},
				"POST", session + "/approve", `{"commandId":"` + commandID + `","approved":false,"digest":"ab"}`,
				`{"command":` + response + `}`, queued,
			},
			"WithdrawVote": {
				func(ctx context.Context) (any, error) {
					return customer.WithdrawVote(ctx, sessionID, commandID, "a doubt")
				},
				"POST", command + "/withdraw", `{"reason":"a doubt"}`, `{"command":` + response + `}`, queued,
			},
			"BreakGlass": {
				func(ctx context.Context) (any, error) {
					return customer.BreakGlass(ctx, sessionID, commandID, fieldgate.BreakGlassRequest{Reason: "fire", Digest: "ab"})
				},
				"POST", command + "/break-glass", `{"reason":"fire","digest":"ab"}`, `{"command":` + response + `}`, queued,
			},
			"ReviewBreakGlass": {
				func(ctx context.Context) (any, error) {
					return customer.ReviewBreakGlass(ctx, sessionID, commandID, "there was a fire")
				},
				"POST", command + "/break-glass/review", `{"comment":"there was a fire"}`, `{"command":` + response + `}`, queued,
			},
			"Commands": {
				func(ctx context.Context) (any, error) {
					return customer.Commands(ctx, sessionID, fieldgate.ListCommandsParams{Limit: 200})
				},
				"GET", session + "/commands?limit=200", "", `{"items":[` + response + `]}`,
				fieldgate.CommandList{Items: []fieldgate.Command{queued}},
			},
			"TenantCommands": {
				func(ctx context.Context) (any, error) {
					return customer.TenantCommands(ctx, fieldgate.ListTenantCommandsParams{
						Status: []fieldgate.CommandStatus{fieldgate.CommandStatusFailed, fieldgate.CommandStatusTimedOut}, Type: "diagnostic.*",
						Since: time.Date(2025, 11, 22, 0, 0, 0, 0, time.UTC),
					})
				},
				"GET", customers + "/commands?since=2025-11-22T00%3A00%3A00Z&status=failed&status=timed_out&type=diagnostic.%2A", "", `{"items":[` + response + `]}`,
				fieldgate.CommandList{Items: []fieldgate.Command{queued}},
			},
			"Connections": {
				func(ctx context.Context) (any, error) {
					return customer.Connections(ctx, fieldgate.ListConnectionsParams{Limit: 2})
				},
				"GET", customers + "/connections?limit=2", "", `{"items":[]}`,
				fieldgate.ConnectionList{Items: []fieldgate.Connection{}},
			},
			"CloseConnection": {
				func(ctx context.Context) (any, error) { return nil, customer.CloseConnection(ctx, "con_3FYMTQ7K") },
				"DELETE", customers + "/connections/con_3FYMTQ7K", "", "", nil,
			},
			"CutOff": {
				func(ctx context.Context) (any, error) {
					return nil, customer.CutOff(ctx, "auth0|mallory", fieldgate.CutOffRequest{Reason: "laptop stolen", SessionID: "s-laptop"})
				},
				"POST", customers + "/users/auth0%7Cmallory/cut-off", `{"reason":"laptop stolen","sessionId":"s-laptop"}`, "", nil,
			},
			"CutOffs": {
				func(ctx context.Context) (any, error) {
					return customer.CutOffs(ctx, fieldgate.ListCutOffsParams{Limit: 2})
				},
				"GET", customers + "/cut-offs?limit=2", "", `{"items":[]}`, fieldgate.CutOffList{Items: []fieldgate.CutOff{}},
			},
			"CreatePasskeyOptions": {
				func(ctx context.Context) (any, error) { return customer.CreatePasskeyOptions(ctx) },
				"POST", customers + "/passkeys/options", "", `{"challenge":"c"}`, fieldgate.PasskeyOptions{Challenge: "c"},
			},
			"RegisterPasskey": {
				func(ctx context.Context) (any, error) {
					return customer.RegisterPasskey(ctx, fieldgate.RegisterPasskeyRequest{Name: "n", Credential: fieldgate.PasskeyRegistration{ID: "i"}})
				},
				"POST", customers + "/passkeys", `{"name":"n","credential":{"id":"i","rawId":"","type":"","response":{"attestationObject":"","clientDataJSON":""}}}`,
				`{"id":"i"}`, fieldgate.Passkey{ID: "i"},
			},
			"Passkeys": {
				func(ctx context.Context) (any, error) {
					return customer.Passkeys(ctx, fieldgate.ListPasskeysParams{Limit: 2})
				},
				"GET", customers + "/passkeys?limit=2", "", `{"items":[]}`, fieldgate.PasskeyList{Items: []fieldgate.Passkey{}},
			},
			"DeletePasskey": {
				func(ctx context.Context) (any, error) { return nil, customer.DeletePasskey(ctx, "i") },
				"DELETE", customers + "/passkeys/i", "", "", nil,
			},
			"Roster": {
				func(ctx context.Context) (any, error) { return customer.Roster(ctx) },
				"GET", customers + "/roster", "", `{"versions":[]}`, fieldgate.RosterChain{Versions: []fieldgate.RosterVersion{}},
			},
			"SetRoster": {
				func(ctx context.Context) (any, error) {
					return customer.SetRoster(ctx, fieldgate.SetRosterRequest{Document: "e30", Signatures: []fieldgate.PasskeyAssertion{}})
				},
				"PUT", customers + "/roster", `{"document":"e30","signatures":[]}`, `{"versions":[]}`, fieldgate.RosterChain{Versions: []fieldgate.RosterVersion{}},
			},
			"Policy": {
				func(ctx context.Context) (any, error) { return customer.Policy(ctx) },
				"GET", customers + "/policy", "", `{"version":"1","rules":[]}`, fieldgate.Policy{Version: "1", Rules: []fieldgate.PolicyRule{}},
			},
			"SetPolicy": {
				func(ctx context.Context) (any, error) {
					return customer.SetPolicy(ctx, fieldgate.SetPolicyRequest{Version: "1", Rules: []fieldgate.PolicyRule{{Name: "all", Effect: "deny"}}})
				},
				"PUT", customers + "/policy", `{"version":"1","rules":[{"name":"all","effect":"deny"}]}`, `{"version":"2","rules":[]}`,
				fieldgate.Policy{Version: "2", Rules: []fieldgate.PolicyRule{}},
			},
			"DecidePolicyChange": {
				func(ctx context.Context) (any, error) {
					return customer.DecidePolicyChange(ctx, fieldgate.DecidePolicyRequest{Version: "2"})
				},
				"POST", customers + "/policy/decide", `{"version":"2","approved":false}`, `{"version":"1","rules":[]}`,
				fieldgate.Policy{Version: "1", Rules: []fieldgate.PolicyRule{}},
			},
			"EvaluatePolicy": {
				func(ctx context.Context) (any, error) {
					return customer.EvaluatePolicy(ctx, fieldgate.EvaluatePolicyRequest{DeviceID: "dev_7k", Type: "a"})
				},
				"POST", customers + "/policy/evaluate", `{"deviceId":"dev_7k","type":"a"}`, `{"effect":"deny"}`, fieldgate.PolicyEvaluation{Effect: "deny"},
			},
			"PolicyVersions": {
				func(ctx context.Context) (any, error) {
					return customer.PolicyVersions(ctx, fieldgate.ListPolicyVersionsParams{Limit: 2})
				},
				"GET", customers + "/policy/versions?limit=2", "", `{"items":[]}`, fieldgate.PolicyVersionList{Items: []fieldgate.PolicyVersion{}},
			},
			"IssueTicket": {
				func(ctx context.Context) (any, error) { return customer.IssueTicket(ctx, "https://fleet.example.com") },
				"POST", customers + "/ws-tickets", `{"origin":"https://fleet.example.com"}`, `{"ticket":"fgt_x"}`, fieldgate.Ticket{Ticket: "fgt_x"},
			},
			"IssueTicket without an origin": {
				func(ctx context.Context) (any, error) { return customer.IssueTicket(ctx, "") },
				"POST", customers + "/ws-tickets", `{}`, `{"ticket":"fgt_x"}`, fieldgate.Ticket{Ticket: "fgt_x"},
			},
			"Approvals": {
				func(ctx context.Context) (any, error) {
					return customer.Approvals(ctx, fieldgate.ListApprovalsParams{Status: fieldgate.ApprovalStatusPending})
				},
				"GET", customers + "/approvals?status=pending", "", `{"items":[]}`,
				fieldgate.CommandList{Items: []fieldgate.Command{}},
			},
		}
	})
}
