package fieldgate_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestContract_IsValidWithExamples(t *testing.T) {
	t.Parallel()

	doc := contract(t)

	require.NoError(t, doc.Validate(context.Background(), openapi3.EnableExamplesValidation()))
	require.Equal(t, "3.0.3", doc.OpenAPI, "the validation of a request against 3.1 takes sixty times as long")
}

func TestContract_HasNoExtensionsForGo(t *testing.T) {
	t.Parallel()

	require.NotContains(t, string(fieldgate.Spec), "x-go", "extensions for Go belong in generated/overlay.yaml")
	require.NotContains(t, string(fieldgate.Spec), "x-omit")
}

func TestContract_OperationsAndLeastRoles(t *testing.T) {
	t.Parallel()

	const (
		device   = "/api/v1/device"
		customer = "/api/v1/customer"
	)
	want := map[string]string{ // maps method and path to the operationId, followed by the lowest role that may call it, if it needs a role
		"GET /healthz":                    "getHealth",
		"GET /readyz":                     "getReadiness",
		"GET /version":                    "getVersion",
		"GET /.well-known/fieldgate/keys": "getSigningKeys",
		"GET /openapi.yaml":               "getContractYAML",
		"GET /openapi.json":               "getContractJSON",
		"GET /asyncapi.yaml":              "getSocketContract",
		"GET /asyncapi.json":              "getSocketContractJSON",
		"GET /docs":                       "getDocs",

		"POST " + device + "/register":                      "registerDevice",
		"POST " + device + "/auth":                          "authenticateDevice",
		"DELETE " + device + "/auth":                        "endDeviceLogin",
		"POST " + device + "/heartbeat":                     "sendHeartbeat",
		"POST " + device + "/commands/claim":                "claimCommands",
		"GET " + device + "/commands/{commandId}":           "getDeviceCommand",
		"POST " + device + "/commands/{commandId}/extend":   "extendCommand",
		"POST " + device + "/commands/{commandId}/release":  "releaseCommand",
		"POST " + device + "/commands/{commandId}/progress": "reportProgress",
		"POST " + device + "/commands/{commandId}/result":   "submitResult",
		"GET " + device + "/trust":                          "getDeviceTrust",
		"GET " + device + "/ws":                             "openDeviceSocket",

		"POST " + customer + "/devices":                                                      "provisionDevice admin",
		"GET " + customer + "/devices":                                                       "listDevices viewer",
		"GET " + customer + "/devices/{deviceId}":                                            "getDevice viewer",
		"PATCH " + customer + "/devices/{deviceId}":                                          "updateDevice admin",
		"DELETE " + customer + "/devices/{deviceId}":                                         "decommissionDevice admin",
		"POST " + customer + "/devices/{deviceId}/activation-code":                           "issueActivationCode admin",
		"POST " + customer + "/devices/{deviceId}/suspend":                                   "suspendDevice admin",
		"POST " + customer + "/devices/{deviceId}/resume":                                    "resumeDevice admin",
		"POST " + customer + "/devices/{deviceId}/revoke-logins":                             "revokeDeviceLogins admin",
		"POST " + customer + "/devices/{deviceId}/resolve-identity":                          "resolveDeviceIdentity admin",
		"POST " + customer + "/sessions":                                                     "openSession operator",
		"GET " + customer + "/sessions":                                                      "listSessions viewer",
		"GET " + customer + "/sessions/{sessionId}":                                          "getSession viewer",
		"POST " + customer + "/sessions/{sessionId}/close":                                   "closeSession operator",
		"POST " + customer + "/sessions/{sessionId}/commands":                                "proposeCommand operator",
		"GET " + customer + "/sessions/{sessionId}/commands":                                 "listCommands viewer",
		"GET " + customer + "/sessions/{sessionId}/commands/{commandId}":                     "getCommand viewer",
		"GET " + customer + "/sessions/{sessionId}/commands/{commandId}/output":              "getCommandOutput viewer",
		"GET " + customer + "/sessions/{sessionId}/commands/{commandId}/receipt":             "getReceipt viewer",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/cancel":             "cancelCommand operator",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/retry":              "retryCommand operator",
		"POST " + customer + "/sessions/{sessionId}/approve":                                 "decideCommand approver",
		"GET " + customer + "/sessions/{sessionId}/events":                                   "listSessionEvents viewer",
		"GET " + customer + "/approvals":                                                     "listApprovals viewer",
		"GET " + customer + "/commands":                                                      "listTenantCommands viewer",
		"POST " + customer + "/users/{userId}/cut-off":                                       "cutOff admin",
		"GET " + customer + "/cut-offs":                                                      "listCutOffs admin",
		"GET " + customer + "/policy":                                                        "getPolicy admin",
		"PUT " + customer + "/policy":                                                        "setPolicy admin",
		"GET " + customer + "/policy/versions":                                               "listPolicyVersions admin",
		"POST " + customer + "/policy/decide":                                                "decidePolicyChange admin",
		"POST " + customer + "/policy/evaluate":                                              "evaluatePolicy viewer",
		"POST " + customer + "/passkeys/options":                                             "createPasskeyOptions approver",
		"GET " + customer + "/passkeys":                                                      "listPasskeys approver",
		"POST " + customer + "/passkeys":                                                     "registerPasskey approver",
		"DELETE " + customer + "/passkeys/{passkeyId}":                                       "deletePasskey approver",
		"GET " + customer + "/roster":                                                        "getRoster viewer",
		"PUT " + customer + "/roster":                                                        "setRoster admin",
		"GET " + customer + "/me":                                                            "getMe viewer",
		"GET " + customer + "/usage":                                                         "getUsage viewer",
		"GET " + customer + "/system/info":                                                   "getSystemInfo viewer",
		"POST " + customer + "/ws-tickets":                                                   "issueTicket viewer",
		"GET " + customer + "/ws":                                                            "openCustomerSocket viewer",
		"GET " + customer + "/connections":                                                   "listConnections viewer",
		"DELETE " + customer + "/connections/{connectionId}":                                 "closeConnection admin",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/withdraw":           "withdrawVote approver",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/break-glass":        "breakGlass admin",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/break-glass/review": "reviewBreakGlass approver",
	}

	got := map[string]string{}
	for _, op := range operations(t) {
		got[op.method+" "+op.path] = strings.TrimSpace(op.OperationID + " " + op.leastRole())
	}
	require.Equal(t, want, got)
}

