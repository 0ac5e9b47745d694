package handlers

import (
	"context"
	"go/ast"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/passkey"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/receipt"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
)

// response is a test case for one generated type. The samples are values of that type, converted
// from filled domain values. Fields that exclude each other need more than one sample.
type response struct {
	samples    []any
	exceptions map[string]string // maps a path that may be zero to the reason
}

// These maps hold the fields that only some operations return.
var (
	onlyApprovals = map[string]string{
		"MayDecide": "ListApprovals only", "WhyNot": "ListApprovals only",
	}
	onlyListed = map[string]string{
		"MayDecide": "ListApprovals only", "WhyNot": "ListApprovals only", "Statement": "lists of a session omit it",
	}
	onlyOneDevice = map[string]string{
		"LastHeartbeat.ReceivedAt.Time": "GetDevice only", "LastHeartbeat.Status": "GetDevice only", "LastHeartbeat.Reason": "GetDevice only", "Metrics": "GetDevice only",
		"ActiveSessionID": "GetDevice only", "PendingCommands": "GetDevice only",
	}
	onlyOneSession = map[string]string{
		"Commands": "GetSession only", "CommandsTruncated": "GetSession only", "NextCursor": "GetSession only",
	}
)

// within returns exceptions with the name of a field before each path. It is for a response whose
// field of that name holds the value to which the exceptions apply.
func within(field string, exceptions map[string]string) map[string]string {
	nested := map[string]string{}
	for path, reason := range exceptions {
		nested[field+"."+path] = reason
	}
	return nested
}

func responses() []response {
	return slices.Concat(commandResponses(), deviceResponses(), sessionResponses(), workResponses(), healthResponses())
}

func commandResponses() []response {
	c := filled[queue.Command]()
	proposer, viewer := customer.Principal{UserID: c.UserID, Role: customer.Approver}, customer.Principal{}
	approver := customer.Principal{UserID: "approver", Role: customer.Approver}
	commands, allowed := []queue.Command{c}, func(queue.Command) error { return nil }
	approvals := func(p customer.Principal) any {
		return generated.ListApprovals200JSONResponse(approvalListOf(commands, "next", p, allowed))
	}
	return []response{
		{[]any{proposedResponse(c)}, within("Body", onlyApprovals)},
		{[]any{retriedResponse(c)}, within("Body", onlyApprovals)},
		{[]any{generated.ListCommands200JSONResponse(commandListOf(commands, "next"))}, within("Items[]", onlyListed)},
		{[]any{generated.ListTenantCommands200JSONResponse(commandListOf(commands, "next"))}, within("Items[]", onlyListed)},
		{[]any{generated.GetCommand200JSONResponse(commandOf(c))}, onlyApprovals},
		{[]any{generated.GetCommandOutput200JSONResponse(outputOf(filled[queue.Output]()))}, nil},
		{[]any{generated.CancelCommand200JSONResponse(commandOf(c))}, onlyApprovals},
		{[]any{generated.DecideCommand200JSONResponse(decidedCommandOf(c))}, within("Command", onlyApprovals)},
		{[]any{generated.WithdrawVote200JSONResponse(decidedCommandOf(c))}, within("Command", onlyApprovals)},
		{[]any{generated.BreakGlass200JSONResponse(decidedCommandOf(c))}, within("Command", onlyApprovals)},
		{[]any{generated.ReviewBreakGlass200JSONResponse(decidedCommandOf(c))}, within("Command", onlyApprovals)},
		{[]any{approvals(approver), approvals(proposer), approvals(viewer)}, nil},
	}
}

