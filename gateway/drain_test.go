package gateway_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// drainDelay is the time for which the gateways in these tests serve after SIGTERM. It is long
// enough for a few requests on a busy machine.
const drainDelay = 4 * time.Second

func withDrainDelay(cfg *gateway.Config) { cfg.DrainDelay = drainDelay }

// stopInBackground starts the shutdown of a gateway. The channel receives the result of
// Stop.
func stopInBackground(g *gatewaytest.Gateway) <-chan error {
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop() }()
	return stopped
}

func TestShutdown_ReportsDrainingAndKeepsServing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, withDrainDelay)
	f := newFleet(t, g)
	began, stopped := time.Now(), stopInBackground(g)
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && !ready.Ready && ready.Draining
	}, "the gateway does not report that it drains")
	require.Less(t, time.Since(began), drainDelay)
	health, err := g.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.HealthStatusOk, health.Status)

	requireDelivered(t, f, g, f.device, func() { f.propose(t, auto) })
	require.NoError(t, <-stopped)
	require.GreaterOrEqual(t, time.Since(began), drainDelay)
	_, err = g.Health(t.Context())
	require.Error(t, err, "the gateway still serves")
}

func TestShutdown_WaitingClaimReturnsEmpty(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	claims := make(chan error, 2)
	for range cap(claims) {
		go func() {
			claimed, err := f.device.Claim(t.Context(), client.ClaimRequest{WaitMs: 30_000})
			if len(claimed) > 0 {
				t.Error("there was nothing to claim")
			}
			claims <- err
		}()
	}
	awaitWaitingClaims(t, g, cap(claims))
	began := time.Now()
	require.NoError(t, g.Stop())
	require.Less(t, time.Since(began), 20*time.Second, "the gateway waited for the end of the claims")
	for range cap(claims) {
		require.NoError(t, <-claims)
	}
}

func TestShutdown_WaitsForRequestInFlight(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	rest, slow := io.Pipe()
	readStarted := make(chan struct{})
	responses := make(chan *http.Response, 1)
	go func() { responses <- sendWithSlowBody(t, g, g.Login(t, f.device), rest, readStarted) }()
	<-readStarted
	stopped := stopInBackground(g)
	select {
	case <-stopped:
		require.Fail(t, "the gateway did not wait for the request")
	case <-time.After(200 * time.Millisecond):
	}
	_, err := io.WriteString(slow, `{"status":"ok"}`)
	require.NoError(t, err)
	require.NoError(t, slow.Close())
	response := <-responses
	require.NotNil(t, response)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, <-stopped)
}

// sendWithSlowBody sends a heartbeat and waits for the response. It closes the channel
// readStarted when the HTTP client first reads from body.
func sendWithSlowBody(t testing.TB, g *gatewaytest.Gateway, token string, body io.Reader, readStarted chan<- struct{}) *http.Response {
	notifying := &notifyingReader{Reader: body, firstRead: readStarted}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/api/v1/device/heartbeat", notifying)
	if err != nil {
		t.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	response, err := g.HTTP.Do(r)
	if err != nil {
		t.Error(err)
	}
	return response
}

// notifyingReader closes firstRead at the first call of Read.
type notifyingReader struct {
	io.Reader
	firstRead chan<- struct{}
}

func (r *notifyingReader) Read(p []byte) (int, error) {
	if r.firstRead != nil {
		close(r.firstRead)
		r.firstRead = nil
	}
	return r.Reader.Read(p)
}
