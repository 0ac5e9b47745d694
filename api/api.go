// Package api is the HTTP edge of the gateway. It routes, authenticates and logs each request,
// validates it against the contract, and converts every error into a problem document. Package
// handlers implements the operations, through the generated strict interface.
//
// A request passes these steps in order:
//
//	assignRequestID  request id and client address    requestid.go, clientaddr.go
//	observe          access log, metrics and span     accesslog.go, metrics.go, span.go
//	headAsGet        HEAD is served like GET          head.go
//	recoverPanic     a panic becomes a 500            recover.go
//	compress         zstd and gzip                    compress.go
//	secure           headers of every response        secure.go
//	cors             cross-origin access              cors.go
//	route            chi; 404 and 405                 router.go
//	admit            the contract                     contract.go, handshake.go
//	revalidate       entity tags and 304              revalidate.go
//	serve            generated wrapper and handler
//
// The step admit makes these checks in order: the handshake if the request opens a socket, the
// credentials in the headers, the role, the rate limit, the parameters and the body. The rate
// limit comes before the validation, so that an abusive client cannot cause much validation. It
// comes after authentication, because requests are counted per caller.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/tracing"
)

// DefaultMaxBodyBytes is the maximum size of a request body in bytes. The configuration or the
// operation may set another maximum. A result needs up to 256 KiB for its output, in
// addition to its data.
const DefaultMaxBodyBytes = 1 << 20

// Authenticator verifies a bearer token. It returns a context that carries the principal.
// The error is a *fieldgate.Error: unauthorized for an invalid token, store_unavailable
// or issuer_unavailable if the token cannot be verified at present.
type Authenticator func(ctx context.Context, token string) (context.Context, error)

// Config configures the edge. Server is required, and so is each function that an operation of
// the contract needs. All other fields have defaults.
type Config struct {
	// Spec is the contract, an OpenAPI 3.0 document. Defaults to fieldgate.Spec.
	Spec []byte

	// Server implements the operations. It is required.
	Server generated.StrictServerInterface

	// Authenticators verify tokens. The key is the name of a security scheme of the contract.
	Authenticators map[string]Authenticator

	// Authorize returns nil if the role of the principal in ctx is leastRole or higher, and a
	// *fieldgate.Error otherwise. It is required if an operation has x-least-role.
	Authorize func(ctx context.Context, leastRole string) error

	// RateLimit returns nil if one more call of the operation is within the limits, and a
	// *fieldgate.Error with RetryAfter otherwise. cost is the x-cost of the operation. The
	// context carries the principal. For a call without a principal, request.Addr returns the
	// address of the client. A nil RateLimit limits nothing.
	RateLimit func(ctx context.Context, operationID string, cost int) error

	// AdmitRead waits until the operation may read from the store. The edge calls release when
	// the response has been written. The error is a *fieldgate.Error. If AdmitRead is nil, no
	// operation waits.
	AdmitRead func(ctx context.Context, operationID string) (release func(), err error)

	// AdmitHandshake waits until the handshake of a socket may be served, before it is
	// authenticated. The edge calls release when the socket is open or was refused. The error is a
	// *fieldgate.Error. If AdmitHandshake is nil, no handshake waits.
	AdmitHandshake func(ctx context.Context) (release func(), err error)

	// Confirm returns the error of a request that was authenticated and then refused. The
	// Authenticator may have left a part of the authentication to the handler, and the request
	// may not have reached that part: Confirm makes up for it, and returns its refusal instead of
	// err. A nil Confirm returns err.
	Confirm func(ctx context.Context, token string, err error) error

	// Unauthenticated is called for each request whose credential was refused. A nil
	// Unauthenticated does nothing.
	Unauthenticated func(reason fieldgate.Reason)

	// Called is called for each request with the tenant of its caller, or "", and the code of its
	// refusal, or "". A nil Called does nothing.
	Called func(tenant string, code fieldgate.Code)

	// Logger receives one line per request. Nil discards them.
	Logger *slog.Logger

	// LogEvery is a number of requests, of which one is logged if they had no error. All others
	// are logged. Zero and one log every request.
	LogEvery int

	// Tracer starts a span for each request. Nil records no spans.
	Tracer tracing.Tracer

	// Registerer registers the HTTP metrics. Nil means a new registry, which is not served.
	Registerer prometheus.Registerer

	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted. If it is
	// empty, the peer of the connection is the client.
	TrustedProxies []netip.Prefix

	// AllowedOrigins are the origins, such as https://app.example.com, whose web pages may call
	// the API from a browser. Pages of the request's own host may always call it.
	AllowedOrigins []string

	// HSTS is HSTSAuto, HSTSOn or HSTSOff. Empty means HSTSAuto.
	HSTS string

	// Console configures the console, the page at /console.
	Console Console

	// MaxBodyBytes is the maximum size of a request body in bytes. An operation may set a lower
	// limit with x-max-body-bytes. Zero means DefaultMaxBodyBytes.
	MaxBodyBytes int64

	// BodyTimes bound the time that a request body may take. The zero value has the defaults.
	BodyTimes BodyTimes

	// Held limits the request bodies that the instance holds at the same time. The values
	// decoded from the bodies count too. A body beyond a limit is refused with overloaded.
	// Nil means a budget of the default size. Frames share the budget that the caller sets.
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
			generated.ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: e.refuseBinding},
		)
	}), nil
}

