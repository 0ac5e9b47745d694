// Package gatewaytest starts a complete gateway for a test, with a real Redis or the embedded
// store and with a token issuer. It validates every response against the contract. If the
// gateway logs an unexpected error, the test fails.
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
	*client.Gateway // for calls that need no principal
	URL             string
	MetricsURL      string
	Issuer          *customertest.Issuer
	HTTP            *http.Client // validates all responses against the contract
	Log             *Log         // log of the gateway, at all levels

	// Stop shuts the gateway down like SIGTERM, and waits until it has stopped.
	Stop func() error
}

// Start starts a gateway with the embedded store. Each change edits the configuration. For
// example, WithRedis selects a Redis.
func Start(t testing.TB, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	return StartWithIssuer(t, customertest.NewIssuer(t), changes...)
}

// StartWithIssuer starts a gateway that accepts the tokens of iss.
func StartWithIssuer(t testing.TB, iss *customertest.Issuer, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	log := new(Log)
	cfg := gateway.Config{
		Addr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", Embedded: true, SupabaseURL: iss.URL(),
		NoFunctions: storetest.WithoutFunctions(), Environment: "test", Version: "test", ReconcileInterval: time.Second, ReconcileDevices: 10,
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
	t.Cleanup(func() {
		require.Empty(t, log.unexpectedErrors(), "the gateway logged errors")
		require.Empty(t, log.withoutReason(), "the gateway refused credentials without a reason in the log")
	})
	caller := &http.Client{Transport: transport}
	return &Gateway{
		Gateway: gate, URL: url, MetricsURL: "http://" + g.MetricsAddr(), Issuer: iss,
		HTTP: caller, Log: log, Stop: run(t, g, caller),
	}
}

// WithPersonalTenants accepts users without a tenant.
func WithPersonalTenants(cfg *gateway.Config) { cfg.PersonalTenants = true }

// WithRedis configures the gateway to use the Redis at url instead of the embedded store.
func WithRedis(url string) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.RedisURL, cfg.Embedded = url, false }
}

// ForEachStore runs a parallel subtest with each kind of store. Each subtest has its own
// gateway. The changes edit the configuration of both.
func ForEachStore(t *testing.T, test func(t *testing.T, g *Gateway), changes ...func(*gateway.Config)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t, changes...))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t, append([]func(*gateway.Config){WithRedis(storetest.SharedURL(t))}, changes...)...))
	})
}

// run serves until the test ends. Before the shutdown it closes the caller's idle connections,
// because http.Server.Shutdown waits up to five seconds for a connection that was never used.
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
