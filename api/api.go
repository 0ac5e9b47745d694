// Package api is the HTTP edge of the gateway. It routes, authenticates and logs each
// request, validates it against the contract, and converts every error into a problem
// document. What the operations do is up to the generated strict interface, which package
// handlers implements.
//
// A request passes these steps in order:
//
//	assignRequestID  request id and client address    requestid.go, clientaddr.go
//	observe          access log and metrics           accesslog.go, metrics.go
//	recoverPanic     a panic becomes a 500            recover.go
//	secure           headers of every response        secure.go
//	cors             cross-origin access              cors.go
//	route            chi; 404 and 405                 router.go
//	admit            the contract                     contract.go, handshake.go
//	serve            generated wrapper and handler
//
// To admit a request is to check the handshake if it opens a socket, to authenticate it
// by its headers, to check the role, to count it against the rate limit, and then to
// validate its parameters and body. The rate limit comes before validation, because
// validation is work that an abusive client causes. It comes after authentication,
// because it is counted per caller.
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

// DefaultMaxBodyBytes is the maximum size of a request body in bytes, unless the configuration
// or the operation sets another. A result has up to 256 KiB of output in addition to its data.
const DefaultMaxBodyBytes = 1 << 20

// Authenticator verifies a bearer token. It returns a context that carries the principal.
// The error is a *fieldgate.Error: unauthorized for an invalid token, store_unavailable
// or issuer_unavailable if the token cannot be verified at present.
type Authenticator func(ctx context.Context, token string) (context.Context, error)

// Config configures the edge. Server is required, and so are the functions that the contract
// needs. All other fields have defaults.
type Config struct {
	// Spec is the contract, an OpenAPI 3.0 document. Defaults to fieldgate.Spec.
	Spec []byte

	// Server implements the operations. It is required.
	Server generated.StrictServerInterface

	// Authenticators verify tokens. The key is the name of a security scheme of the contract.
	Authenticators map[string]Authenticator

	// Authorize returns nil if the principal in ctx has at least the role leastRole, and a
	// *fieldgate.Error otherwise. It is required if an operation has x-least-role.
	Authorize func(ctx context.Context, leastRole string) error

	// RateLimit returns nil if another call of the operation, with its x-cost, is within
	// the limits, and a *fieldgate.Error with RetryAfter otherwise. The context carries the principal.
	// Where there is none, request.Addr returns the address of the client. Nil means that
	// nothing is limited.
	RateLimit func(ctx context.Context, operationID string, cost int) error

	// AdmitRead waits until an admitted operation may read what it lists. The edge calls
	// release when the response is written. The error is a *fieldgate.Error. Nil means that
	// no operation waits.
	AdmitRead func(ctx context.Context, operationID string) (release func(), err error)

	// Logger receives one line per request. Nil discards them.
	Logger *slog.Logger

	// Registerer registers the HTTP metrics. Nil means a new registry, which is not served.
	Registerer prometheus.Registerer

	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted. If it is
	// empty, the peer of the connection is the client.
	TrustedProxies []netip.Prefix

	// AllowedOrigins are the origins, such as https://app.example.com, whose web pages may call
	// the API from a browser. If it is empty, only pages of this host may.
	AllowedOrigins []string

	// Console configures the console, the page at /console.
	Console Console

	// MaxBodyBytes is the maximum size of a request body in bytes. An operation may set a lower
	// limit with x-max-body-bytes. Zero means DefaultMaxBodyBytes.
	MaxBodyBytes int64

	// Held limits the memory for request bodies that are read, decoded or served at the same
	// time. A body beyond a limit is refused with overloaded. Nil means a budget of the default
	// size; frames share the budget that the caller sets.
	Held *Budget

	// Now returns the current time. It is used to measure the duration of requests. Nil means
	// time.Now.
	Now func() time.Time
}

// New returns the handler of the whole HTTP interface. It returns an error if the
// configuration is incomplete or the contract cannot be served.
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

// edge is the state that the middlewares of the HTTP edge share.
type edge struct {
	logger   *slog.Logger
	now      func() time.Time
	proxies  trustedProxies
	origins  origins
	contract *contract
	metrics  *metrics
	docs     documents
	console  *console

	admitRead func(ctx context.Context, operationID string) (release func(), err error)
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

		admitRead: config.AdmitRead,
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
	if config.Held == nil {
		config.Held = NewBudget(0, 0)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
}

// load parses and validates an OpenAPI document. It refuses version 3.1: the validator would
// compile the schemas again for each request, which costs 40 times as much.
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
