package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// logLine serves one request and returns its log line.
func (te *testEdge) logLine(t testing.TB, r *http.Request) map[string]any {
	t.Helper()
	te.handler.ServeHTTP(httptest.NewRecorder(), r)
	var line map[string]any
	require.NoError(t, json.Unmarshal(te.log.Bytes(), &line), "one line per request")
	delete(line, "time")
	return line
}

func TestAccessLog_HasRequestAndResponse(t *testing.T) {
	t.Parallel()
	timer := &clock{now: time.Unix(0, 0)}
	te := newTestEdge(t, func(w http.ResponseWriter, _ *http.Request) {
		timer.now = timer.now.Add(1500 * time.Microsecond)
		_, _ = w.Write([]byte("12345"))
	}, func(c *Config) { c.Now = timer.Now })
	r := httptest.NewRequest(http.MethodPut, "/things/abc?dryRun=true", strings.NewReader(`{"name":"abc"}`))
	setHeaders(r, []string{jsonLine, authLine, requiredLine, "X-Request-ID: r-1"})

	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "request",
		"method": "PUT", "route": "/things/{thingId}", "operation": "putThing",
		"status": 200.0, "bytes": 5.0, "durationMs": 1.5,
		"requestId": "r-1", "client": "192.0.2.1", "tenant": "ten_1", "principal": "device:dev_1", "device": "dev_1",
	}, te.logLine(t, r))
}

func TestAccessLog_HasNoSecret(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	r := httptest.NewRequest(http.MethodPut, "/things/hidden?access_token=hidden", strings.NewReader(`{"name":"hidden"}`))
	setHeaders(r, []string{jsonLine, "Authorization: Bearer hidden", requiredLine, "Cookie: hidden", "X-Request-ID: hidden!"})

	te.logLine(t, r)

	require.NotContains(t, te.log.String(), "hidden")
	require.NotContains(t, te.log.String(), goodToken)
}

func TestAccessLog_RefusalHasCodeAndFailureHasCause(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		err                error
		level, code, cause string
	}{
		"a refusal": {&fieldgate.Error{Code: fieldgate.CodeSessionClosed, Cause: errors.New("why")}, "INFO", "session_closed", ""},
		"an outage": {&fieldgate.Error{Code: fieldgate.CodeStoreUnavailable, Detail: "d", Cause: errors.New("refused")}, "WARN", "store_unavailable", "store_unavailable: d: refused"},
		"a failure": {errors.New("reading the thing: broken"), "ERROR", "internal", "reading the thing: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			te := newTestEdge(t, func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, c.err) })

			line := te.logLine(t, httptest.NewRequest(http.MethodGet, "/things", nil))

			require.Equal(t, c.level, line["level"])
			require.Equal(t, c.code, line["code"])
			if c.cause == "" {
				require.NotContains(t, line, "error")
			} else {
				require.Equal(t, c.cause, line["error"])
			}
		})
	}
}

func TestAccessLog_SamplesRequestsWithoutError(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent, func(c *Config) { c.LogEvery = 3 })
	for range 7 {
		te.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/things", nil))
		te.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/nothing", nil))
	}

	require.Equal(t, 2, strings.Count(te.log.String(), `"status":204,`))
	require.Equal(t, 2, strings.Count(te.log.String(), `"oneOf":3`))
	require.Equal(t, 7, strings.Count(te.log.String(), `"status":404,`))
	require.Equal(t, 7, strings.Count(te.log.String(), `"oneOf":1`))
}

func TestAccessLog_UnknownPathIsEscapedAndTruncated(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	line := te.logLine(t, httptest.NewRequest(http.MethodGet, "/a%0A%22b"+strings.Repeat("x", 1000)+"?q=1", nil))

	require.Equal(t, "/a%0A%22b"+strings.Repeat("x", maxLoggedPath-9), line["path"])
	require.NotContains(t, line, "route")
}

func TestAccessLog_UnknownMethodIsTruncated(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	line := te.logLine(t, httptest.NewRequest(strings.Repeat("A", 30_000), "/none", nil))

	require.Equal(t, strings.Repeat("A", maxLoggedMethod), line["method"])
}

func TestAccessLog_ProbesAreDebug(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		operation string
		status    int
		code      fieldgate.Code
		want      string
	}{
		{"getHealth", 200, "", "DEBUG"},
		{"getReadiness", 503, "", "DEBUG"},
		{"getReadiness", 500, fieldgate.CodeInternal, "ERROR"},
		{"getVersion", 200, "", "INFO"},
		{"getVersion", 200, fieldgate.CodeInternal, "ERROR"}, // the request failed after the start of the response
	} {
		info := &request.Info{Operation: c.operation, Code: c.code}
		require.Equal(t, c.want, logLevel(info, c.status).String(), c)
	}
}

func TestMetrics_CountRequestsByOperationAndStatus(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	for _, target := range []string{"/things", "/things", "/things?limit=0", "/nothing/1", "/nothing/2", "/openapi.yaml"} {
		te.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
	}

	require.Equal(t, map[string]float64{
		"listThings 204": 2,
		"listThings 400": 1,
		"none 404":       2,
		"none 200":       1, // a document, because it is not an operation of this contract
	}, te.requestCounts(t))
}

// requestCounts returns the number of requests by operation and status.
func (te *testEdge) requestCounts(t testing.TB) map[string]float64 {
	t.Helper()
	families, err := te.registry.Gather()
	require.NoError(t, err)
	counts := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "fieldgate_http_requests_total" {
				labels := metric.GetLabel()
				counts[labels[0].GetValue()+" "+labels[1].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return counts
}

func TestMetrics_MeasureDuration(t *testing.T) {
	t.Parallel()
	timer := &clock{now: time.Unix(0, 0)}
	te := newTestEdge(t, func(http.ResponseWriter, *http.Request) { timer.now = timer.now.Add(3 * time.Second) },
		func(c *Config) { c.Now = timer.Now })

	te.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/things", nil))

	families, err := te.registry.Gather()
	require.NoError(t, err)
	require.Equal(t, "fieldgate_http_request_duration_seconds", families[0].GetName())
	require.InDelta(t, 3, families[0].GetMetric()[0].GetHistogram().GetSampleSum(), 1e-9)
}
