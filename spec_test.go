package fieldgate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
)

func TestTheContractIsValidAndSoIsEveryExampleInIt(t *testing.T) {
	t.Parallel()

	doc := contract(t)

	require.NoError(t, doc.Validate(context.Background(), openapi3.EnableExamplesValidation()))
	require.Equal(t, "3.0.3", doc.OpenAPI, "validating a request against 3.1 costs sixty times as much")
}

func TestTheContractSaysNothingOfGo(t *testing.T) {
	t.Parallel()

	require.NotContains(t, string(fieldgate.Spec), "x-go", "what the Go code needs belongs into generated/overlay.yaml")
	require.NotContains(t, string(fieldgate.Spec), "x-omit")
}

func TestTheEmbeddedContractIsThePublishedOne(t *testing.T) {
	t.Parallel()

	embedded, err := generated.GetSpec()
	require.NoError(t, err)

	require.JSONEq(t, asJSON(t, contract(t)), asJSON(t, embedded), "run go generate ./...")
}

func TestTheOperationsAndTheirLeastRoles(t *testing.T) {
	t.Parallel()

	const (
		device   = "/api/v1/device"
		customer = "/api/v1/customer"
	)
	want := map[string]string{ // method and path: operationId, and the least role where there is one
		"GET /healthz":      "getHealth",
		"GET /readyz":       "getReadiness",
		"GET /version":      "getVersion",
		"GET /openapi.yaml": "getContractYAML",
		"GET /openapi.json": "getContractJSON",
		"GET /docs":         "getDocs",

		"POST " + device + "/register":                     "registerDevice",
		"POST " + device + "/auth":                         "authenticateDevice",
		"DELETE " + device + "/auth":                       "endDeviceLogin",
		"POST " + device + "/heartbeat":                    "sendHeartbeat",
		"POST " + device + "/commands/claim":               "claimCommands",
		"GET " + device + "/commands/{commandId}":          "getDeviceCommand",
		"POST " + device + "/commands/{commandId}/extend":  "extendCommand",
		"POST " + device + "/commands/{commandId}/release": "releaseCommand",
		"POST " + device + "/commands/{commandId}/result":  "submitResult",

		"POST " + customer + "/devices":                                          "provisionDevice admin",
		"GET " + customer + "/devices":                                           "listDevices viewer",
		"GET " + customer + "/devices/{deviceId}":                                "getDevice viewer",
		"PATCH " + customer + "/devices/{deviceId}":                              "updateDevice admin",
		"DELETE " + customer + "/devices/{deviceId}":                             "decommissionDevice admin",
		"POST " + customer + "/devices/{deviceId}/activation-code":               "issueActivationCode admin",
		"POST " + customer + "/devices/{deviceId}/suspend":                       "suspendDevice admin",
		"POST " + customer + "/devices/{deviceId}/resume":                        "resumeDevice admin",
		"POST " + customer + "/devices/{deviceId}/revoke-logins":                 "revokeDeviceLogins admin",
		"POST " + customer + "/sessions":                                         "openSession operator",
		"GET " + customer + "/sessions":                                          "listSessions viewer",
		"GET " + customer + "/sessions/{sessionId}":                              "getSession viewer",
		"POST " + customer + "/sessions/{sessionId}/close":                       "closeSession operator",
		"POST " + customer + "/sessions/{sessionId}/commands":                    "proposeCommand operator",
		"GET " + customer + "/sessions/{sessionId}/commands":                     "listCommands viewer",
		"GET " + customer + "/sessions/{sessionId}/commands/{commandId}":         "getCommand viewer",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/cancel": "cancelCommand operator",
		"POST " + customer + "/sessions/{sessionId}/commands/{commandId}/retry":  "retryCommand operator",
		"POST " + customer + "/sessions/{sessionId}/approve":                     "decideCommand approver",
		"GET " + customer + "/sessions/{sessionId}/events":                       "listSessionEvents viewer",
		"GET " + customer + "/approvals":                                         "listApprovals viewer",
		"GET " + customer + "/system/info":                                       "getSystemInfo viewer",
	}

	got := map[string]string{}
	for _, op := range operations(t) {
		got[op.method+" "+op.path] = strings.TrimSpace(op.OperationID + " " + op.leastRole())
	}
	require.Equal(t, want, got)
}

