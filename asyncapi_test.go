package fieldgate_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
)

func TestSocketContract_ExamplesMatchSchemas(t *testing.T) {
	t.Parallel()

	schemas := frameSchemas(t)
	for id, message := range sockets(t).Components.Messages {
		require.NotEmpty(t, message.Examples, id)
		for _, example := range message.Examples {
			require.NotEmpty(t, example.Summary, "%s %s", id, example.Name)
			require.NoError(t, schemas[id].Value.VisitJSON(example.Payload), "%s %s", id, example.Name)
		}
	}
}

func TestSocketContract_FramesBySenderAndSocket(t *testing.T) {
	t.Parallel()

	want := map[string]string{
		"the client on /api/v1/device/ws":    "claim extend heartbeat ping progress release result",
		"the gateway on /api/v1/device/ws":   "command.cancel commands.available error going_away welcome",
		"the client on /api/v1/customer/ws":  "ping refresh subscribe unsubscribe",
		"the gateway on /api/v1/customer/ws": "error event going_away token_expiring welcome",
	}

	contract := sockets(t)
	got := map[string][]string{}
	for id, op := range contract.Operations {
		require.NotEmpty(t, op.Summary, id)
		sender := map[string]string{"receive": "the client", "send": "the gateway"}[op.Action]
		where := sender + " on " + contract.Channels[op.Channel.id()].Address
		for _, message := range op.Messages {
			got[where] = append(got[where], contract.Components.Messages[message.id()].Name)
		}
	}
	for where, types := range got {
		slices.Sort(types)
		require.Equal(t, want[where], strings.Join(types, " "), where)
	}
	require.Len(t, got, len(want))
}

func TestSocketContract_ClientFramesHaveReplyAndError(t *testing.T) {
	t.Parallel()

	contract := sockets(t)
	for id, op := range contract.Operations {
		if op.Action != "receive" {
			require.Empty(t, op.Reply.Messages, id)
			continue
		}
		require.Len(t, op.Reply.Messages, 2, id)
		require.Equal(t, op.Messages[0].id()+"Reply", op.Reply.Messages[0].id(), id)
		require.Equal(t, "reply", contract.Components.Messages[op.Reply.Messages[0].id()].Name, id)
		require.Equal(t, "error", op.Reply.Messages[1].id(), id)
		require.Equal(t, op.Channel, op.Reply.Channel, id)
	}
}

func TestSocketContract_FramesAreClosedEnvelopes(t *testing.T) {
	t.Parallel()

	for id, schema := range frameSchemas(t) {
		message := sockets(t).Components.Messages[id]
		require.NotEmpty(t, message.Title, id)
		require.NotEmpty(t, message.Summary, id)

		frame := schema.Value
		require.True(t, closed(frame), id)
		require.Contains(t, frame.Required, "type", id)
		require.Equal(t, []any{message.Name}, frame.Properties["type"].Value.Enum, id)
		require.Subset(t, []string{"type", "requestId", "traceparent", "data"}, slices.Collect(maps.Keys(frame.Properties)), id)
		require.Equal(t, message.Name == "reply", slices.Contains(frame.Required, "requestId"), id)
		require.Equal(t, frame.Properties["requestId"] != nil, len(message.CorrelationID) > 0, id)
	}
}

func TestSocketContract_SchemasAreClosedAndDescribed(t *testing.T) {
	t.Parallel()

	schemas := socketSchemas(t)
	for name := range sockets(t).Components.Schemas {
		schema := schemas[name].Value
		require.NotEmpty(t, schema.Description, name)
		if schema.Type.Is("object") && name != "RoomEventData" {
			require.True(t, closed(schema), name)
		}
		for field, property := range schema.Properties {
			require.NotEmpty(t, property.Value.Description, "%s.%s", name, field)
		}
	}
}

func TestSocketContract_ClientFramesAreBounded(t *testing.T) {
	t.Parallel()

	schemas := frameSchemas(t)
	for _, op := range sockets(t).Operations {
		if op.Action == "receive" {
			requireBounds(t, op.Messages[0].id(), schemas[op.Messages[0].id()])
		}
	}
}

func TestSocketContract_SocketsAreOperationsOfHTTPContract(t *testing.T) {
	t.Parallel()

	paths := contract(t).Paths
	for id, channel := range sockets(t).Channels {
		op := paths.Value(channel.Address)
		require.NotNil(t, op, id)
		require.NotNil(t, op.Get.Responses.Value("101"), id)
		require.Contains(t, op.Get.Description, "(/asyncapi.yaml)", id)
	}
}

func TestSocketContract_CloseCodes(t *testing.T) {
	t.Parallel()

	sent := slices.Sorted(maps.Values(constants(t, "realtime/frame.go", "Close")))

	require.Equal(t, sent, closeCodes(sockets(t).Info.Description))
	require.Equal(t, sent, closeCodes(contract(t).Info.Description))
}

func TestSocketContract_EventTypes(t *testing.T) {
	t.Parallel()

	want := strings.Fields(`
		device.registered device.updated device.presence device.suspended device.resumed device.logins_revoked device.identity_conflict
		device.identity_resolved device.decommissioned
		session.opened session.closed session.expired
		command.proposed command.approved command.rejected command.claimed command.requeued command.released command.succeeded
		command.failed command.timed_out command.cancel_requested command.cancelled command.expired command.progress command.result_conflict
		command.vote command.vote_withdrawn command.break_glass command.break_glass_reviewed
		user.cut_off policy.changed roster.changed passkey.registered passkey.deleted`)

	documented := enum(t, "EventType")

	require.ElementsMatch(t, want, documented)
	inHTTP := regexp.MustCompile("`([a-z]+\\.[a-z_]+)`").FindAllStringSubmatch(contract(t).Components.Schemas["EventType"].Value.Description, -1)
	require.Len(t, inHTTP, len(want))
	for _, match := range inHTTP {
		require.Contains(t, want, match[1], "in openapi.yaml")
	}
	for _, emitted := range eventsInScripts(t) {
		require.Contains(t, want, emitted, "a script emits an event that is not listed")
	}
}

