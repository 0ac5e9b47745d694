package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

func (w walk) refuseInvalid(t *testing.T, what string, c gatewaytest.Request, pointer string) {
	t.Helper()
	answer := w.refuse(t, what, c, http.StatusBadRequest, client.CodeValidationFailed)
	var pointers []string
	for _, wrong := range answer.Problem.Errors {
		pointers = append(pointers, wrong.Pointer)
	}
	require.Contains(t, pointers, pointer, "%s: %s", what, answer.Body)
}

func (w walk) refusesOtherParameters(t *testing.T, right gatewaytest.Request) {
	separator := "?"
	if strings.Contains(right.Path, "?") {
		separator = "&"
	}
	unknown := right
	unknown.Path += separator + "nobodyKnowsThis=1"
	w.refuseInvalid(t, "an unknown parameter", unknown, "/query")

	for _, found := range name.FindAllStringSubmatch(w.path, -1) {
		wrong := w.call(w.operation, right.Token, map[string]string{w.slotOf(found[1]): "a%20b"})
		w.refuseInvalid(t, "an id with a space", wrong, "/path/"+found[1])
	}
	if w.takes("Idempotency-Key") {
		for what, key := range map[string]string{"too long": strings.Repeat("k", 129), "with a space": "a b"} {
			wrong := right
			wrong.Header = http.Header{"Idempotency-Key": {key}}
			w.refuseInvalid(t, "a key that is "+what, wrong, "/header/Idempotency-Key")
		}
	}
	if w.spec.Parameters.GetByInAndName("query", "limit") != nil {
		for _, limit := range []string{"0", "201", "many", "-1"} {
			wrong := right
			wrong.Path += separator + "limit=" + limit
			w.refuseInvalid(t, "limit="+limit, wrong, "/query/limit")
		}
		wrong := right
		wrong.Path += separator + "cursor=%21%21"
		w.refuseInvalid(t, "a cursor of nobody's", wrong, "/query/cursor")
	}
}

// ignoresParameters is for what probes and browsers ask, perhaps with a query of
// their own: the contract has no refusal of it.
func (w walk) ignoresParameters(t *testing.T, right gatewaytest.Request) {
	if w.method != http.MethodGet {
		return
	}
	right.Path += "?nobodyKnowsThis=1"
	require.Equal(t, w.example.answers, w.Do(t, right).Status)
}

func (w walk) slotOf(inPath string) string {
	if instead := w.example.path[inPath]; instead != "" {
		return instead
	}
	return inPath
}

func (w walk) refusesOtherBodies(t *testing.T, right gatewaytest.Request) {
	open := strings.TrimSuffix(right.Body, "}")
	bodies := map[string]string{
		"an unknown field":     open + `,"nobodyKnowsThis":1}`,
		"a field in two cases": open + `,"` + strings.ToUpper(w.firstField(t)) + `":1}`,
		"a field twice":        open + `,"` + w.firstField(t) + `":null}`,
		"half of it":           open,
		"no JSON":              "reason=solved",
		"something after it":   right.Body + `{}`,
		"null":                 "null",
		"a list":               "[" + right.Body + "]",
		"a string":             `"` + w.firstField(t) + `"`,
		"not UTF-8":            open + `,"nobodyKnowsThis":"` + "\xff" + `"}`,
	}
	for what, body := range bodies {
		wrong := right
		wrong.Body = body
		w.refuseInvalid(t, what, wrong, "")
	}
	for field := range w.fields(t) {
		wrong := right
		wrong.Body = w.bodyWith(t, field, json.RawMessage(`[]`))
		w.refuseInvalid(t, "a list for "+field, wrong, "/"+field)
	}
	if w.spec.RequestBody.Value.Required {
		wrong := right
		wrong.Body, wrong.Header = "", http.Header{"Content-Type": {"application/json"}}
		w.refuseInvalid(t, "no body", wrong, "")
	}
	if required := w.bodySchema().Required; len(required) > 0 {
		wrong := right
		wrong.Body = "{}"
		w.refuseInvalid(t, "an empty object", wrong, "/"+required[0])
	}
}

func (w walk) bodySchema() *openapi3.Schema {
	return w.spec.RequestBody.Value.Content["application/json"].Schema.Value
}

func (w walk) fields(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(fill(w.example.body, w.values)), &fields))
	return fields
}

func (w walk) firstField(t *testing.T) string {
	t.Helper()
	first, _, found := strings.Cut(strings.TrimPrefix(w.example.body, `{"`), `"`)
	require.True(t, found)
	return first
}

func (w walk) bodyWith(t *testing.T, field string, value json.RawMessage) string {
	t.Helper()
	fields := w.fields(t)
	fields[field] = value
	text, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(text)
}

func (w walk) refusesOtherContents(t *testing.T, right gatewaytest.Request) {
	for what, header := range map[string]http.Header{
		"text":          {"Content-Type": {"text/plain"}},
		"a form":        {"Content-Type": {"application/x-www-form-urlencoded"}},
		"almost JSON":   {"Content-Type": {"application/jsonp"}},
		"no media type": {"Content-Type": nil},
		"compressed":    {"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
	} {
		wrong := right
		wrong.Header = header
		w.refuse(t, what, wrong, http.StatusUnsupportedMediaType, client.CodeUnsupportedMediaType)
	}
}

// refusesLargeBodies sends one byte more than there may be, announced and not.
// What is announced is refused before it is sent, for which the client waits.
func (w walk) refusesLargeBodies(t *testing.T, right gatewaytest.Request) {
	large := right
	large.Body = right.Body + strings.Repeat(" ", maxBody+1-len(right.Body))
	large.Header = http.Header{"Expect": {"100-continue"}}
	w.refuse(t, "announced", large, http.StatusRequestEntityTooLarge, client.CodeBodyTooLarge)
	large.Header, large.Chunked = nil, true
	w.refuse(t, "not announced", large, http.StatusRequestEntityTooLarge, client.CodeBodyTooLarge)
}