func deviceResponses() []response {
	d, a := filled[device.Device](), filled[device.Activation]()
	return []response{
		{[]any{provisionedResponse(d, a)}, within("Body.Device", onlyOneDevice)},
		{[]any{generated.ListDevices200JSONResponse(deviceListOf([]device.Device{d}, "next", new(int64(1))))}, within("Items[]", onlyOneDevice)},
		{[]any{generated.GetDevice200JSONResponse(deviceDetailOf(d))}, nil},
		{[]any{generated.UpdateDevice200JSONResponse(deviceOf(d))}, onlyOneDevice},
		{[]any{activationCodeResponse(d.ID, a)}, nil},
		{[]any{generated.SuspendDevice200JSONResponse(deviceOf(d))}, onlyOneDevice},
		{[]any{generated.ResumeDevice200JSONResponse(deviceOf(d))}, onlyOneDevice},
		{[]any{generated.RevokeDeviceLogins200JSONResponse(deviceOf(d))}, onlyOneDevice},
		{[]any{generated.ResolveDeviceIdentity200JSONResponse(deviceOf(d))}, onlyOneDevice},
		{[]any{registeredResponse(filled[device.Registered]())}, nil},
		{[]any{generated.AuthenticateDevice200JSONResponse(loginOf(filled[device.Login]()))}, nil},
		{[]any{generated.SendHeartbeat200JSONResponse(heartbeatReplyOf(filled[device.HeartbeatReply]()))}, nil},
	}
}

func sessionResponses() []response {
	s, events := filled[session.Session](), filled[[]session.Event]()
	connections := filled[[]realtime.Connection]()
	return []response{
		{[]any{openedSessionResponse(s)}, within("Body", onlyOneSession)},
		{[]any{generated.ListSessions200JSONResponse(sessionListOf([]session.Session{s}, "next"))}, within("Items[]", onlyOneSession)},
		{[]any{generated.GetSession200JSONResponse(sessionDetailOf(s, filled[[]queue.Command](), "next"))}, within("Commands[]", onlyListed)},
		{[]any{generated.CloseSession200JSONResponse(sessionOf(s))}, onlyOneSession},
		{[]any{generated.ListSessionEvents200JSONResponse(eventListOf(events, "next"))}, nil},
		{[]any{ticketResponse(filled[customer.Ticket]())}, nil},
		{[]any{generated.ListConnections200JSONResponse(connectionListOf(connections, "next"))}, nil},
		{[]any{generated.ListCutOffs200JSONResponse(cutOffListOf(filled[[]customer.CutOff](), "next"))}, nil},
		{[]any{generated.CreatePasskeyOptions200JSONResponse(passkeyOptionsOf(filled[approver.Options](), filled[customer.Principal]()))}, nil},
		{[]any{registeredPasskeyResponse(filled[approver.Passkey]())}, nil},
		{[]any{generated.ListPasskeys200JSONResponse(passkeyListOf(filled[[]approver.Passkey](), "next"))}, nil},
		{[]any{generated.GetRoster200JSONResponse(rosterOf(filled[[]passkey.Version]()))}, nil},
		{[]any{generated.SetRoster200JSONResponse(rosterOf(filled[[]passkey.Version]()))}, nil},
		{[]any{generated.GetPolicy200JSONResponse(policyOf(filled[tenantpolicy.State](), queue.DefaultPolicy))}, nil},
		{[]any{generated.SetPolicy200JSONResponse(policyOf(filled[tenantpolicy.State](), queue.DefaultPolicy))}, nil},
		{[]any{generated.SetPolicy202JSONResponse(policyOf(filled[tenantpolicy.State](), queue.DefaultPolicy))}, nil},
		{[]any{generated.DecidePolicyChange200JSONResponse(policyOf(filled[tenantpolicy.State](), queue.DefaultPolicy))}, nil},
		{[]any{generated.ListPolicyVersions200JSONResponse(policyVersionListOf(filled[[]tenantpolicy.Version](), "next"))}, nil},
		{[]any{generated.EvaluatePolicy200JSONResponse(PolicyEvaluationRecord(reviewed(filled[queue.Evaluated]())))}, nil},
	}
}

// reviewed returns an evaluation with the effect that has conditions.
func reviewed(e queue.Evaluated) queue.Evaluated {
	e.Effect = policy.Review
	return e
}