func TestSocketContract_Rooms(t *testing.T) {
	t.Parallel()

	room := socketSchemas(t)["Room"].Value
	names := constants(t, "realtime/room.go", "Room")
	require.Len(t, names, 3)
	for name, literal := range names {
		prefix, err := strconv.Unquote(literal)
		require.NoError(t, err)
		if strings.HasSuffix(prefix, ":") {
			require.Error(t, room.VisitJSON(prefix), name)
			prefix += "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra"
		}
		require.NoError(t, room.VisitJSON(prefix), name)
		require.Contains(t, sockets(t).Info.Description, "| `"+strings.SplitN(prefix, ":", 2)[0], name)
	}
	for _, other := range []string{"", "tenant:x", "tenants", "fleet", "device:a b", "user:x", "device:" + strings.Repeat("x", 65)} {
		require.Error(t, room.VisitJSON(other), other)
	}
}

func TestSocketContract_ReasonsOfNotResumed(t *testing.T) {
	t.Parallel()

	var reasons []string
	for _, literal := range constants(t, "realtime/room.go", "reason") {
		reason, err := strconv.Unquote(literal)
		require.NoError(t, err)
		reasons = append(reasons, reason)
	}

	require.ElementsMatch(t, reasons, enum(t, "NotResumed"))
}

// socketContract is the part of asyncapi.yaml that these tests check. `make asyncapi`
// validates the document itself.
type socketContract struct {
	Info     struct{ Description string }
	Channels map[string]struct{ Address string }

	Operations map[string]struct {
		Action, Summary string
		Channel         reference
		Messages        []reference
		Reply           struct {
			Channel  reference
			Messages []reference
		}
	}

	Components struct {
		Messages map[string]socketMessage
		Schemas  map[string]any
	}
}

// socketMessage is the description of a frame.
type socketMessage struct {
	Name, Title, Summary string
	CorrelationID        map[string]string `yaml:"correlationId"`
	Payload              any
	Examples             []struct {
		Name, Summary string
		Payload       any
	}
}

// reference refers to a part of the document. The last path segment of Ref is the id of that
// part.
type reference struct {
	Ref string `yaml:"$ref"`
}

func (r reference) id() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

// sockets returns the parsed socket contract. It decodes numbers in examples to the same types
// as encoding/json.
func sockets(t *testing.T) (contract socketContract) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal(fieldgate.SocketSpec, &contract))
	for _, message := range contract.Components.Messages {
		for i := range message.Examples {
			text, err := json.Marshal(message.Examples[i].Payload)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &message.Examples[i].Payload))
		}
	}
	return contract
}

// socketSchemas returns the schemas of asyncapi.yaml, and the schemas of openapi.yaml that
// they refer to. It parses and validates all of them as OpenAPI, because asyncapi.yaml uses
// only features that both dialects of JSON Schema have.
func socketSchemas(t *testing.T) openapi3.Schemas {
	t.Helper()
	schemas := maps.Clone(sockets(t).Components.Schemas)
	for id, message := range sockets(t).Components.Messages {
		schemas["frame."+id] = message.Payload
	}
	text, err := json.Marshal(map[string]any{
		"openapi": "3.0.3", "info": map[string]any{"title": "frames", "version": "1"}, "paths": map[string]any{},
		"components": map[string]any{"schemas": schemas},
	})
	require.NoError(t, err)

	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, location *url.URL) ([]byte, error) {
		require.Equal(t, "openapi.yaml", location.Path, "schemas are shared with openapi.yaml only")
		return fieldgate.Spec, nil
	}
	doc, err := loader.LoadFromDataWithPath(text, &url.URL{Path: "asyncapi.yaml"})
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc.Components.Schemas
}

// frameSchemas returns the schema of the payload of each message, by the message's id.
func frameSchemas(t *testing.T) openapi3.Schemas {
	t.Helper()
	frames := openapi3.Schemas{}
	for name, schema := range socketSchemas(t) {
		if id, ok := strings.CutPrefix(name, "frame."); ok {
			frames[id] = schema
		}
	}
	require.NotEmpty(t, frames)
	return frames
}

// enum returns the values of an enumeration.
func enum(t *testing.T, schema string) (values []string) {
	t.Helper()
	for _, value := range socketSchemas(t)[schema].Value.Enum {
		values = append(values, value.(string))
	}
	return values
}

// closeCodes returns the close codes in the tables of a description, sorted. A row of a table
// contains one or more codes, the meaning, and advice.
func closeCodes(description string) (codes []string) {
	rows := regexp.MustCompile(`(?m)^\| ((?:[14]\d{3}(?:, )?)+) \| .{9,} \| .{2,} \|$`)
	for _, row := range rows.FindAllStringSubmatch(description, -1) {
		codes = append(codes, strings.Split(row[1], ", ")...)
	}
	slices.Sort(codes)
	return codes
}

// eventsInScripts returns the types of events that scripts pass to the function emit as
// literals.
func eventsInScripts(t *testing.T) (types []string) {
	t.Helper()
	scripts, err := filepath.Glob("*/lua/*.lua")
	require.NoError(t, err)
	emit := regexp.MustCompile(`emit(?:_tenant)?\([^']*'([a-z]+\.[a-z_]+)'`)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		for _, match := range emit.FindAllSubmatch(text, -1) {
			types = append(types, string(match[1]))
		}
	}
	require.NotEmpty(t, types)
	return types
}