// edge is the state that the middlewares of the HTTP edge share.
type edge struct {
	logger    *slog.Logger
	logEvery  uint64        // Config.LogEvery, at least one
	served    atomic.Uint64 // number of requests without an error
	now       func() time.Time
	proxies   trustedProxies
	forwarded atomic.Bool // an ignored X-Forwarded-For was logged
	hsts      hsts
	origins   origins
	contract  *contract
	metrics   *metrics
	tracer    tracing.Tracer
	docs      documents
	console   *console

	compressor compressor

	admitRead       func(ctx context.Context, operationID string) (release func(), err error)
	admitHandshake  func(ctx context.Context) (release func(), err error)
	unauthenticated func(reason fieldgate.Reason)
	called          func(tenant string, code fieldgate.Code)
}

func newEdge(config Config) (*edge, error) {
	setDefaults(&config)
	publication, err := publicationOf(config.Spec)
	if err != nil {
		return nil, err
	}
	origins, err := newOrigins(config.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("reading the allowed origins: %w", err)
	}
	contract, err := newContract(publication.document, config, origins)
	if err != nil {
		return nil, fmt.Errorf("preparing the contract: %w", err)
	}
	metrics, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the HTTP metrics: %w", err)
	}
	console, err := newConsole(config.Console, origins)
	if err != nil {
		return nil, fmt.Errorf("preparing the console: %w", err)
	}
	compressor, err := newCompressor()
	if err != nil {
		return nil, err
	}
	return &edge{
		compressor: compressor,

		logger:   config.Logger,
		logEvery: uint64(max(config.LogEvery, 1)),
		now:      config.Now,
		proxies:  config.TrustedProxies,
		hsts:     hsts(config.HSTS),
		origins:  origins,
		contract: contract,
		metrics:  metrics,
		tracer:   config.Tracer,
		docs:     publication.pages,
		console:  console,

		admitRead:       config.AdmitRead,
		admitHandshake:  config.AdmitHandshake,
		unauthenticated: config.Unauthenticated,
		called:          config.Called,
	}, nil
}

func setDefaults(config *Config) {
	if config.Confirm == nil {
		config.Confirm = func(_ context.Context, _ string, err error) error { return err }
	}
	if config.Unauthenticated == nil {
		config.Unauthenticated = func(fieldgate.Reason) {}
	}
	if config.Called == nil {
		config.Called = func(string, fieldgate.Code) {}
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