func workResponses() []response {
	return []response{
		{[]any{deviceTrustResponse(filled[[]receipt.PublicKey](), filled[[]passkey.Version]())}, nil},
		{[]any{generated.ClaimCommands200JSONResponse(claimedCommandsOf(filled[[]queue.Lease]()))}, nil},
		{[]any{generated.ExtendCommand200JSONResponse(leaseOf("id", filled[queue.Extension]()))}, nil},
		{[]any{generated.ReportProgress200JSONResponse(progressReplyOf("id", filled[queue.Reported]()))}, nil},
		{[]any{generated.ReleaseCommand200JSONResponse(releasedCommandOf("id", queue.Queued))}, nil},
		{[]any{generated.SubmitResult200JSONResponse(resultAndNextOf("id", filled[queue.RecordedResult](), []queue.Lease{filled[queue.Lease]()}))}, nil},
		{[]any{generated.GetDeviceCommand200JSONResponse(deviceCommandOf(filled[queue.Command]()))}, nil},
	}
}

func healthResponses() []response {
	up, down := dependencyCheckOf("", time.Second), dependencyCheckOf("down", time.Second)
	h := &Health{Version: "1", Environment: "test", startedAt: time.Now().Add(-time.Hour)}
	info := func(redis, issuer generated.DependencyCheck) any {
		return generated.GetSystemInfo200JSONResponse(
			systemInfoOf(h, servicesOf(redis, issuer, filled[store.Info]()), connectionCountOf(1, 2)))
	}
	return []response{
		{[]any{generated.GetMe200JSONResponse(meOf(filled[customer.Principal]()))}, nil},
		{[]any{generated.GetSigningKeys200JSONResponse(signingKeysOf([]receipt.PublicKey{filled[receipt.PublicKey]()}))}, nil},
		{[]any{generated.GetUsage200JSONResponse(usageOf(filled[quota.Amounts](), filled[quota.Amounts]()))}, nil},
		{[]any{generated.GetHealth200JSONResponse(healthAt(time.Now()))}, nil},
		{[]any{
			generated.GetReadiness200JSONResponse(readinessOf(up, down, true, false)),
			generated.GetReadiness200JSONResponse(readinessOf(down, up, true, true)),
		}, nil},
		{[]any{
			generated.GetReadiness503JSONResponse(readinessOf(up, down, true, false)),
			generated.GetReadiness503JSONResponse(readinessOf(down, up, true, true)),
		}, nil},
		{[]any{generated.GetVersion200JSONResponse(versionOf(h))}, nil},
		{[]any{info(up, down), info(down, up)}, map[string]string{
			"Services.Supabase.Version": "the token issuer reports none", "Services.Supabase.Mode": "the token issuer has none",
		}},
	}
}

func TestResponse_ConverterSetsEveryField(t *testing.T) {
	t.Parallel()
	var covered []string
	for _, r := range responses() {
		name := reflect.TypeOf(r.samples[0]).Name()
		covered = append(covered, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, sample := range r.samples {
				require.Equal(t, name, reflect.TypeOf(sample).Name())
			}
			requireAllSet(t, r.exceptions, r.samples...)
		})
	}
	slices.Sort(covered)
	require.Equal(t, covered, generatedTypes(t, func(name string, _ *ast.TypeSpec) bool {
		return strings.HasSuffix(name, "JSONResponse")
	}), "every response of the contract needs a row in responses()")
}

// requestCase is a test case for the converter of one generated request type.
type requestCase struct {
	name       string
	exceptions map[string]string // maps a path of the request that does not affect the arguments to the reason
	empty      map[string]string // maps a path of the arguments that stays zero to the reason
	all        any               // the domain arguments that the filled request is converted to
	byField    map[string]any    // maps the path of a request field to the arguments after a change of that field
}

func converted[T any](convert func(context.Context, T) any) requestCase {
	c := requestCase{name: reflect.TypeFor[T]().Name(), all: convert(callerContext(), filled[T]()), byField: map[string]any{}}
	for path, value := range changed[T]() {
		c.byField[path] = convert(callerContext(), value)
	}
	return c
}

// callerContext returns the context of a request in which the caller is known.
func callerContext() context.Context {
	ctx := customer.NewContext(context.Background(), filled[customer.Principal]())
	ctx = device.NewContext(ctx, filled[device.Principal]())
	return request.With(ctx, &request.Info{ID: "request", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Origin: "origin", Addr: netip.MustParseAddr("192.0.2.1")})
}

func requests() []requestCase {
	return slices.Concat(customerRequests(), deviceRequests(), listRequests())
}

