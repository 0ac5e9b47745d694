package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// The gateway and the transport of all other tests read openapi.yaml with the same
// library. Prism reads it with a different library, which is unlikely to have the same
// faults. Prism runs as a proxy that forwards everything and reports violations of the
// contract in a header of the response. It runs without --errors, because with that flag
// it would refuse invalid requests itself.

func TestPrism_AcceptsEveryOperation(t *testing.T) {
	t.Parallel()
	seen := &violations{}
	g := behindPrism(t, fieldgate.Spec, seen)
	stranger := newFixture(t, g, gatewaytest.NewTenantID())
	require.Empty(t, seen.take(), "creating the fixture")

	for _, o := range operations(t) {
		p := prismProbe{seen: seen, probe: probe{operation: o, fixture: newFixture(t, g, gatewaytest.NewTenantID()), stranger: stranger}}
		require.Empty(t, seen.take(), "creating the fixture")
		t.Run(o.id, p.run)
	}
}

func TestPrism_FindsRenamedField(t *testing.T) {
	t.Parallel()
	seen := &violations{}
	renamed := bytes.ReplaceAll(fieldgate.Spec, []byte("nextHeartbeatMs"), []byte("nextBeatMs"))
	g := behindPrism(t, renamed, seen)
	f := newFleet(t, g)
	seen.take()

	_, err := f.device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})

	require.NoError(t, err)
	found := seen.take()
	require.NotEmpty(t, found)
	require.Equal(t, "response", found[0].part())
	require.Contains(t, found[0].Message, "nextBeatMs")
}

// prismProbe sends several requests to one operation, so that Prism checks each kind of
// response.
type prismProbe struct {
	probe
	seen *violations
}

func (p prismProbe) run(t *testing.T) {
	valid := p.request(p.operation, p.token(t, p.operation), nil)
	if p.scheme != "" {
		anonymous := valid
		anonymous.Token = ""
		p.requireRequestViolation(t, "no token", anonymous, http.StatusUnauthorized)
	}
	if p.leastRole != "" && p.leastRole != customer.Viewer.String() {
		viewer := valid
		viewer.Token = p.Token(p.tenantID, "carol", customer.Viewer.String())
		p.requireNoViolation(t, "a lesser role", viewer, http.StatusForbidden)
	}
	for _, names := range p.idPlaceholders() {
		p.requireNoViolation(t, "another tenant's", p.request(p.operation, valid.Token, p.stranger.pick(names)), p.statusOfMissing())
	}
	if valid.Body != "" {
		unknown := valid
		unknown.Body = strings.TrimSuffix(valid.Body, "}") + `,"unknownField":1}`
		p.requireRequestViolation(t, "an unknown field", unknown, http.StatusBadRequest)
	}
	status := p.example.status
	for title := range p.bodyExamples() { // of the contract, and the fixture is prepared for it
		valid, status = p.exampleRequest(t, p.operation, title), p.success()
	}
	p.requireNoViolation(t, "the valid request", valid, status)
}

// requireNoViolation requires that Prism accepts the request and the response.
func (p prismProbe) requireNoViolation(t *testing.T, what string, r gatewaytest.Request, status int) {
	t.Helper()
	require.Empty(t, p.send(t, what, r, status), what)
}

// requireRequestViolation requires that Prism objects to the request, as the gateway
// does, and accepts the response.
func (p prismProbe) requireRequestViolation(t *testing.T, what string, r gatewaytest.Request, status int) {
	t.Helper()
	found := p.send(t, what, r, status)
	require.NotEmpty(t, found, what)
	for _, v := range found {
		require.Equal(t, "request", v.part(), "%s: %v", what, v)
	}
}

// send sends a request and returns the violations that Prism reports.
func (p prismProbe) send(t *testing.T, what string, r gatewaytest.Request, status int) []violation {
	t.Helper()
	p.seen.take()
	response := p.Do(t, r)
	require.Equal(t, status, response.Status, "%s: %s", what, response.Body)
	return p.seen.take()
}

// behindPrism starts a gateway behind a Prism proxy, which validates against a contract.
// The returned gateway is reached through the proxy.
func behindPrism(t *testing.T, contract []byte, seen *violations) *gatewaytest.Gateway {
	t.Helper()
	prism := os.Getenv("FIELDGATE_TEST_PRISM")
	if prism == "" {
		t.Skip("run by make test-contract")
	}
	g := gatewaytest.Start(t, withSigningKey)
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	require.NoError(t, os.WriteFile(file, contract, 0o600))
	addr := storetest.FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	startProgram(t, exec.Command(prism, "proxy", file, g.URL, "--port", port, "--cors=false", "--verboseLevel=warn"))
	url := "http://" + addr
	eventually(t, func() bool { return statusOf(url+"/healthz") == http.StatusOK }, "prism does not serve")

	seen.base = http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(seen.base.CloseIdleConnections)
	gate, err := client.New(url, client.WithTransport(seen))
	require.NoError(t, err)
	return &gatewaytest.Gateway{Gateway: gate, URL: url, Issuer: g.Issuer, HTTP: &http.Client{Transport: seen}}
}

// startProgram runs a program until the test ends. If the test fails, it prints the
// program's output.
func startProgram(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			_, _ = io.Copy(os.Stderr, &output)
		}
	})
}

// violation is a violation of the contract that Prism reports.
type violation struct {
	Location []string
	Message  string
}

// part returns the violating part of the exchange: "request" or "response".
func (v violation) part() string { return v.Location[0] }

// violations is a transport that collects the violations that Prism reports in responses.
type violations struct {
	base  *http.Transport
	mu    sync.Mutex
	found []violation
}

// RoundTrip sends a request unchanged.
func (v *violations) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := v.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	var found []violation
	if reported := response.Header.Get("sl-violations"); reported != "" {
		if err := json.Unmarshal([]byte(reported), &found); err != nil {
			found = []violation{{Location: []string{"response"}, Message: reported}}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found = append(v.found, found...)
	return response, nil
}

// take returns the violations that were collected since the last call.
func (v *violations) take() []violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.found
	v.found = nil
	return found
}
