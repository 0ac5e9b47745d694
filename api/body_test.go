package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// padded returns a valid body of the given length in bytes.
func padded(length int) string {
	const body = `{"name":"abc"}`
	return body + strings.Repeat(" ", length-len(body))
}

func TestBody_OtherMediaTypeIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		header []string
		want   int
	}{
		"JSON":              {[]string{"Content-Type: application/json"}, http.StatusOK},
		"in upper case":     {[]string{"Content-Type: Application/JSON"}, http.StatusOK},
		"with a charset":    {[]string{"Content-Type: application/json; charset=utf-8"}, http.StatusOK},
		"none":              {nil, http.StatusUnsupportedMediaType},
		"a form":            {[]string{"Content-Type: application/x-www-form-urlencoded"}, http.StatusUnsupportedMediaType},
		"text":              {[]string{"Content-Type: text/plain"}, http.StatusUnsupportedMediaType},
		"a merge patch":     {[]string{"Content-Type: application/merge-patch+json"}, http.StatusUnsupportedMediaType},
		"a wildcard":        {[]string{"Content-Type: */*"}, http.StatusUnsupportedMediaType},
		"a longer name":     {[]string{"Content-Type: application/jsonx"}, http.StatusUnsupportedMediaType},
		"brotli":            {[]string{jsonLine, "Content-Encoding: br"}, http.StatusUnsupportedMediaType},
		"two codings":       {[]string{jsonLine, "Content-Encoding: gzip, br"}, http.StatusUnsupportedMediaType},
		"gzip twice":        {[]string{jsonLine, "Content-Encoding: gzip", "Content-Encoding: gzip"}, http.StatusUnsupportedMediaType},
		"two, the first is": {[]string{jsonLine, "Content-Type: text/plain"}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, echo)

			response := te.ask(t, http.MethodPut, "/things/abc", `{"name":"abc"}`, append(c.header, authLine, requiredLine)...)

			require.Equal(t, c.want, response.StatusCode)
		})
	}
}

func TestBody_AboveLimitIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		length  int
		chunked bool
		max     int64 // Config.MaxBodyBytes; the operation's own maximum is 1024
		want    int
	}{
		"at the limit of the operation":             {1024, false, 4096, http.StatusOK},
		"above it":                                  {1025, false, 4096, http.StatusRequestEntityTooLarge},
		"at the limit, chunked":                     {1024, true, 4096, http.StatusOK},
		"above it, chunked":                         {1025, true, 4096, http.StatusRequestEntityTooLarge},
		"above the limit of the gateway":            {101, false, 100, http.StatusRequestEntityTooLarge},
		"above the limit of the gateway, chunked":   {101, true, 100, http.StatusRequestEntityTooLarge},
		"the operation cannot raise the limit":      {1000, false, 100, http.StatusRequestEntityTooLarge},
		"without a limit in the configuration":      {1024, false, 0, http.StatusOK},
		"far above what is read at once, chunked":   {1 << 20, true, 0, http.StatusRequestEntityTooLarge},
		"far above what is read at once, announced": {1 << 20, false, 0, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, echo, func(config *Config) { config.MaxBodyBytes = c.max })
			r := httptest.NewRequest(http.MethodPut, "/things/abc", strings.NewReader(padded(c.length)))
			if c.chunked {
				r.ContentLength = -1
			}
			setHeaders(r, []string{jsonLine, authLine, requiredLine})
			w := httptest.NewRecorder()

			te.handler.ServeHTTP(w, r)

			require.Equal(t, c.want, w.Code)
			if c.want != http.StatusOK {
				requireProblem(t, w.Result(), fieldgate.CodeBodyTooLarge)
			}
		})
	}
}

func TestBody_DefaultLimitApplies(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, echo)
	body := `{"size":1` + strings.Repeat(" ", DefaultMaxBodyBytes) + `}`

	requireProblem(t, te.ask(t, http.MethodPost, "/things", body, jsonLine), fieldgate.CodeBodyTooLarge)
}

func TestBody_InvalidJSONIsRefused(t *testing.T) {
	t.Parallel()

	for body, want := range map[string]fieldError{
		"":                              {"", "required", "is required"},
		"   ":                           {"", "syntax", "is not complete JSON"},
		`{"name":`:                      {"", "syntax", "is not complete JSON"},
		`{"name":s3cret}`:               {"", "syntax", "is not well-formed JSON at byte 9"},
		`{'name':'abc'}`:                {"", "syntax", "is not well-formed JSON at byte 2"},
		`{"name":"abc"}{}`:              {"", "syntax", "has more than one JSON value"},
		`{"name":"abc"} x`:              {"", "syntax", "has more than one JSON value"},
		"{\"name\":\"\xff\xfe\"}":       {"", "syntax", "is not UTF-8"},
		`{"name":"abc","name":"abc"}`:   {"", "repeated", "has an object with a duplicate field"},
		`{"name":"abc","n\u0061me":""}`: {"", "repeated", "has an object with a duplicate field"},
		`{"name":"abc","parts":[{"no":1,"no":2}]}`: {"", "repeated", "has an object with a duplicate field"},
		`null`:                  {"", "nullable", "must not be null"},
		`[]`:                    {"", "type", "must be of type object"},
		`"name"`:                {"", "type", "must be of type object"},
		`{"NAME":"abc"}`:        {"", "additionalProperties", "has an unknown field; allowed are data, id, kind, labels, made, name, named, pair, parts, shape, size, weight"},
		strings.Repeat("[", 32): {"", "syntax", "is not complete JSON"},
		strings.Repeat("[", 33): {"", "maxDepth", "is nested more than 32 levels deep"},
		`{"name":"\ud800"}`:     {"", "syntax", "has half of a surrogate pair, which stands for no character"},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()

			document := requireProblem(t, newTestEdge(t, noContent).put(t, body), fieldgate.CodeValidationFailed)

			require.Equal(t, want, fieldErrorsOf(document)[0])
			require.NotContains(t, read(t, newTestEdge(t, noContent).put(t, body)), "s3cret")
		})
	}
}