func customerRequests() []requestCase {
	return []requestCase{
		converted(func(ctx context.Context, r generated.ProposeCommandRequestObject) any { return proposalFrom(ctx, r) }).
			leavesEmpty("RetryOf", "Queue.Retry sets it"),
		converted(func(ctx context.Context, r generated.CancelCommandRequestObject) any { return cancelFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.RetryCommandRequestObject) any { return retryFrom(ctx, r) }),
		exceptUnread("Body.Assertion", converted(func(ctx context.Context, r generated.DecideCommandRequestObject) any { return decisionFrom(ctx, r) }).
			leavesEmpty("SignIn.Passkey", byQueue)),
		converted(func(ctx context.Context, r generated.WithdrawVoteRequestObject) any { return withdrawalFrom(ctx, r) }).
			leavesEmpty("SignIn.Passkey", byQueue).leavesEmpty("Passkey", "only an approval has it").
			leavesEmpty("Approved", "only a decision has it").leavesEmpty("Digest", "only a decision has it"),
		exceptUnread("Body.Assertion", converted(func(ctx context.Context, r generated.BreakGlassRequestObject) any { return emergencyFrom(ctx, r) }).
			leavesEmpty("Approved", "only a decision has it").leavesEmpty("SignIn.Passkey", byQueue)),
		converted(func(ctx context.Context, r generated.ReviewBreakGlassRequestObject) any { return reviewFrom(ctx, r) }).
			leavesEmpty("SignIn.Passkey", byQueue).leavesEmpty("Passkey", "only an approval has it").
			leavesEmpty("Approved", "only a decision has it").leavesEmpty("Digest", "only a decision has it"),
		converted(func(ctx context.Context, r generated.ProvisionDeviceRequestObject) any {
			return provisioningFrom(ctx, r)
		}),
		converted(func(ctx context.Context, r generated.UpdateDeviceRequestObject) any { return deviceChangeFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.IssueActivationCodeRequestObject) any {
			return codeIssueFrom(ctx, r)
		}),
		converted(func(ctx context.Context, r generated.SuspendDeviceRequestObject) any {
			return statusChangeFrom(ctx, r.DeviceID, r.Body)
		}),
		converted(func(ctx context.Context, r generated.ResumeDeviceRequestObject) any {
			return statusChangeFrom(ctx, r.DeviceID, r.Body)
		}),
		converted(func(ctx context.Context, r generated.RevokeDeviceLoginsRequestObject) any {
			return statusChangeFrom(ctx, r.DeviceID, r.Body)
		}),
		converted(func(ctx context.Context, r generated.ResolveDeviceIdentityRequestObject) any {
			change, keep := resolutionFrom(ctx, r)
			return []any{change, keep}
		}),
		converted(func(ctx context.Context, r generated.OpenSessionRequestObject) any { return openSessionFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.CloseSessionRequestObject) any { return closeSessionFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.CutOffRequestObject) any { return cutOffFrom(ctx, r) }).
			leavesEmpty("Operator", "only the operator's command sets it"),
		exceptUnread("Body.Credential", converted(func(ctx context.Context, r generated.RegisterPasskeyRequestObject) any {
			return []any{approverOf(ctx), r.Body.Name, passkeyRegistrationFrom(r.Body.Credential)}
		})).except("Body.Credential.Response.AuthenticatorData", inAttestation).except("Body.Credential.Response.PublicKey", inAttestation).
			except("Body.Credential.Response.PublicKeyAlgorithm", inAttestation).except("Body.Credential.Response.Transports[]", "a hint for browsers"),
		exceptUnread("Body.Signatures[]", converted(func(ctx context.Context, r generated.SetRosterRequestObject) any {
			return []any{approverOf(ctx), rosterVersionFrom(*r.Body)}
		})),
		converted(func(ctx context.Context, r generated.SetPolicyRequestObject) any {
			return []any{authorOf(ctx), documentFrom(r), r.Body.Version}
		}).leavesEmpty("[].Operator", "only the operator's command sets it"),
		converted(func(ctx context.Context, r generated.DecidePolicyChangeRequestObject) any {
			return []any{authorOf(ctx), r.Body.Version, r.Body.Approved}
		}).leavesEmpty("[].Operator", "only the operator's command sets it"),
		converted(func(ctx context.Context, r generated.EvaluatePolicyRequestObject) any {
			return evaluationFrom(ctx, r, map[string]string{"env": "prod"})
		}).except("Body.DeviceID", "the handler reads the tags of the device"),
		converted(func(ctx context.Context, r generated.IssueTicketRequestObject) any { return ticketOriginFrom(ctx, r) }),
	}
}

