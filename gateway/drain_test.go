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

// drainDelay is how long the gateways of these tests go on serving.
const drainDelay = 1500 * time.Millisecond

func draining(cfg *gateway.Config) { cfg.DrainDelay = drainDelay }

// stop ends a gateway as SIGTERM does, and tells when it has ended.
func stop(g *gatewaytest.Gateway) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- g.Stop() }()
	return ended
}

func TestShutdown_ReportsDrainingAndKeepsServing(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, draining)
	f := newFleet(t, g)
	began, ended := time.Now(), stop(g)
	eventually(t, func() bool {
		ready, err := g.Readiness(t.Context())
		return err == nil && !ready.Ready && ready.Draining
	}, "it does not say that it drains")
	require.Less(t, time.Since(began), 500*time.Millisecond)
	health, err := g.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.HealthStatusOk, health.Status)

	requireDelivered(t, f, g, f.device, func() { f.propose(t, auto) })
	require.NoError(t, <-ended)
	require.GreaterOrEqual(t, time.Since(began), drainDelay)
	_, err = g.Health(t.Context())
	require.Error(t, err, "it is gone")
}

func TestShutdown_WaitingClaimReturnsEmpty(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	claims := make(chan error, 3)
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
	require.Less(t, time.Since(began), 5*time.Second)
	for range cap(claims) {
		require.NoError(t, <-claims)
	}
}

func TestShutdown_WaitsForRequestInFlight(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	f := newFleet(t, g)
	rest, slow := io.Pipe()
	asked := make(chan struct{})
	answered := make(chan *http.Response, 1)
	go func() { answered <- sendSlowly(t, g, g.Login(t, f.device), rest, asked) }()
	<-asked
	ended := stop(g)
	select {
	case <-ended:
		require.Fail(t, "it did not wait for the request")
	case <-time.After(200 * time.Millisecond):
	}
	_, err := io.WriteString(slow, `{"status":"ok"}`)
	require.NoError(t, err)
	require.NoError(t, slow.Close())
	response := <-answered
	require.NotNil(t, response)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, <-ended)
}

// sendSlowly sends a heartbeat whose body comes later, and tells when the gateway
// has asked for it.
func sendSlowly(t testing.TB, g *gatewaytest.Gateway, token string, body io.Reader, asked chan<- struct{}) *http.Response {
	begun := &firstRead{Reader: body, begun: asked}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/api/v1/device/heartbeat", begun)
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

// firstRead tells when somebody begins to read.
type firstRead struct {
	io.Reader
	begun chan<- struct{}
}

func (f *firstRead) Read(p []byte) (int, error) {
	if f.begun != nil {
		close(f.begun)
		f.begun = nil
	}
	return f.Reader.Read(p)
}
