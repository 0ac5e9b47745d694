package fieldgate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestContract_SchemasAreClosedNamedAndDescribed(t *testing.T) {
	t.Parallel()

	open := []string{"CommandParameters", "ResultData", "EventData", "ContractObject", "PasskeyExtensions"}
	for name, schema := range contract(t).Components.Schemas {
		if !slices.Contains([]string{"TagValue", "MetricValue"}, name) {
			require.NotEmpty(t, schema.Value.Description, name)
		}
		if schema.Value.Type.Is("object") && !slices.Contains(open, name) {
			require.True(t, closed(schema.Value), "%s: additionalProperties", name)
		}
		for field, property := range schema.Value.Properties {
			require.False(t, property.Ref == "" && property.Value.Type.Is("object"), "%s.%s: move the object to a schema of its own", name, field)
			require.NotEmpty(t, property.Value.Description, "%s.%s", name, field)
		}
	}
}

// TestContract_NamedOrAnyPropertiesButNotBoth requires that an object with properties of any name has no named
// ones of its own, unless any value is allowed. TypeScript has no type for an optional property beside others
// of a type, so the code of several generators would not compile.
func TestContract_NamedOrAnyPropertiesButNotBoth(t *testing.T) {
	t.Parallel()

	for name, schema := range contract(t).Components.Schemas {
		if schema.Value.AdditionalProperties.Schema != nil {
			require.Empty(t, schema.Value.Properties, name)
		}
	}
}

func TestContract_Enumerations(t *testing.T) {
	t.Parallel()

	schemas := contract(t).Components.Schemas
	for name, values := range map[string]string{
		"ActorKind":       "user device system",
		"ApprovalStatus":  "pending review",
		"ConnectionKind":  "device customer",
		"CommandOrder":    "oldest newest",
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

func TestContract_DocumentsAllErrorCodes(t *testing.T) {
	t.Parallel()

	require.ElementsMatch(t, codesInSource(t), slices.Collect(maps.Keys(documentedCodes(t))))
}

// operation is an operation of the contract with its method and path.
type operation struct {
	*openapi3.Operation
	method, path string
}

// contract returns the parsed contract.
func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(fieldgate.Spec)
	require.NoError(t, err)
	return doc
}

// operations returns all operations. Each one includes the parameters of its path.
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

// leastRole returns the least role that may call the operation, or "" if the operation needs
// no role.
func (o operation) leastRole() string {
	role, _ := o.Extensions["x-least-role"].(string)
	return role
}

// isList reports whether the operation returns a page of items.
func (o operation) isList() bool {
	success := o.Responses.Value("200")
	if success == nil || success.Value.Content.Get("application/json") == nil {
		return false
	}
	schema := success.Value.Content.Get("application/json").Schema
	return schema != nil && schema.Value.Properties["items"] != nil
}

// schemes returns the names of the security schemes of the operation. It returns nil if the
// operation has no security, which TestContract_SecurityOfOperations reports.
func (o operation) schemes() []string {
	if o.Security == nil {
		return nil
	}
	var names []string
	for _, requirement := range *o.Security {
		names = slices.AppendSeq(names, maps.Keys(requirement))
	}
	return names
}

// refusals returns the error statuses that an operation must document. They depend on the
// parameters, the body and the security of the operation.
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
	add(o.RequestBody != nil, "408", "413", "415")
	add(len(o.schemes()) > 0, "401")
	add(o.leastRole() != "", "403")
	// The gateway does not know the users of the issuer.
	add(strings.Contains(o.path, "{") && !strings.Contains(o.path, "{userId}"), "404")
	add(o.Parameters.GetByInAndName("header", "Idempotency-Key") != nil, "409")
	return statuses
}

// documentedCodes returns the HTTP status of each code in the table of codes in the contract's
// introduction.
func documentedCodes(t *testing.T) map[string]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([45]\\d\\d) \\| .{20,} \\|$")
	codes := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(contract(t).Info.Description, -1) {
		codes[match[1]] = match[2]
	}
	return codes
}

// codesInSource returns the values of the constants of type Code in errors.go.
func codesInSource(t *testing.T) []string {
	t.Helper()
	var codes []string
	for _, literal := range constants(t, "errors.go", "Code") {
		code, err := strconv.Unquote(literal)
		require.NoError(t, err)
		codes = append(codes, code)
	}
	return codes
}

// constants parses a source file and returns the literal of each constant whose name begins
// with prefix, by name. A test therefore cannot miss a new constant.
func constants(t *testing.T, source, prefix string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
	require.NoError(t, err)

	found := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, prefix) && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				found[spec.Names[0].Name] = literal.Value
			}
		}
		return true
	})
	require.NotEmpty(t, found, "%s: %s", source, prefix)
	return found
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

// requireBounds fails the test if any part of an input schema has no limit.
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
	case path.Base(ref.Ref) == "SentTraceparent": // ignored unless it is valid, and bounded by its frame
	default:
		require.True(t, schema.Type.Is("boolean"), where)
	}
}

func requireObjectBounds(t *testing.T, where string, ref *openapi3.SchemaRef) {
	t.Helper()
	if slices.Contains([]string{"CommandParameters", "ResultData", "PasskeyExtensions"}, path.Base(ref.Ref)) {
		return // the object has a limit on its total size in bytes
	}
	require.True(t, closed(ref.Value), "%s accepts unknown fields", where)
	for name, property := range ref.Value.Properties {
		requireBounds(t, where+"."+name, property)
	}
	if values := ref.Value.AdditionalProperties.Schema; values != nil {
		requireBounds(t, where+".*", values)
	}
}

// closed reports whether an object schema rejects unknown fields. It must either have only its
// own properties, or allow a limited number of additional ones with a schema.
func closed(schema *openapi3.Schema) bool {
	more := schema.AdditionalProperties
	if more.Schema != nil {
		return schema.MaxProps != nil
	}
	return more.Has != nil && !*more.Has
}
