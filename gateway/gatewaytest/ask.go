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

// Call is a request made by hand, for what the client would not send.
type Call struct {
	Method  string
	Path    string // with its query
	Token   string // a bearer token; empty: none
	Body    string
	Header  http.Header // besides, or instead of, those that the above give
	Chunked bool        // the size of the body is not announced
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Body    string
	Problem client.Problem // empty for a success
}

// Ask makes a request. Like every answer, that to a wrong request is held
// against the contract.
func (g *Gateway) Ask(t testing.TB, c Call) Answer {
	t.Helper()
	response, err := g.HTTP.Do(c.request(t, g.URL))
	require.NoError(t, err, "%s %s", c.Method, c.Path)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		require.NoError(t, json.Unmarshal(body, &a.Problem))
	}
	return a
}

func (c Call) request(t testing.TB, url string) *http.Request {
	t.Helper()
	var body io.Reader
	if c.Body != "" {
		body = strings.NewReader(c.Body)
	}
	if c.Chunked {
		body = io.MultiReader(body) // whose length net/http does not know
	}
	r, err := http.NewRequestWithContext(t.Context(), c.Method, url+c.Path, body)
	require.NoError(t, err)
	if c.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for name, values := range c.Header {
		r.Header[name] = values
	}
	return r
}

// Metrics reads what the gateway counts: each series as Prometheus writes it,
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
