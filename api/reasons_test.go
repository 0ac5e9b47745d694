package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// secret stands for input that must not appear in the response.
const secret = "s3cret"

func TestBody_ErrorsNameFieldWithoutItsValue(t *testing.T) {
	t.Parallel()

	for body, want := range map[string][]fieldError{
		`{}`:                                {{"/name", "required", "is required"}},
		`{"name":null}`:                     {{"/name", "nullable", "must not be null"}},
		`{"name":7}`:                        {{"/name", "type", "must be of type string"}},
		`{"name":"a"}`:                      {{"/name", "minLength", "must have at least 2 characters"}},
		`{"name":"s3crets3cret"}`:           {{"/name", "maxLength", "must have at most 8 characters"}, {"/name", "pattern", "must match ^[a-z]+$"}},
		`{"name":"abc","id":"s3cret"}`:      {{"/id", "readOnly", "must not be sent"}},
		`{"name":"abc","kind":"s3cret"}`:    {{"/kind", "enum", `must be one of ["big","small"]`}},
		`{"name":"abc","size":0}`:           {{"/size", "minimum", "must be at least 1"}},
		`{"name":"abc","size":3600001}`:     {{"/size", "maximum", "must be at most 3600000"}},
		`{"name":"abc","size":1.5}`:         {{"/size", "type", "must be of type integer"}},
		`{"name":"abc","size":"s3cret"}`:    {{"/size", "type", "must be of type integer"}},
		`{"name":"abc","weight":0}`:         {{"/weight", "exclusiveMinimum", "must be more than 0"}},
		`{"name":"abc","weight":9}`:         {{"/weight", "exclusiveMaximum", "must be less than 9"}},
		`{"name":"abc","weight":0.3}`:       {{"/weight", "multipleOf", "must be a multiple of 0.5"}},
		`{"name":"abc","weight":1e999}`:     {{"/weight", "type", "must be of type number"}},
		`{"name":"abc","made":"s3cret"}`:    {{"/made", "format", "must be a valid date-time"}},
		`{"name":"abc","data":{}}`:          {{"/data", "minProperties", "must have at least 1 field"}},
		`{"name":"abc","parts":[]}`:         {{"/parts", "minItems", "must have at least 1 item"}},
		`{"name":"abc","parts":[{},{}]}`:    {{"/parts", "uniqueItems", "must not have the same item twice"}},
		`{"name":"abc","parts":[{"no":0}]}`: {{"/parts/0/no", "minimum", "must be at least 1"}},
		`{"name":"abc","shape":{}}`:         {{"/shape", "discriminator", "does not follow the contract"}},
		`{"name":"abc","named":{"no":1}}`:   {{"/named/label", "required", "is required"}},
		`{"name":"abc","pair":7}`:           {{"/pair", "oneOf", "does not follow the contract"}},
		`{"name":"abc","labels":{"a":"s3cret"}}`: {
			{"/labels", "maxLength", "must have at most 4 characters"}, // the name "a" comes from the caller, so the pointer omits it
		},
		`{"name":"abc","made":"2025-02-30T10:00:00Z"}`: {
			{"/made", "format", "must be a valid date-time"}, // February 30 does not exist
		},
		`{"name":"abc","parts":[{"no":1},{"no":2},{"no":3}]}`: {
			{"/parts", "maxItems", "must have at most 2 items"},
		},
		`{"name":"abc","data":{"a":1,"b":2,"c":3,"d":4}}`: {
			{"/data", "maxProperties", "must have at most 3 fields"},
		},
		`{"name":"abc","shape":{"form":"circle","radius":-1}}`: {
			{"/shape/radius", "minimum", "must be at least 0"}, // the fault of the branch that the discriminator selects
		},
		`{"name":"abc","shape":{"form":"s3cret"}}`: {
			{"/shape", "discriminator", "does not follow the contract"},
		},
		`{"name":"abc","s3cret":1,"s3cret2":2}`: {
			{"", "additionalProperties", "has an unknown field; allowed are data, id, kind, labels, made, name, named, pair, parts, shape, size, weight"},
		},
		`{"size":0,"kind":"no"}`: {
			{"/kind", "enum", `must be one of ["big","small"]`},
			{"/size", "minimum", "must be at least 1"},
			{"/name", "required", "is required"},
		},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()

			document := requireProblem(t, newTestEdge(t, noContent).put(t, body), fieldgate.CodeValidationFailed)

			require.Equal(t, want, fieldErrorsOf(document))
			require.NotContains(t, fmt.Sprint(document), secret)
		})
	}
}

func TestBody_NumberOfErrorsIsBounded(t *testing.T) {
	t.Parallel()
	items := make([]string, 100)
	for i := range items {
		items[i] = `{"no":0}`
	}
	body := `{"name":"abc","parts":[` + strings.Join(items, ",") + `]}`

	document := requireProblem(t, newTestEdge(t, noContent).put(t, body), fieldgate.CodeValidationFailed)

	require.Len(t, document.Errors, schema.MaxFieldErrors)
}