// These are reasons of exceptions.
const (
	byQueue       = "the queue sets it when it has verified the assertion"
	inAttestation = "is in the attestation object, which is verified"
)

// exceptUnread excepts what the gateway does not read of a credential at a path.
func exceptUnread(path string, c requestCase) requestCase {
	for member, reason := range map[string]string{
		"RawID": "the same as id", "Type": "has one value", "AuthenticatorAttachment": "a hint for browsers",
		"ClientExtensionResults": "no extensions are requested", "Response.UserHandle": "the caller is authenticated",
	} {
		if _, found := c.byField[path+"."+member]; found {
			c = c.except(path+"."+member, reason)
		}
	}
	return c
}

func deviceRequests() []requestCase {
	return []requestCase{
		converted(func(ctx context.Context, r generated.RegisterDeviceRequestObject) any {
			return registrationFrom(ctx, r)
		}),
		converted(func(ctx context.Context, r generated.AuthenticateDeviceRequestObject) any {
			return credentialsFrom(ctx, r)
		}),
		converted(func(ctx context.Context, r generated.SendHeartbeatRequestObject) any { return heartbeatFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.ClaimCommandsRequestObject) any { return claimFrom(ctx, r) }),
		converted(func(ctx context.Context, r generated.ExtendCommandRequestObject) any {
			ref, by := extensionFrom(ctx, r)
			return []any{ref, by}
		}),
		converted(func(ctx context.Context, r generated.ReportProgressRequestObject) any {
			ref, report := reportFrom(ctx, r)
			return []any{ref, report}
		}),
		converted(func(ctx context.Context, r generated.ReleaseCommandRequestObject) any {
			ref, reason := releaseFrom(ctx, r)
			return []any{ref, reason}
		}),
		converted(func(ctx context.Context, r generated.SubmitResultRequestObject) any {
			ref, status, result := resultFrom(ctx, r)
			return []any{ref, status, result, nextLeaseFrom(r)}
		}),
	}
}

const passedOn = "a path parameter that the handler passes on"

func listRequests() []requestCase {
	return []requestCase{
		converted(func(_ context.Context, r generated.ListDevicesRequestObject) any {
			filter, page := deviceFilterFrom(r)
			return []any{filter, page}
		}),
		converted(func(_ context.Context, r generated.ListSessionsRequestObject) any {
			filter, page := sessionFilterFrom(r)
			return []any{filter, page}
		}),
		converted(func(_ context.Context, r generated.ListSessionEventsRequestObject) any {
			since, page := eventRangeFrom(r)
			return []any{since, page}
		}).except("SessionID", passedOn),
		converted(func(_ context.Context, r generated.ListCommandsRequestObject) any {
			order, page := commandPageFrom(r)
			return []any{order, page}
		}).except("SessionID", passedOn),
		converted(func(_ context.Context, r generated.ListTenantCommandsRequestObject) any {
			filter, page := commandFilterFrom(r)
			return []any{filter, page}
		}),
		converted(func(_ context.Context, r generated.GetCommandOutputRequestObject) any { return positionFrom(r) }).
			except("SessionID", passedOn).except("CommandID", passedOn),
		converted(func(_ context.Context, r generated.ListConnectionsRequestObject) any {
			return pageFrom(r.Params.Limit, r.Params.Cursor)
		}),
		converted(func(_ context.Context, r generated.ListCutOffsRequestObject) any {
			return pageFrom(r.Params.Limit, r.Params.Cursor)
		}),
		converted(func(_ context.Context, r generated.ListPasskeysRequestObject) any {
			return pageFrom(r.Params.Limit, r.Params.Cursor)
		}),
		converted(func(_ context.Context, r generated.ListPolicyVersionsRequestObject) any {
			return pageFrom(r.Params.Limit, r.Params.Cursor)
		}),
		converted(func(_ context.Context, r generated.ListApprovalsRequestObject) any {
			return pageFrom(r.Params.Limit, r.Params.Cursor)
		}).except("Params.Status", "the contract has one value only"),
	}
}

