// Package api is the HTTP edge: it routes, identifies and logs each request, holds
// it against the contract, and turns every error into a problem document. What the
// operations do is none of its business; that is the generated strict interface,
// which package handlers implements.
//
// A request passes, in this order:
//
//	identify   request id and client address     requestid.go, clientaddr.go
//	observe    access log and metrics            accesslog.go, metrics.go
//	recover    a panic becomes a 500             recover.go
//	secure     headers of every answer           secure.go
//	share      other origins, for browsers       cors.go
//	route      chi; 404 and 405                  router.go
//	admit      the contract                      contract.go, handshake.go
//	serve      the generated wrapper and handler
//
// Admitting a request means: check the handshake if it is one, authenticate by the
// headers alone, check the role, count it against the rate limit, and only then look
// at what it holds. The limit comes before validation because validation is what an
// abuser would make us do; it comes after authentication because it counts per caller.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
)

// DefaultMaxBodyBytes is how large a body may be unless the configuration or the
// operation says otherwise. A result carries up to 256 KiB of output beside its data.
const DefaultMaxBodyBytes = 1 << 20

// Authenticator verifies a bearer token. It gives a context that carries the
// principal, or a *fieldgate.Error: unauthorized for a token that is not valid,
// store_unavailable or issuer_unavailable where that cannot be told.
type Authenticator func(ctx context.Context, token string) (context.Context, error)

// Config is what the edge needs to know. Only Server and the functions that the
// contract calls for are required.
type Config struct {
	// Spec is the contract, an OpenAPI 3.0 document. Defaults to fieldgate.Spec.
	Spec []byte

	// Server is what serves the operations.
	Server generated.StrictServerInterface

	// Authenticators verify the tokens, one for each security scheme of the contract.
	Authenticators map[string]Authenticator

	// Authorize returns nil if the principal in ctx has at least the role that an
	// operation names in x-least-role, and a *fieldgate.Error otherwise. Required if
	// any operation has one.
	Authorize func(ctx context.Context, leastRole string) error

	// RateLimit returns nil if one more call of the operation is within its limits,
	// and a *fieldgate.Error with RetryAfter otherwise. The context carries the
	// principal, and the client's address (request.Addr) where there is none. Nil
	// means that nothing is limited.
	RateLimit func(ctx context.Context, operationID string) error

	// Logger gets one line per request. Defaults to none.
	Logger *slog.Logger

	// Registerer gets the HTTP metrics. Defaults to a registry that nobody reads.
	Registerer prometheus.Registerer

	// TrustedProxies are the networks whose X-Forwarded-For is believed. None means
	// that the peer of the connection is the client.
	TrustedProxies []netip.Prefix

	// AllowedOrigins are the web pages that may call from a browser, such as
	// https://app.example.com. None means that only pages of this host may.
	AllowedOrigins []string

	// Console says how people sign in to the page at /console.
	Console Console

	// MaxBodyBytes bounds every request body, in bytes. An operation may lower its own
	// bound with x-max-body-bytes. Defaults to DefaultMaxBodyBytes.
	MaxBodyBytes int64

	// Now is the clock that requests are timed with. Defaults to time.Now.
	Now func() time.Time
}

// New makes the handler of the whole HTTP interface. An error means that the
// configuration or the contract cannot be served as it is.
func New(config Config) (http.Handler, error) {
	if config.Server == nil {
		return nil, errors.New("the configuration has no Server")
	}
	e, err := newEdge(config)
	if err != nil {
		return nil, err
	}
	return e.handler(func(r chi.Router) {
		generated.HandlerWithOptions(
			generated.NewStrictHandlerWithOptions(config.Server, nil, e.strictOptions()),
			generated.ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: refuseBinding},
		)
	}), nil
}

// edge is what the middlewares share.
type edge struct {
	logger   *slog.Logger
	now      func() time.Time
	proxies  trustedProxies
	origins  origins
	contract *contract
	metrics  *metrics
	docs     documents
	console  *console
}

func newEdge(config Config) (*edge, error) {
	setDefaults(&config)
	document, err := load(config.Spec)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	origins, err := newOrigins(config.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("reading the allowed origins: %w", err)
	}
	contract, err := newContract(document, config, origins)
	if err != nil {
		return nil, fmt.Errorf("preparing the contract: %w", err)
	}
	metrics, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the HTTP metrics: %w", err)
	}
	pages, err := newDocuments(config.Spec, document)
	if err != nil {
		return nil, fmt.Errorf("preparing the documentation: %w", err)
	}
	console, err := newConsole(config.Console, origins)
	if err != nil {
		return nil, fmt.Errorf("preparing the console: %w", err)
	}
	return &edge{
		logger:   config.Logger,
		now:      config.Now,
		proxies:  config.TrustedProxies,
		origins:  origins,
		contract: contract,
		metrics:  metrics,
		docs:     pages,
		console:  console,
	}, nil
}

func setDefaults(config *Config) {
	if config.Spec == nil {
		config.Spec = fieldgate.Spec
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Registerer == nil {
		config.Registerer = prometheus.NewRegistry()
	}
	if config.MaxBodyBytes == 0 {
		config.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if config.Now == nil {
		config.Now = time.Now
	}
}

// load reads and checks an OpenAPI document. Version 3.1 is refused because the
// validator compiles its schemas anew for every request, which costs 40 times as much.
func load(spec []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	if document.IsOpenAPI31OrLater() {
		return nil, fmt.Errorf("version %s is not supported, only 3.0", document.OpenAPI)
	}
	return document, document.Validate(loader.Context, openapi3.DisableExamplesValidation())
}
