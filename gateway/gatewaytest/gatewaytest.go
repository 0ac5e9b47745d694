// Package gatewaytest starts a complete gateway for a test, on a real Redis or the
// embedded store, with its own token issuer. It validates every response against the
// contract. The test fails when the gateway logs an unexpected error.
package gatewaytest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/apitest"
	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/customer/customertest"
	"github.com/fieldgate/fieldgate/gateway"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// Gateway is a gateway that serves until its test ends.
type Gateway struct {
	*client.Gateway // calls that need no principal
	URL             string
	MetricsURL      string
	Issuer          *customertest.Issuer
	HTTP            *http.Client // validates responses against the contract
	Log             *Log         // of every level

	// Stop shuts the gateway down as SIGTERM does, and waits until it has stopped.
	Stop func() error
}

// Start starts a gateway on the embedded store, unless a change such as WithRedis
// configures another one.
func Start(t testing.TB, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	return StartWithIssuer(t, customertest.NewIssuer(t), changes...)
}

// StartWithIssuer starts a gateway that accepts the tokens of an existing issuer.
func StartWithIssuer(t testing.TB, iss *customertest.Issuer, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	log := new(Log)
	cfg := gateway.Config{
		Addr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", Embedded: true, SupabaseURL: iss.URL(),
		Environment: "test", Version: "test", ReconcileInterval: time.Second, ReconcileDevices: 10,
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&cfg)
	}
	g, err := gateway.New(t.Context(), cfg)
	require.NoError(t, err)
	url := "http://" + g.Addr()
	transport := apitest.Transport(t, fieldgate.Spec)
	gate, err := client.New(url, client.WithTransport(transport))
	require.NoError(t, err)
	t.Cleanup(func() { require.Empty(t, log.unexpectedErrors(), "the gateway logged errors") })
	caller := &http.Client{Transport: transport}
	return &Gateway{
		Gateway: gate, URL: url, MetricsURL: "http://" + g.MetricsAddr(), Issuer: iss,
		HTTP: caller, Log: log, Stop: run(t, g, caller),
	}
}

// WithRedis configures a Redis instead of the embedded store.
func WithRedis(url string) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.RedisURL, cfg.Embedded = url, false }
}

// ForEachStore runs a parallel subtest for each kind of store, with a gateway of its own.
func ForEachStore(t *testing.T, test func(t *testing.T, g *Gateway)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t, WithRedis(storetest.SharedURL(t))))
	})
}

// run serves until the test ends. It closes the caller's idle connections first:
// http.Server.Shutdown waits up to five seconds for one that was never used.
func run(t testing.TB, g *gateway.Gateway, caller *http.Client) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = g.Run(ctx)
	}()
	stop = func() error {
		caller.CloseIdleConnections()
		cancel()
		<-ended
		return err
	}
	t.Cleanup(func() { require.NoError(t, stop()) })
	return stop
}