func TestEveryOperationNamesWhoMayCallIt(t *testing.T) {
	t.Parallel()

	public := []string{"registerDevice", "authenticateDevice"}
	for _, op := range operations(t) {
		require.NotNil(t, op.Security, "%s: say `security: []` where none is needed", op.OperationID)
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

func TestEveryOperationExplainsItself(t *testing.T) {
	t.Parallel()

	var tags []string
	for _, tag := range contract(t).Tags {
		require.NotEmpty(t, tag.Description, "tag %s", tag.Name)
		tags = append(tags, tag.Name)
	}
	for _, op := range operations(t) {
		require.NotEmpty(t, op.Summary, op.OperationID)
		require.GreaterOrEqual(t, len(op.Description), 80, "%s: the description is too short to teach", op.OperationID)
		require.Len(t, op.Tags, 1, op.OperationID)
		require.Contains(t, tags, op.Tags[0], op.OperationID)
	}
}

func TestEveryJSONBodyHasAnExample(t *testing.T) {
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

func TestEveryOperationNamesTheRefusalsItMayGive(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, status := range op.refusals() {
			require.NotNil(t, op.Responses.Value(status), "%s must document %s", op.OperationID, status)
		}
	}
}

func TestEveryRefusalIsAProblemDocumentThatTellsItsStatusAndCode(t *testing.T) {
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
				require.Equal(t, "urn:fieldgate:problem:"+code, problem["type"], response.Ref)
				require.Equal(t, status, fmt.Sprint(problem["status"]), "%s: %s", response.Ref, code)
				require.Equal(t, status, documented[code], "the status of %s in the table of codes", code)
			}
			requireHeader(t, status == "401", response, "WWW-Authenticate")
			requireHeader(t, status == "429" || status == "503", response, "Retry-After")
		}
	}
}

func TestEveryAnswerCarriesARequestID(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, response := range op.Responses.Map() {
			requireHeader(t, true, response, "X-Request-ID")
		}
	}
}

func TestEveryCreationTellsWhereItIsAndCanBeRepeated(t *testing.T) {
	t.Parallel()

	repeatable := []string{"claimCommands"}
	for _, op := range operations(t) {
		created := op.Responses.Value("201")
		if created != nil {
			requireHeader(t, true, created, "Location")
			repeatable = append(repeatable, op.OperationID)
		}
		key := op.Parameters.GetByInAndName("header", "Idempotency-Key")
		require.Equal(t, slices.Contains(repeatable, op.OperationID), key != nil, op.OperationID)
	}
	require.Len(t, repeatable, 7)
}

func TestEveryListIsReadByPages(t *testing.T) {
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
		require.Equal(t, []string{"items", "nextCursor"}, slices.Sorted(maps.Keys(list.Properties)), op.OperationID)
	}
}

func TestTheLimitsAndDefaultsOfRequests(t *testing.T) {
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

func TestNothingInARequestIsWithoutBounds(t *testing.T) {
	t.Parallel()

	for _, op := range operations(t) {
		for _, parameter := range op.Parameters {
			require.NotNil(t, parameter.Value.Schema, "%s: %s: kin-openapi has had holes in parameters with content", op.OperationID, parameter.Value.Name)
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

func TestEverySchemaIsClosedNamedAndExplained(t *testing.T) {
	t.Parallel()

	open := []string{"CommandParameters", "ResultData", "EventData", "ContractObject"}
	for name, schema := range contract(t).Components.Schemas {
		if !slices.Contains([]string{"TagValue", "MetricValue", "MetadataValue"}, name) {
			require.NotEmpty(t, schema.Value.Description, name)
		}
		if schema.Value.Type.Is("object") && !slices.Contains(open, name) {
			require.True(t, closed(schema.Value), "%s: additionalProperties", name)
		}
		for field, property := range schema.Value.Properties {
			require.False(t, property.Ref == "" && property.Value.Type.Is("object"), "%s.%s: give the object a name", name, field)
			require.NotEmpty(t, property.Value.Description, "%s.%s", name, field)
		}
	}
}

func TestEnumerationsAreThoseOfTheStateTable(t *testing.T) {
	t.Parallel()

	schemas := contract(t).Components.Schemas
	for name, values := range map[string]string{
		"ActorKind":       "user device system",
		"ApprovalStatus":  "pending",
		"CommandStatus":   "pending_approval queued claimed succeeded failed timed_out rejected cancelled expired",
		"Decision":        "approved rejected",
		"DevicePresence":  "never_connected online stale offline",
		"DeviceStatus":    "provisioned active suspended decommissioned",
		"HeartbeatStatus": "ok busy degraded error",
		"ResultStatus":    "succeeded failed cancelled",
		"SessionStatus":   "active closed expired",
		"SessionType":     "diagnostic remediation",
	} {
		var got []string
		for _, value := range schemas[name].Value.Enum {
			got = append(got, value.(string))
		}
		require.Equal(t, strings.Fields(values), got, name)
	}
}

func TestEveryCodeIsExplainedAndEveryExplainedCodeExists(t *testing.T) {
	t.Parallel()

	require.ElementsMatch(t, codesInSource(t), slices.Collect(maps.Keys(documentedCodes(t))))
}

// operation is an operation of the contract and where it is.
type operation struct {
	*openapi3.Operation
	method, path string
}

func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	return doc
}

// operations lists all operations, each with the parameters that its path has too.
func operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	for path, item := range contract(t).Paths.Map() {
		for method, op := range item.Operations() {
			op.Parameters = append(op.Parameters, item.Parameters...)
			all = append(all, operation{Operation: op, method: method, path: path})
		}
	}
	return all
}

func (o operation) leastRole() string {
	role, _ := o.Extensions["x-least-role"].(string)
	return role
}

func (o operation) schemes() []string {
	var names []string
	for _, requirement := range *o.Security {
		names = slices.AppendSeq(names, maps.Keys(requirement))
	}
	return names
}

// refusals lists the statuses that an operation may answer with because of what it is.
func (o operation) refusals() []string {
	statuses := []string{"500"}
	add := func(when bool, more ...string) {
		if when {
			statuses = append(statuses, more...)
		}
	}
	api := strings.HasPrefix(o.path, "/api/")
	add(api, "429", "503")
	add(api && (len(o.Parameters) > 0 || o.RequestBody != nil), "400")
	add(o.RequestBody != nil, "413", "415")
	add(len(o.schemes()) > 0, "401")
	add(o.leastRole() != "", "403")
	add(strings.Contains(o.path, "{"), "404")
	add(o.Parameters.GetByInAndName("header", "Idempotency-Key") != nil, "409")
	return statuses
}

// documentedCodes reads the table of codes in the introduction: code to status.
func documentedCodes(t *testing.T) map[string]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([45]\\d\\d) \\| .{20,} \\|$")
	codes := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(contract(t).Info.Description, -1) {
		codes[match[1]] = match[2]
	}
	return codes
}

// codesInSource reads the values of the constants of type Code in errors.go.
func codesInSource(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)

	var codes []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			codes = append(codes, code)
		}
		return true
	})
	require.NotEmpty(t, codes)
	return codes
}

