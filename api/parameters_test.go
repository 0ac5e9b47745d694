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

// fault is an entry of errors in a problem document.
type fault struct{ pointer, keyword, reason string }

func faultsOf(document problem.Document) (faults []fault) {
	for _, e := range document.Errors {
		faults = append(faults, fault{e.Pointer, e.Keyword, e.Reason})
	}
	return faults
}

func TestAQueryOutsideTheContractIsRefused(t *testing.T) {
	t.Parallel()

	const takes = "has a parameter that this operation does not take; it takes kind, limit, near, tag"
	for query, want := range map[string][]fault{
		"limit=201":             {{"/query/limit", "maximum", "must be at most 200"}},
		"limit=many":            {{"/query/limit", "type", "must be of type integer"}},
		"limit=1.0":             {{"/query/limit", "type", "must be of type integer"}},
		"near=":                 {{"/query/near", "minLength", "must not be empty"}},
		"limit=1&limit=2":       {{"/query/limit", "repeated", "must be given once"}},
		"limit=&limit=201":      {{"/query/limit", "repeated", "must be given once"}},
		"near=close":            {{"/query/near", "type", "must be of type number"}},
		"kind=":                 {{"/query/kind", "enum", `must be one of ["big","small"]`}},
		"kind=huge":             {{"/query/kind", "enum", `must be one of ["big","small"]`}},
		"tag=a&tag=b&tag=c":     {{"/query/tag", "maxItems", "must have at most 2 items"}},
		"tag=a&tag=toolong":     {{"/query/tag/1", "maxLength", "must have at most 4 characters"}},
		"limti=7":               {{"/query", "unknown", takes}},
		"Limit=7":               {{"/query", "unknown", takes}},
		"limit=7&secret=s3cret": {{"/query", "unknown", takes}},
		"a=1&b=2":               {{"/query", "unknown", takes}},
		"limit=%zz":             {{"/query", "syntax", "is not well-formed"}},
		"limit=1;kind=big":      {{"/query", "syntax", "is not well-formed"}},
		"limit=0&near=x":        {{"/query/limit", "minimum", "must be at least 1"}, {"/query/near", "type", "must be of type number"}},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()

			response := newThings(t, nothing).ask(t, http.MethodGet, "/things?"+query, "")

			require.Equal(t, want, faultsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestDefaultsOfTheQueryReachTheHandler(t *testing.T) {
	t.Parallel()

	for query, want := range map[string]string{
		"":                     "limit=50",
		"?":                    "limit=50",
		"?limit=":              "limit=50",
		"?kind=big":            "kind=big&limit=50",
		"?limit=7":             "limit=7",
		"?tag=a&tag=b&limit=7": "tag=a&tag=b&limit=7",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()

			response := newThings(t, echo).ask(t, http.MethodGet, "/things"+query, "")

			require.Equal(t, want, decode[got](t, response).Query)
		})
	}
}

func TestAHeaderOutsideTheContractIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		header []string
		want   fault
	}{
		"missing":   {nil, fault{"/header/X-Required", "required", "is required"}},
		"no number": {[]string{"X-Required: one"}, fault{"/header/X-Required", "type", "must be of type integer"}},
		"too long": {
			[]string{neededLine, "Idempotency-Key: " + strings.Repeat("k", 129)},
			fault{"/header/Idempotency-Key", "maxLength", "must have at most 128 characters"},
		},
		"empty":    {[]string{neededLine, "Idempotency-Key: "}, fault{"/header/Idempotency-Key", "minLength", "must have at least 1 character"}},
		"repeated": {[]string{neededLine, "Idempotency-Key: a", "Idempotency-Key: b"}, fault{"/header/Idempotency-Key", "repeated", "must be given once"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := newThings(t, nothing)

			response := it.ask(t, http.MethodPut, "/things/abc", `{"name":"abc"}`, append(c.header, isJSONLine, authLine)...)

			require.Equal(t, []fault{c.want}, faultsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestAPathIsValidatedAsItsHandlerWillReadIt(t *testing.T) {
	t.Parallel()

	for path, want := range map[string][]fault{
		"abc":          nil,
		"%61bc":        nil, // encoded without need
		"éé":           nil,
		"%c3%a9%C3%A9": nil, // two characters, not four or twelve
		"ABC":          {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"abcdefghi":    {{"/path/thingId", "maxLength", "must have at most 8 characters"}},
		"a%2Fb":        {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"%2561bc":      {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}}, // decoded once, not twice
		"a%00":         {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
		"a%0a":         {{"/path/thingId", "pattern", "must match ^[a-zé]+$"}},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()

			response := newThings(t, echo).ask(t, http.MethodPut, "/things/"+path, `{"name":"abc"}`, isJSONLine, authLine, neededLine)

			if want == nil {
				require.Equal(t, http.StatusOK, response.StatusCode)
				return
			}
			require.Equal(t, want, faultsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

func TestParametersOfAPathHoldForAllItsOperations(t *testing.T) {
	t.Parallel()

	response := newThings(t, nothing).ask(t, http.MethodPut, "/things/abc?dryRun=perhaps", `{}`, isJSONLine, authLine, neededLine)

	require.Equal(t, []fault{{"/query/dryRun", "type", "must be of type boolean"}},
		faultsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
}

// FuzzQuery looks for queries that reach the handler with anything but what the
// contract allows.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=7", "limit=7&limit=8", "tag=a&tag=b", "kind=big;limit=1", "%6c%69mit=7", "limit=1e1"} {
		f.Add(seed)
	}
	it := newThings(f, echo, unlogged)
	f.Fuzz(func(t *testing.T, query string) {
		reached, ok := it.reached(t, http.MethodGet, &url.URL{Path: "/things", RawQuery: query}, "")
		if !ok {
			return
		}
		values, err := url.ParseQuery(reached.Query)
		require.NoError(t, err)
		require.Subset(t, []string{"kind", "limit", "near", "tag"}, keys(values))
		require.Len(t, values["limit"], 1)
		require.Regexp(t, `^[+]?0*([1-9]|[1-9][0-9]|1[0-9]{2}|200)$`, values.Get("limit"))
	})
}
