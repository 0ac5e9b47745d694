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

// The gateway, and the transport of all other tests, read openapi.yaml with one
// library. Prism reads it with another, so what both get wrong in the same way is
// unlikely. It runs as a proxy that forwards everything and notes on each answer
// what breaks the contract. (With --errors it would refuse wrong requests itself,
// and the gateway would not be asked.)

func TestPrism_AcceptsEveryOperation(t *testing.T) {
	t.Parallel()
	seen := &violations{}
	g := behindPrism(t, fieldgate.Spec, seen)
	stranger := newWorld(t, g, gatewaytest.NewCustomerID())
	require.Empty(t, seen.take(), "making a world")

	for _, o := range operations(t) {
		p := past{seen: seen, walk: walk{operation: o, world: newWorld(t, g, gatewaytest.NewCustomerID()), stranger: stranger}}
		require.Empty(t, seen.take(), "making a world")
		t.Run(o.id, p.run)
	}
}

func TestPrism_FindsRenamedField(t *testing.T) {
	t.Parallel()
	seen := &violations{}
	other := bytes.ReplaceAll(fieldgate.Spec, []byte("nextHeartbeatMs"), []byte("nextBeatMs"))
	g := behindPrism(t, other, seen)
	f := newFleet(t, g)
	seen.take()

	_, err := f.device.Heartbeat(t.Context(), client.HeartbeatRequest{Status: client.HeartbeatStatusOk})

	require.NoError(t, err)
	found := seen.take()
	require.NotEmpty(t, found)
	require.Equal(t, "response", found[0].where())
	require.Contains(t, found[0].Message, "nextBeatMs")
}

// past makes the calls to one operation that end in each kind of answer.
type past struct {
	walk
	seen *violations
}

func (p past) run(t *testing.T) {
	right := p.call(p.operation, p.token(t, p.operation), nil)
	if p.scheme != "" {
		anonymous := right
		anonymous.Token = ""
		p.wrong(t, "no token", anonymous, http.StatusUnauthorized)
	}
	if p.leastRole != "" && p.leastRole != customer.Viewer.String() {
		viewer := right
		viewer.Token = p.Token(p.customer, "carol", customer.Viewer.String())
		p.fine(t, "a lesser role", viewer, http.StatusForbidden)
	}
	for _, slots := range p.slots() {
		p.fine(t, "another tenant's", p.call(p.operation, right.Token, p.stranger.only(slots)), p.statusOfMissing())
	}
	if right.Body != "" {
		unknown := right
		unknown.Body = strings.TrimSuffix(right.Body, "}") + `,"nobodyKnowsThis":1}`
		p.wrong(t, "an unknown field", unknown, http.StatusBadRequest)
	}
	for title := range p.shown() {
		right = p.shownCall(t, p.operation, title)
	}
	p.fine(t, "the right request", right, p.example.answers)
}

// fine expects Prism to object neither to the request nor to its answer.
func (p past) fine(t *testing.T, what string, c gatewaytest.Request, status int) {
	t.Helper()
	require.Empty(t, p.ask(t, what, c, status), what)
}

// wrong expects Prism to object to the request, as the gateway does, and not to the
// answer.
func (p past) wrong(t *testing.T, what string, c gatewaytest.Request, status int) {
	t.Helper()
	found := p.ask(t, what, c, status)
	require.NotEmpty(t, found, what)
	for _, v := range found {
		require.Equal(t, "request", v.where(), "%s: %v", what, v)
	}
}

func (p past) ask(t *testing.T, what string, c gatewaytest.Request, status int) []violation {
	t.Helper()
	p.seen.take()
	answer := p.Do(t, c)
	require.Equal(t, status, answer.Status, "%s: %s", what, answer.Body)
	return p.seen.take()
}

// behindPrism starts a proxy that holds all that passes against a contract, and
// gives a new gateway as it is seen through it.
func behindPrism(t *testing.T, contract []byte, seen *violations) *gatewaytest.Gateway {
	t.Helper()
	prism := os.Getenv("FIELDGATE_TEST_PRISM")
	if prism == "" {
		t.Skip("run by make test-contract")
	}
	g := gatewaytest.Start(t)
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	require.NoError(t, os.WriteFile(file, contract, 0o600))
	addr := storetest.FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	start(t, exec.Command(prism, "proxy", file, g.URL, "--port", port, "--cors=false", "--verboseLevel=warn"))
	url := "http://" + addr
	eventually(t, func() bool { return statusOf(url+"/healthz") == http.StatusOK }, "prism serves nothing")

	seen.base = http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(seen.base.CloseIdleConnections)
	gate, err := client.New(url, client.WithTransport(seen))
	require.NoError(t, err)
	return &gatewaytest.Gateway{Gateway: gate, URL: url, Issuer: g.Issuer, HTTP: &http.Client{Transport: seen}}
}

// start runs a program until the test ends, and shows what it said if it failed.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			_, _ = io.Copy(os.Stderr, &said)
		}
	})
}

// violation is what Prism says of one exchange.
type violation struct {
	Location []string
	Message  string
}

// where is "request" or "response".
func (v violation) where() string { return v.Location[0] }

// violations is a transport that keeps what Prism notes on the answers.
type violations struct {
	base  *http.Transport
	mu    sync.Mutex
	found []violation
}

// RoundTrip sends a request as it is.
func (v *violations) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := v.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	var found []violation
	if noted := response.Header.Get("sl-violations"); noted != "" {
		if err := json.Unmarshal([]byte(noted), &found); err != nil {
			found = []violation{{Location: []string{"response"}, Message: noted}}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found = append(v.found, found...)
	return response, nil
}

// take gives what was noted since it was asked last.
func (v *violations) take() []violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.found
	v.found = nil
	return found
}
