// Package apitest checks the responses of the gateway against the contract. Its transport fails
// the test for each response that openapi.yaml does not describe. All tests that send HTTP
// requests use it.
package apitest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fieldgate/fieldgate"
)

// Client serves handler on a local port until the test ends. It returns the base URL, and a
// client that checks the responses against the published contract.
func Client(t testing.TB, handler http.Handler) (client *http.Client, url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &http.Client{Transport: Transport(t, fieldgate.Spec)}, server.URL
}

// Transport returns a transport that fails the test for each response that violates the
// contract. It changes neither requests nor responses. For a path that the contract does not
// have, the response must still be a problem document.
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
	body, err := readBody(response)
	if err != nil {
		return nil, err
	}
	for _, deviation := range tr.contract.check(r, response, body) {
		tr.t.Errorf("%s %s answered %d: %v\n%s", r.Method, r.URL.Path, response.StatusCode, deviation, body)
	}
	return response, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the underlying transport.
func (tr *transport) CloseIdleConnections() { tr.base.CloseIdleConnections() }

// readBody reads the body and restores it for the caller. It skips the body of a 101 response,
// which is the connection itself.
func readBody(response *http.Response) ([]byte, error) {
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
