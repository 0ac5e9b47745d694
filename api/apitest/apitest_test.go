package apitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/apitest"
)

const spec = `
openapi: 3.0.3
info: {title: Small, version: 1.0.0}
paths:
  /things:
    get:
      operationId: listThings
      responses:
        '200':
          description: All.
          headers:
            X-Count: {required: true, schema: {type: integer}}
          content:
            application/json:
              schema:
                type: object
                additionalProperties: false
                required: [items]
                properties:
                  items: {type: array, items: {type: string}}
        '409':
          description: Not now.
          content:
            application/problem+json:
              schema: {type: object}
        '503':
          description: A report.
          content:
            application/json:
              schema: {type: object}
    post:
      operationId: tellThings
      responses:
        '200': {description: A page., content: {text/html: {schema: {type: string}}}}
        '204': {description: Nothing.}
`

// recordingTB is a testing.TB that records failures.
type recordingTB struct {
	testing.TB
	failures []string
}

func (w *recordingTB) Errorf(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

// answer is the response of a test server.
type answer struct {
	status int
	header map[string]string
	body   string
}

// failures sends a request to a server that responds with served. It returns the failures that
// the transport reports.
func failures(t *testing.T, method, path string, served answer) []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-ID", "r-1")
		for name, value := range served.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(served.status)
		_, _ = io.WriteString(w, served.body)
	}))
	t.Cleanup(server.Close)
	r, err := http.NewRequest(method, server.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("X-Request-ID", "r-1")
	found := &recordingTB{TB: t}
	response, err := apitest.Transport(found, []byte(spec)).RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, served.body, string(body), "the transport must not change the body")
	return found.failures
}

func problemJSON(code string, status int, requestID string) string {
	return fmt.Sprintf(`{"type":"t","title":"t","status":%d,"code":%q,"requestId":%q}`, status, code, requestID)
}

func TestTransport_ValidResponsesPass(t *testing.T) {
	t.Parallel()
	isJSON := map[string]string{"Content-Type": "application/json", "X-Count": "1"}
	isProblem := map[string]string{"Content-Type": "application/problem+json", "Allow": "GET"}

	for name, c := range map[string]struct {
		method, path string
		answer       answer
	}{
		"success":                 {"GET", "/things", answer{200, isJSON, `{"items":["a"]}`}},
		"no content":              {"POST", "/things", answer{204, nil, ""}},
		"a page":                  {"POST", "/things", answer{200, map[string]string{"Content-Type": "text/html; charset=utf-8"}, "<p>"}},
		"a problem":               {"GET", "/things", answer{409, isProblem, problemJSON("session_closed", 409, "r-1")}},
		"a report instead of one": {"GET", "/things", answer{503, isJSON, `{}`}},
		"an unknown path":         {"GET", "/nothing", answer{404, isProblem, problemJSON("not_found", 404, "r-1")}},
		"an unknown method":       {"PUT", "/things", answer{405, isProblem, problemJSON("method_not_allowed", 405, "r-1")}},
		"success outside":         {"GET", "/nothing", answer{200, nil, "anything"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			require.Empty(t, failures(t, c.method, c.path, c.answer))
		})
	}
}

func TestTransport_InvalidResponsesFail(t *testing.T) {
	t.Parallel()
	with := func(contentType string, more ...string) map[string]string {
		header := map[string]string{"Content-Type": contentType, "X-Count": "1"}
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = more[i+1]
		}
		return header
	}
	isJSON, isProblem := with("application/json"), with("application/problem+json")

	for name, c := range map[string]struct {
		method, path string
		answer       answer
		want         string
	}{
		"a status that is not there":     {"GET", "/things", answer{201, isJSON, `{}`}, "status is not supported"},
		"a missing field":                {"GET", "/things", answer{200, isJSON, `{}`}, `property "items" is missing`},
		"a field too many":               {"GET", "/things", answer{200, isJSON, `{"items":[],"more":1}`}, `property "more" is unsupported`},
		"null for a list":                {"GET", "/things", answer{200, isJSON, `{"items":null}`}, "not nullable"},
		"a missing header":               {"GET", "/things", answer{200, map[string]string{"Content-Type": "application/json"}, `{"items":[]}`}, "X-Count"},
		"another media type":             {"GET", "/things", answer{200, with("text/plain"), `{"items":[]}`}, "media type"},
		"not JSON":                       {"GET", "/things", answer{200, isJSON, `items`}, "failed to decode"},
		"no request id":                  {"POST", "/things", answer{204, map[string]string{"X-Request-ID": ""}, ""}, "X-Request-ID"},
		"the request id of another":      {"POST", "/things", answer{204, map[string]string{"X-Request-ID": "other"}, ""}, "instead of the caller's"},
		"a refusal in text":              {"GET", "/nothing", answer{404, with("text/plain"), "404 page not found"}, "instead of a problem document"},
		"a refusal in plain JSON":        {"GET", "/things", answer{409, isJSON, `{}`}, "instead of a problem document"},
		"a problem that is not JSON":     {"GET", "/nothing", answer{404, isProblem, "{"}, "does not decode"},
		"a code that is not there":       {"GET", "/things", answer{409, isProblem, problemJSON("made_up", 409, "r-1")}, "none of the contract"},
		"a code of another status":       {"GET", "/things", answer{409, isProblem, problemJSON("not_found", 409, "r-1")}, "the problem not_found says 409"},
		"a status other than the answer": {"GET", "/things", answer{409, isProblem, problemJSON("session_closed", 400, "r-1")}, "says 400"},
		"a problem of another request":   {"GET", "/things", answer{409, isProblem, problemJSON("session_closed", 409, "r-2")}, "request id"},
		"405 without Allow":              {"PUT", "/things", answer{405, isProblem, problemJSON("method_not_allowed", 405, "r-1")}, "no Allow"},
		"401 without a challenge":        {"GET", "/nothing", answer{401, isProblem, problemJSON("unauthorized", 401, "r-1")}, "no WWW-Authenticate"},
		"429 without a time":             {"GET", "/nothing", answer{429, isProblem, problemJSON("rate_limited", 429, "r-1")}, "no Retry-After"},
		"503 without a time":             {"GET", "/nothing", answer{503, isProblem, problemJSON("draining", 503, "r-1")}, "no Retry-After"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			found := failures(t, c.method, c.path, c.answer)

			require.NotEmpty(t, found)
			require.Contains(t, fmt.Sprint(found), c.want)
		})
	}
}

func TestClient_ChecksPublishedContract(t *testing.T) {
	t.Parallel()
	found := &recordingTB{TB: t}
	client, url := apitest.Client(found, http.NotFoundHandler())

	response, err := client.Get(url + "/healthz")

	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Contains(t, fmt.Sprint(found.failures), `media type "text/plain" is not in the contract`)
}

// fatalTB is a testing.TB that records why the test ended early.
type fatalTB struct {
	testing.TB
	message string
}

func (f *fatalTB) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func TestTransport_InvalidContractEndsTest(t *testing.T) {
	t.Parallel()

	for _, broken := range []string{"{", "openapi: 3.0.3"} {
		ended := &fatalTB{TB: t}
		require.Panics(t, func() { apitest.Transport(ended, []byte(broken)) })
		require.Contains(t, ended.message, "reading the contract")
	}
}
