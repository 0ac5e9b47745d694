package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func (p probe) requireInvalid(t *testing.T, what string, r gatewaytest.Request, pointer string) {
	t.Helper()
	response := p.requireRefused(t, what, r, http.StatusBadRequest, client.CodeValidationFailed)
	var pointers []string
	for _, found := range response.Problem.Errors {
		pointers = append(pointers, found.Pointer)
	}
	require.Contains(t, pointers, pointer, "%s: %s", what, response.Body)
}

func (p probe) refusesInvalidParameters(t *testing.T, valid gatewaytest.Request) {
	separator := "?"
	if strings.Contains(valid.Path, "?") {
		separator = "&"
	}
	unknown := valid
	unknown.Path += separator + "unknownParameter=1"
	p.requireInvalid(t, "an unknown parameter", unknown, "/query")

	for _, found := range placeholder.FindAllStringSubmatch(p.path, -1) {
		invalid := p.request(p.operation, valid.Token, map[string]string{p.valueName(found[1]): "a%20b"})
		p.requireInvalid(t, "an id with a space", invalid, "/path/"+found[1])
	}
	if p.takes("Idempotency-Key") {
		for what, key := range map[string]string{"too long": strings.Repeat("k", 129), "with a space": "a b"} {
			invalid := valid
			invalid.Header = http.Header{"Idempotency-Key": {key}}
			p.requireInvalid(t, "a key that is "+what, invalid, "/header/Idempotency-Key")
		}
	}
	if p.spec.Parameters.GetByInAndName("query", "limit") != nil {
		for _, limit := range []string{"0", "201", "many", "-1"} {
			invalid := valid
			invalid.Path += separator + "limit=" + limit
			p.requireInvalid(t, "limit="+limit, invalid, "/query/limit")
		}
		invalid := valid
		invalid.Path += separator + "cursor=%21%21"
		p.requireInvalid(t, "a malformed cursor", invalid, "/query/cursor")
	}
}

// ignoresParameters requires that a GET operation ignores an unknown query parameter. It
// is called only for operations for which the contract declares no response with 400.
func (p probe) ignoresParameters(t *testing.T, valid gatewaytest.Request) {
	if p.method != http.MethodGet {
		return
	}
	valid.Path += "?unknownParameter=1"
	require.Equal(t, p.example.status, p.Do(t, valid).Status)
}

// valueName returns the name of the fixture's value that replaces a placeholder.
func (p probe) valueName(placeholder string) string {
	if name := p.example.path[placeholder]; name != "" {
		return name
	}
	return placeholder
}

func (p probe) refusesInvalidBodies(t *testing.T, valid gatewaytest.Request) {
	open := strings.TrimSuffix(valid.Body, "}")
	bodies := map[string]string{
		"an unknown field":     open + `,"unknownField":1}`,
		"a field in two cases": open + `,"` + strings.ToUpper(p.firstField(t)) + `":1}`,
		"a field twice":        open + `,"` + p.firstField(t) + `":null}`,
		"a truncated object":   open,
		"no JSON":              "reason=solved",
		"trailing data":        valid.Body + `{}`,
		"null":                 "null",
		"a list":               "[" + valid.Body + "]",
		"a string":             `"` + p.firstField(t) + `"`,
		"not UTF-8":            open + `,"unknownField":"` + "\xff" + `"}`,
	}
	for what, body := range bodies {
		invalid := valid
		invalid.Body = body
		p.requireInvalid(t, what, invalid, "")
	}
	for field, value := range p.fields(t) {
		invalid := valid
		invalid.Body = p.bodyWith(t, field, ofAnotherType(value))
		p.requireInvalid(t, "another type for "+field, invalid, "/"+field)
	}
	if p.spec.RequestBody.Value.Required {
		invalid := valid
		invalid.Body, invalid.Header = "", http.Header{"Content-Type": {"application/json"}}
		p.requireInvalid(t, "no body", invalid, "")
	}
	if required := p.bodySchema().Required; len(required) > 0 {
		invalid := valid
		invalid.Body = "{}"
		p.requireInvalid(t, "an empty object", invalid, "/"+required[0])
	}
}

// ofAnotherType returns an empty list, and an empty object for a list.
func ofAnotherType(value json.RawMessage) json.RawMessage {
	if bytes.HasPrefix(value, []byte("[")) {
		return json.RawMessage(`{}`)
	}
	return json.RawMessage(`[]`)
}

func (p probe) bodySchema() *openapi3.Schema {
	return p.spec.RequestBody.Value.Content["application/json"].Schema.Value
}

func (p probe) fields(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(fill(p.example.body, p.values)), &fields))
	return fields
}

func (p probe) firstField(t *testing.T) string {
	t.Helper()
	first, _, found := strings.Cut(strings.TrimPrefix(p.example.body, `{"`), `"`)
	require.True(t, found)
	return first
}

func (p probe) bodyWith(t *testing.T, field string, value json.RawMessage) string {
	t.Helper()
	fields := p.fields(t)
	fields[field] = value
	text, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(text)
}

func (p probe) refusesOtherMediaTypes(t *testing.T, valid gatewaytest.Request) {
	for what, header := range map[string]http.Header{
		"text":          {"Content-Type": {"text/plain"}},
		"a form":        {"Content-Type": {"application/x-www-form-urlencoded"}},
		"almost JSON":   {"Content-Type": {"application/jsonp"}},
		"no media type": {"Content-Type": nil},
		"compressed":    {"Content-Type": {"application/json"}, "Content-Encoding": {"br"}},
	} {
		invalid := valid
		invalid.Header = header
		p.requireRefused(t, what, invalid, http.StatusUnsupportedMediaType, client.CodeUnsupportedMediaType)
	}
}

// refusesLargeBodies sends a body one byte above the limit, with and without a
// Content-Length. A request with a Content-Length is refused before the body is sent,
// because the client waits for 100 Continue.
func (p probe) refusesLargeBodies(t *testing.T, valid gatewaytest.Request) {
	large := valid
	large.Body = valid.Body + strings.Repeat(" ", maxBody+1-len(valid.Body))
	large.Header = http.Header{"Expect": {"100-continue"}}
	p.requireRefused(t, "with a length", large, http.StatusRequestEntityTooLarge, client.CodeBodyTooLarge)
	large.Header, large.Chunked = nil, true
	p.requireRefused(t, "chunked", large, http.StatusRequestEntityTooLarge, client.CodeBodyTooLarge)
}