func TestBody_DeepJSONIsRefused(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	response := te.ask(t, http.MethodPost, "/things", strings.Repeat("[", 300_000), jsonLine)

	requireProblem(t, response, fieldgate.CodeValidationFailed)
}

func TestBody_HandlerReceivesValidatedValue(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ body, want string }{
		"colons and escapes in strings":   {`{"name":"abc","data":{"a:\"b":"c:\\"}}`, `{"name":"abc","data":{"a:\"b":"c:\\"}}`},
		"a quote in a name":               {`{"name":"abc","data":{"a\"":"b"}}`, `{"name":"abc","data":{"a\"":"b"}}`},
		"integers beyond float precision": {`{"name":"abc","data":{"n":9007199254740993}}`, `{"name":"abc","data":{"n":9007199254740993}}`},
		"numbers as they were written":    {`{"name":"abc","data":{"n":1.10e2}}`, `{"name":"abc","data":{"n":1.10e2}}`},
		"trailing spaces":                 {"{\"name\":\"abc\"} \r\n\t", `{"name":"abc"}`},
		"names in free data in any case":  {`{"name":"abc","data":{"N":1,"n":2}}`, `{"name":"abc","data":{"N":1,"n":2}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, echo).put(t, c.body)

			require.Equal(t, http.StatusOK, response.StatusCode)
			body := decode[received](t, response).Body
			require.JSONEq(t, c.want, string(body))
			if strings.Contains(c.want, "9007199254740993") {
				require.Contains(t, string(body), "9007199254740993", "JSONEq compares floats")
			}
		})
	}
}

func TestBody_DefaultsAreAddedAtEveryDepth(t *testing.T) {
	t.Parallel()

	for body, want := range map[string]string{
		"":                     `{"size":3}`, // the optional body is absent
		`{}`:                   `{"size":3}`,
		`{"size":7}`:           `{"size":7}`,
		`{"deep":{}}`:          `{"size":3,"deep":{"level":1}}`,
		`{"deep":{"level":5}}`: `{"size":3,"deep":{"level":5}}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, echo).ask(t, http.MethodPost, "/things", body, jsonLine)

			require.JSONEq(t, want, string(decode[received](t, response).Body))
		})
	}
}

func TestBody_AbsentOptionalNeedsNoMediaType(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, echo).ask(t, http.MethodPost, "/things", "")

	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestBody_IgnoredWithoutRequestBodyInContract(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, echo).ask(t, http.MethodGet, "/things", `not JSON`)

	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestBody_ValidatedCannotBeReadAsBytes(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		require.ErrorIs(t, err, errBoundAlready)
		require.NoError(t, r.Body.Close())
		echo(w, r)
	})

	_, ok := te.admit(t, http.MethodPut, &url.URL{Path: "/things/abc"}, `{"name":"abc"}`, jsonLine, authLine, requiredLine)

	require.True(t, ok)
}

// brokenBody is a body whose connection breaks.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("connection reset by 10.0.0.1") }

func TestBody_IncompleteIsRefused(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	r := httptest.NewRequest(http.MethodPost, "/things", brokenBody{})
	setHeaders(r, []string{jsonLine})
	w := httptest.NewRecorder()

	te.handler.ServeHTTP(w, r)

	require.Equal(t, []fieldError{{"", "incomplete", "is incomplete: the connection ended before the body"}},
		fieldErrorsOf(requireProblem(t, w.Result(), fieldgate.CodeValidationFailed)))
}

// FuzzBody requires that only bodies that the contract allows reach the handler. The edge must
// refuse all others, and must not fail.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", `{}`, `{"size":7}`, `{"size":7,"size":8}`, `{"size":7,"SIZE":99}`, `{"deep":{"level":1e3}}`, `{"size":1.0}`, `{"size":7} x`,
	} {
		f.Add(seed)
	}
	te := newTestEdge(f, echo, withoutLog)
	f.Fuzz(func(t *testing.T, body string) {
		got, ok := te.admit(t, http.MethodPost, &url.URL{Path: "/things"}, body, jsonLine)
		if !ok {
			return
		}
		var options struct {
			Size float64 `json:"size"`
			Deep *struct {
				Level *float64 `json:"level"`
			} `json:"deep"`
		}
		decodeStrictly(t, got.Body, &options)
		require.GreaterOrEqual(t, options.Size, 1.0)
		require.LessOrEqual(t, options.Size, 10.0)
		if options.Deep != nil {
			require.NotNil(t, options.Deep.Level)
		}
	})
}
