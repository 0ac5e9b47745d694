// Package gatewaytest starts a whole gateway for a test: on a real Redis or the
// embedded store, with a token issuer of its own. Every answer that passes
// through its client is held against the contract, and the test fails when the
// gateway logs an error of its own.
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

// Gateway is a gateway that serves until the end of its test.
type Gateway struct {
	*client.Gateway // for what needs no principal
	URL             string
	MetricsURL      string
	Issuer          *customertest.Issuer
	HTTP            *http.Client // whose answers are held against the contract
	Log             *Log         // what the gateway said, at every level

	// Stop ends the gateway as SIGTERM does and waits for it.
	Stop func() error
}

// Start starts a gateway on the embedded store; a change may give it another.
func Start(t testing.TB, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	return StartFor(t, customertest.NewIssuer(t), changes...)
}

// StartFor starts a gateway for the people of an issuer that the test already has.
func StartFor(t testing.TB, people *customertest.Issuer, changes ...func(*gateway.Config)) *Gateway {
	t.Helper()
	log := new(Log)
	cfg := gateway.Config{
		Addr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", Embedded: true, SupabaseURL: people.URL(),
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
	t.Cleanup(func() { require.Empty(t, log.faults(), "the gateway logged errors") })
	caller := &http.Client{Transport: transport}
	return &Gateway{
		Gateway: gate, URL: url, MetricsURL: "http://" + g.MetricsAddr(), Issuer: people,
		HTTP: caller, Log: log, Stop: run(t, g, caller),
	}
}

// OnRedis runs the gateway on a Redis instead of the embedded store.
func OnRedis(url string) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.RedisURL, cfg.Embedded = url, false }
}

// Each runs a test against a gateway on every kind of store.
func Each(t *testing.T, test func(t *testing.T, g *Gateway)) {
	t.Helper()
	for name, on := range map[string]func(*gateway.Config){
		"embedded": func(*gateway.Config) {},
		"redis":    OnRedis(storetest.SharedURL(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Start(t, on))
		})
	}
}

// run serves until the test ends. A connection that was opened and never used
// would keep the server from ending for five seconds, so the caller's are closed.
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
