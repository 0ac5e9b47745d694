package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
)

// fieldError is an entry of the field `errors` in a problem document.
type fieldError struct{ pointer, keyword, reason string }

func fieldErrorsOf(document problem.Document) (errs []fieldError) {
	for _, e := range document.Errors {
		errs = append(errs, fieldError{e.Pointer, e.Keyword, e.Reason})
	}
	return errs
}

func TestQuery_OutsideContractIsRefused(t *testing.T) {
	t.Parallel()

	const unknownParameter = "has an unknown parameter; this operation accepts kind, limit, near, tag"
	for query, want := range map[string][]fieldError{
		"limit=201":             {{"/query/limit", "maximum", "must be at most 200"}},
		"limit=many":            {{"/query/limit", "type", "must be of type integer"}},
		"limit=1.0":             {{"/query/limit", "type", "must be of type integer"}},
		"limit=":                {{"/query/limit", "type", "must be of type integer"}},
		"limit=05":              {{"/query/limit", "type", "must be of type integer"}},
		"limit=%2B5":            {{"/query/limit", "type", "must be of type integer"}},
		"kind=%ff":              {{"/query", "syntax", "is not well-formed"}},
		"near=":                 {{"/query/near", "minLength", "must not be empty"}},
		"limit=1&limit=2":       {{"/query/limit", "repeated", "must not be repeated"}},
		"limit=&limit=201":      {{"/query/limit", "repeated", "must not be repeated"}},
		"near=close":            {{"/query/near", "type", "must be of type number"}},
		"kind=":                 {{"/query/kind", "enum", `must be one of ["big","small"]`}},
		"kind=huge":             {{"/query/kind", "enum", `must be one of ["big","small"]`}},
		"tag=a&tag=b&tag=c":     {{"/query/tag", "maxItems", "must have at most 2 items"}},
		"tag=a,b&tag=c":         {{"/query/tag", "maxItems", "must have at most 2 items"}},
		"tag=a,,b":              {{"/query/tag", "maxItems", "must have at most 2 items"}},
		"tag=a&tag=toolong":     {{"/query/tag/1", "maxLength", "must have at most 4 characters"}},
		"limti=7":               {{"/query", "unknown", unknownParameter}},
		"Limit=7":               {{"/query", "unknown", unknownParameter}},
		"limit=7&secret=s3cret": {{"/query", "unknown", unknownParameter}},
		"a=1&b=2":               {{"/query", "unknown", unknownParameter}},
		"limit=%zz":             {{"/query", "syntax", "is not well-formed"}},
		"limit=1;kind=big":      {{"/query", "syntax", "is not well-formed"}},
		"limit=0&near=x":        {{"/query/limit", "minimum", "must be at least 1"}, {"/query/near", "type", "must be of type number"}},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, noContent).ask(t, http.MethodGet, "/things?"+query, "")

			require.Equal(t, want, fieldErrorsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestQuery_DefaultsReachHandler(t *testing.T) {
	t.Parallel()

	for query, want := range map[string]string{
		"":                     "limit=50",
		"?":                    "limit=50",
		"?kind=big":            "kind=big&limit=50",
		"?limit=7":             "limit=7",
		"?tag=a&tag=b&limit=7": "tag=a&tag=b&limit=7",
		"?limit=7&tag=a,b":     "limit=7&tag=a&tag=b",
		"?limit=7&tag=a%2Cb":   "limit=7&tag=a&tag=b",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, echo).ask(t, http.MethodGet, "/things"+query, "")

			require.Equal(t, want, decode[received](t, response).Query)
		})
	}
}

func TestHeader_OutsideContractIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		header []string
		want   fieldError
	}{
		"missing":   {nil, fieldError{"/header/X-Required", "required", "is required"}},
		"no number": {[]string{"X-Required: one"}, fieldError{"/header/X-Required", "type", "must be of type integer"}},
		"too long": {
			[]string{requiredLine, "Idempotency-Key: " + strings.Repeat("k", 129)},
			fieldError{"/header/Idempotency-Key", "maxLength", "must have at most 128 characters"},
		},
		"empty":    {[]string{requiredLine, "Idempotency-Key: "}, fieldError{"/header/Idempotency-Key", "minLength", "must have at least 1 character"}},
		"repeated": {[]string{requiredLine, "Idempotency-Key: a", "Idempotency-Key: b"}, fieldError{"/header/Idempotency-Key", "repeated", "must not be repeated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, noContent)

			response := te.ask(t, http.MethodPut, "/things/abc", `{"name":"abc"}`, append(c.header, jsonLine, authLine)...)

			require.Equal(t, []fieldError{c.want}, fieldErrorsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestPath_ValidatedAsHandlerReadsIt(t *testing.T) {
	t.Parallel()

	for path, want := range map[string][]fieldError{
		"abc":          nil,
		"%61bc":        nil, // an escape that is not necessary
		"éé":           nil,
		"%c3%a9%C3%A9": nil, // its length is two characters, not four bytes or twelve characters
		"ABC":          {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"abcdefghi":    {{"/path/thingId", "maxLength", "must have at most 8 characters"}},
		"a%2Fb":        {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"%2561bc":      {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}}, // decoded once, not twice
		"a%00":         {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"a%0a":         {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, echo).ask(t, http.MethodPut, "/things/"+path, `{"name":"abc"}`, jsonLine, authLine, requiredLine)

			if want == nil {
				require.Equal(t, http.StatusOK, response.StatusCode)
				return
			}
			require.Equal(t, want, fieldErrorsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestPath_ParametersApplyToAllItsOperations(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, noContent).ask(t, http.MethodPut, "/things/abc?dryRun=perhaps", `{}`, jsonLine, authLine, requiredLine)

	require.Equal(t, []fieldError{{"/query/dryRun", "type", "must be of type boolean"}},
		fieldErrorsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
}

// FuzzQuery requires that only queries that the contract allows reach the handler.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=7", "limit=7&limit=8", "tag=a&tag=b", "kind=big;limit=1", "%6c%69mit=7", "limit=1e1"} {
		f.Add(seed)
	}
	te := newTestEdge(f, echo, withoutLog)
	f.Fuzz(func(t *testing.T, query string) {
		got, ok := te.admit(t, http.MethodGet, &url.URL{Path: "/things", RawQuery: query}, "")
		if !ok {
			return
		}
		values, err := url.ParseQuery(got.Query)
		require.NoError(t, err)
		require.Subset(t, []string{"kind", "limit", "near", "tag"}, keys(values))
		require.Len(t, values["limit"], 1)
		require.Regexp(t, `^[+]?0*([1-9]|[1-9][0-9]|1[0-9]{2}|200)$`, values.Get("limit"))
	})
}