// TestContract_ListsDeclareCost requires that every list that users may call declares a cost,
// because a list reads many records. Only the limits of a tenant and of a device count cost,
// so an operation without a login must not declare one.
func TestContract_ListsDeclareCost(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		cost, declared := op.Extensions["x-cost"].(float64)
		ofUser := slices.Contains(op.schemes(), "customerJWT")
		require.True(t, len(op.schemes()) > 0 || !declared, "%s is not limited by cost", op.OperationID)
		if ofUser && op.isList() {
			require.GreaterOrEqual(t, cost, 5.0, "%s is a list: declare its x-cost", op.OperationID)
		}
	}
}

func TestContract_SecurityOfOperations(t *testing.T) {
	t.Parallel()

	public := []string{"registerDevice", "authenticateDevice"}
	for _, op := range operations(t) {
		require.NotNil(t, op.Security, "%s: write `security: []` if it needs none", op.OperationID)
		switch {
		case strings.HasPrefix(op.path, "/api/v1/customer/"):
			require.Equal(t, []string{"customerJWT"}, op.schemes(), op.OperationID)
		case strings.HasPrefix(op.path, "/api/v1/device/") && !slices.Contains(public, op.OperationID):
			require.Equal(t, []string{"deviceSession"}, op.schemes(), op.OperationID)
		default:
			require.Empty(t, op.schemes(), op.OperationID)
		}
	}
}

func TestContract_OperationsAreDescribed(t *testing.T) {
	t.Parallel()

	var tags []string
	for _, tag := range contract(t).Tags {
		require.NotEmpty(t, tag.Description, "tag %s", tag.Name)
		tags = append(tags, tag.Name)
	}
	for _, op := range operations(t) {
		require.NotEmpty(t, op.Summary, op.OperationID)
		require.GreaterOrEqual(t, len(op.Description), 80, "%s: the description is too short", op.OperationID)
		require.Len(t, op.Tags, 1, op.OperationID)
		require.Contains(t, tags, op.Tags[0], op.OperationID)
	}
}

func TestContract_BodiesHaveExamples(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		if op.RequestBody != nil {
			requireExample(t, op.RequestBody.Value.Content, "the request of "+op.OperationID)
		}
		for status, response := range op.Responses.Map() {
			requireExample(t, response.Value.Content, op.OperationID+" "+status)
		}
	}
}

func TestContract_OperationsDocumentRefusals(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, status := range op.refusals() {
			require.NotNil(t, op.Responses.Value(status), "%s must document %s", op.OperationID, status)
		}
	}
}

func TestContract_RefusalsAreProblemDocuments(t *testing.T) {
	t.Parallel()

	documented := documentedCodes(t)
	for _, op := range operations(t) {
		for status, response := range op.Responses.Map() {
			if status < "400" || op.OperationID == "getReadiness" && status == "503" {
				continue
			}
			require.NotEmpty(t, response.Ref, "%s %s: share the response", op.OperationID, status)
			media := response.Value.Content["application/problem+json"]
			require.NotNil(t, media, "%s %s", op.OperationID, status)
			require.Equal(t, "#/components/schemas/Problem", media.Schema.Ref, "%s %s", op.OperationID, status)
			for code, example := range media.Examples {
				problem := example.Value.Value.(map[string]any)
				require.Equal(t, code, problem["code"], response.Ref)
				require.Equal(t, "/docs/errors/"+code, problem["type"], response.Ref)
				require.Equal(t, status, fmt.Sprint(problem["status"]), "%s: %s", response.Ref, code)
				require.Equal(t, status, documented[code], "the status of %s in the table of codes", code)
			}
			requireHeader(t, status == "401", response, "WWW-Authenticate")
			requireHeader(t, status == "429" || status == "503", response, "Retry-After")
		}
	}
}