func (c requestCase) except(path, reason string) requestCase {
	c.exceptions = maps.Clone(c.exceptions)
	if c.exceptions == nil {
		c.exceptions = map[string]string{}
	}
	c.exceptions[path] = reason
	return c
}

func (c requestCase) leavesEmpty(path, reason string) requestCase {
	c.empty = maps.Clone(c.empty)
	if c.empty == nil {
		c.empty = map[string]string{}
	}
	c.empty[path] = reason
	return c
}

func TestRequest_EveryFieldReachesTheDomain(t *testing.T) {
	t.Parallel()
	covered := []string{"OpenCustomerSocketRequestObject"} // this type has no converter, because the HTTP edge redeems the ticket
	for _, c := range requests() {
		covered = append(covered, c.name)
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireAllSet(t, c.empty, c.all)
			for path, argument := range c.byField {
				if reason, excepted := c.exceptions[path]; excepted {
					require.Equal(t, c.all, argument, "%s is used: remove the exception (%s)", path, reason)
					continue
				}
				require.NotEqual(t, c.all, argument, "%s changes nothing: the converter leaves it out", path)
			}
		})
	}
	slices.Sort(covered)
	require.Equal(t, covered, generatedTypes(t, func(name string, spec *ast.TypeSpec) bool {
		return strings.HasSuffix(name, "RequestObject") && hasField(spec, "Body", "Params")
	}), "every request with a body or parameters needs a row in requests()")
}

func TestFrame_EveryFieldReachesTheRequest(t *testing.T) {
	t.Parallel()
	frames := map[string]requestCase{
		"claim":     converted(func(_ context.Context, f claimFrame) any { return f.request() }),
		"extend":    converted(func(_ context.Context, f extendFrame) any { return f.request() }),
		"progress":  converted(func(_ context.Context, f progressFrame) any { return f.request() }),
		"release":   converted(func(_ context.Context, f releaseFrame) any { return f.request() }),
		"result":    converted(func(_ context.Context, f resultFrame) any { return f.request() }),
		"heartbeat": converted(func(_ context.Context, f heartbeatFrame) any { return f.request() }),
	}
	for kind, c := range frames {
		requireAllSet(t, nil, c.all)
		for path, r := range c.byField {
			require.NotEqual(t, c.all, r, "%s of the frame %s changes nothing", path, kind)
		}
	}
}

func TestFrame_TypesHaveTheFieldsOfTheContract(t *testing.T) {
	t.Parallel()
	types := map[string]reflect.Type{
		"claim": reflect.TypeFor[claimFrame](), "extend": reflect.TypeFor[extendFrame](), "progress": reflect.TypeFor[progressFrame](), "release": reflect.TypeFor[releaseFrame](),
		"result": reflect.TypeFor[resultFrame](), "heartbeat": reflect.TypeFor[heartbeatFrame](),
		"subscribe": reflect.TypeFor[subscribeFrame](), "unsubscribe": reflect.TypeFor[unsubscribeFrame](), "refresh": reflect.TypeFor[refreshFrame](),
	}
	require.ElementsMatch(t, frameTypes, slices.Collect(maps.Keys(types)))
	for kind, properties := range frameProperties(t) {
		var fields []string
		for _, field := range reflect.VisibleFields(types[kind]) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
				fields = append(fields, name)
			}
		}
		require.ElementsMatch(t, properties, fields, "the data of the frame %s", kind)
	}
}

// frameProperties returns the property names of the data of each frame type.
func frameProperties(t *testing.T) map[string][]string {
	t.Helper()
	document, err := loadFrames(fieldgate.SocketSpec, fieldgate.Spec)
	require.NoError(t, err)
	properties := map[string][]string{}
	for _, kind := range frameTypes {
		data := document.Components.Schemas[frameSchema+kind].Value.Properties["data"].Value
		properties[kind] = slices.Collect(maps.Keys(data.Properties))
	}
	return properties
}
