package gatewaytest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Request is a request that the client library cannot send, such as an invalid request.
type Request struct {
	Method  string
	Path    string // path with the query
	Token   string // bearer token; empty means none
	Body    string
	Header  http.Header // replaces headers that Token and Body set
	Chunked bool        // sends the body without a Content-Length
}

// Response is the response to a Request.
type Response struct {
	Status  int
	Header  http.Header
	Body    string
	Problem client.Problem // problem document; zero if the body is not a problem document
}

// Do sends a request. The response is validated against the contract, whatever its status.
func (g *Gateway) Do(t testing.TB, r Request) Response {
	t.Helper()
	response, err := g.HTTP.Do(r.build(t, g.URL))
	require.NoError(t, err, "%s %s", r.Method, r.Path)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	got := Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		require.NoError(t, json.Unmarshal(body, &got.Problem))
	}
	return got
}

func (r Request) build(t testing.TB, url string) *http.Request {
	t.Helper()
	var body io.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	if r.Chunked {
		body = io.MultiReader(body) // net/http cannot determine the length of a MultiReader
	}
	request, err := http.NewRequestWithContext(t.Context(), r.Method, url+r.Path, body)
	require.NoError(t, err)
	if r.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	for name, values := range r.Header {
		request.Header[name] = values
	}
	return request
}

// Metrics reads the gateway's metrics. A key is a series in the text format of Prometheus,
// such as `fieldgate_http_requests_total{operation="getHealth",status="200"}`.
func (g *Gateway) Metrics(t testing.TB) map[string]float64 {
	t.Helper()
	response, err := http.Get(g.MetricsURL + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	series := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			series[line[:at]], err = strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			require.NoError(t, err)
		}
	}
	return series
}