func requireExample(t *testing.T, content openapi3.Content, where string) {
	t.Helper()
	for kind, media := range content {
		if strings.HasSuffix(kind, "json") {
			require.True(t, media.Example != nil || len(media.Examples) > 0, "%s has no example", where)
		}
	}
}

func requireHeader(t *testing.T, wanted bool, response *openapi3.ResponseRef, name string) {
	t.Helper()
	header := response.Value.Headers[name]
	require.Equal(t, wanted, header != nil, "%s on %s %s", name, response.Ref, *response.Value.Description)
	if wanted {
		require.True(t, header.Value.Required, name)
	}
}

func requireRange(t *testing.T, schema *openapi3.Schema, lowest, highest float64, fallback any) {
	t.Helper()
	require.InDelta(t, lowest, *schema.Min, 0)
	require.InDelta(t, highest, *schema.Max, 0)
	if fallback == nil {
		require.Nil(t, schema.Default)
		return
	}
	require.EqualValues(t, fallback, schema.Default)
}

// requireBounds walks what a caller may send and demands a limit of everything in it.
func requireBounds(t *testing.T, where string, ref *openapi3.SchemaRef) {
	t.Helper()
	schema := ref.Value
	switch {
	case schema.Type.Is("object"):
		requireObjectBounds(t, where, ref)
	case schema.Type.Is("array"):
		require.NotNil(t, schema.MaxItems, where)
		requireBounds(t, where+"[]", schema.Items)
	case schema.Type.Is("string"):
		require.True(t, schema.MaxLength != nil || len(schema.Enum) > 0, "%s has no maxLength", where)
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		require.True(t, schema.Min != nil && schema.Max != nil, "%s has no minimum and maximum", where)
	default:
		require.True(t, schema.Type.Is("boolean"), where)
	}
}

func requireObjectBounds(t *testing.T, where string, ref *openapi3.SchemaRef) {
	t.Helper()
	free := []string{"#/components/schemas/CommandParameters", "#/components/schemas/ResultData"}
	if slices.Contains(free, ref.Ref) {
		return // bounded in bytes, as a whole
	}
	require.True(t, closed(ref.Value), "%s takes unknown fields", where)
	for name, property := range ref.Value.Properties {
		requireBounds(t, where+"."+name, property)
	}
	if values := ref.Value.AdditionalProperties.Schema; values != nil {
		requireBounds(t, where+".*", values)
	}
}

// closed tells whether an object takes no fields but those described: none at
// all beyond its properties, or a limited number of one kind.
func closed(schema *openapi3.Schema) bool {
	more := schema.AdditionalProperties
	if more.Schema != nil {
		return schema.MaxProps != nil
	}
	return more.Has != nil && !*more.Has
}

func asJSON(t *testing.T, doc *openapi3.T) string {
	t.Helper()
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	return string(text)
}
