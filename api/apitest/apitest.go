// Package apitest holds the gateway against its own contract: a transport for tests
// that checks every answer which passes through it. All tests that speak HTTP use it,
// so that no answer which openapi.yaml does not describe goes unnoticed.
package apitest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fieldgate/fieldgate"
)

// Client serves the handler on a local port until the test ends and gives a client
// whose answers are checked against the published contract, and the base URL.
func Client(t testing.TB, handler http.Handler) (client *http.Client, url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &http.Client{Transport: Transport(t, fieldgate.Spec)}, server.URL
}

// Transport sends requests as they are and fails the test for each answer that is not
// as the contract says; the answer itself comes back unchanged. Paths which the
// contract does not have must still answer with problem documents.
func Transport(t testing.TB, spec []byte) http.RoundTripper {
	t.Helper()
	contract, err := read(spec)
	if err != nil {
		t.Fatalf("apitest: reading the contract: %v", err)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	return &transport{t: t, base: base, contract: contract}
}

type transport struct {
	t        testing.TB
	base     *http.Transport
	contract *contract
}

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := tr.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := content(response)
	if err != nil {
		return nil, err
	}
	for _, deviation := range tr.contract.check(r, response, body) {
		tr.t.Errorf("%s %s answered %d: %v\n%s", r.Method, r.URL.Path, response.StatusCode, deviation, body)
	}
	return response, nil
}

// CloseIdleConnections is what http.Client asks for, before a server is to end.
func (tr *transport) CloseIdleConnections() { tr.base.CloseIdleConnections() }

// content reads the body and puts it back. The body of a 101 is the connection.
func content(response *http.Response) ([]byte, error) {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return nil, nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}