func TestContract_ResponsesHaveRequestID(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, response := range op.Responses.Map() {
			requireHeader(t, true, response, "X-Request-ID")
		}
	}
}

func TestContract_CreationsHaveLocationAndIdempotencyKey(t *testing.T) {
	t.Parallel()

	repeatable := []string{"claimCommands"}
	for _, op := range operations(t) {
		created := op.Responses.Value("201")
		if created != nil {
			requireHeader(t, true, created, "Location")
			// A ticket is short-lived and used once, and so is the challenge of a passkey: a repeated request
			// need not return the same.
			if op.OperationID != "issueTicket" && op.OperationID != "registerPasskey" {
				repeatable = append(repeatable, op.OperationID)
			}
		}
		key := op.Parameters.GetByInAndName("header", "Idempotency-Key")
		require.Equal(t, slices.Contains(repeatable, op.OperationID), key != nil, op.OperationID)
	}
	require.Len(t, repeatable, 7)
}

func TestContract_ListsArePaged(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		if !strings.HasPrefix(op.OperationID, "list") {
			continue
		}
		limit := op.Parameters.GetByInAndName("query", "limit")
		require.NotNil(t, limit, op.OperationID)
		requireRange(t, limit.Schema.Value, 1, 200, 50)
		require.NotNil(t, op.Parameters.GetByInAndName("query", "cursor"), op.OperationID)

		list := op.Responses.Value("200").Value.Content["application/json"].Schema.Value
		require.Equal(t, []string{"items"}, list.Required, op.OperationID)
		want := []string{"items", "nextCursor"}
		if op.OperationID == "listDevices" {
			want = append(want, "total")
		}
		require.Equal(t, want, slices.Sorted(maps.Keys(list.Properties)), op.OperationID)
	}
}

// TestContract_OptionalParametersHaveNoExample keeps the page of the reference, and tools like it, from filling
// in what the reader has not chosen: a first list would be empty, and a second request with the same
// Idempotency-Key a repetition or a conflict.
func TestContract_OptionalParametersHaveNoExample(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, parameter := range op.Parameters {
			p := parameter.Value
			if !p.Required {
				require.Nil(t, p.Example, "%s %s", op.OperationID, p.Name)
				require.Empty(t, p.Examples, "%s %s", op.OperationID, p.Name)
				require.Nil(t, p.Schema.Value.Example, "%s %s", op.OperationID, p.Name)
			}
		}
	}
}

func TestContract_LimitsAndDefaultsOfRequests(t *testing.T) {
	t.Parallel()

	schemas := contract(t).Components.Schemas
	for _, want := range []struct {
		schema, field string
		min, max      float64
		fallback      any
	}{
		{"ClaimRequest", "limit", 1, 10, 1},
		{"ClaimRequest", "visibilityTimeoutMs", 1000, 3_600_000, 300_000},
		{"ClaimRequest", "waitMs", 0, 30_000, 0},
		{"ExtendRequest", "extensionMs", 1000, 3_600_000, nil},
		{"OpenSessionRequest", "expiresInSeconds", 300, 86_400, 3600},
		{"ProposeCommandRequest", "priority", 0, 9, 5},
		{"ProposeCommandRequest", "maxAttempts", 1, 10, nil},
	} {
		requireRange(t, schemas[want.schema].Value.Properties[want.field].Value, want.min, want.max, want.fallback)
	}

	result := schemas["ResultRequest"].Value.Properties
	require.EqualValues(t, 262_144, *result["output"].Value.MaxLength)
	require.EqualValues(t, 16_384, *result["error"].Value.MaxLength)
}

func TestContract_RequestsAreBounded(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, parameter := range op.Parameters {
			require.NotNil(t, parameter.Value.Schema, "%s: %s: use a schema, because kin-openapi does not validate all parameters with content", op.OperationID, parameter.Value.Name)
			require.NotEqual(t, "deepObject", parameter.Value.Style, "%s: %s", op.OperationID, parameter.Value.Name)
			requireBounds(t, op.OperationID+" "+parameter.Value.Name, parameter.Value.Schema)
		}
		if op.RequestBody == nil {
			continue
		}
		require.Equal(t, []string{"application/json"}, slices.Collect(maps.Keys(op.RequestBody.Value.Content)), op.OperationID)
		requireBounds(t, op.OperationID, op.RequestBody.Value.Content["application/json"].Schema)
	}
}
