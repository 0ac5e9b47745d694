// Package gateway assembles the parts of Fieldgate: the store, the domain, the handlers and the
// HTTP edge. It starts them, runs them and shuts them down.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/approver"
	"github.com/fieldgate/fieldgate/customer"
	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/gateway/admin"
	"github.com/fieldgate/fieldgate/handlers"
	"github.com/fieldgate/fieldgate/listen"
	"github.com/fieldgate/fieldgate/logs"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/receipt"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
	"github.com/fieldgate/fieldgate/tracing"
)

// Gateway is one instance of the gateway. Create it with New and call Run once.
type Gateway struct {
	cfg         Config
	log         *slog.Logger
	registry    *prometheus.Registry
	tracer      tracing.Tracer // nil if no spans are recorded
	store       *store.Store   // nil until the store was reached
	storeConfig store.Config
	verifier    *customer.Verifier
	devices     *device.Registry
	sessions    *session.Service
	queue       *queue.Queue
	receipts    *receipt.Signer // nil if no receipts are signed
	quotas      *quota.Service
	hub         *realtime.Hub
	tickets     *customer.Tickets
	cutOffs     *customer.CutOffs
	policies    *tenantpolicy.Policies
	passkeys    *approver.Passkeys
	rosters     *approver.Rosters
	limits      *ratelimit.Limiter
	guard       *guard
	lists       *tenantReads
	largeReads  *tenantReads
	health      *handlers.Health
	probe       *issuerProbe
	capacity    capacity
	held        *api.Budget                   // of the bytes of bodies and frames
	refused     func(reason fieldgate.Reason) // counts a refused credential
	calls       *busiest
	surveyor    *surveyor // nil without a reconciler
	listener    *boundedListener
	metrics     *boundedListener    // nil if metrics are not served
	admin       *boundedListener    // nil if there is no admin listener
	certificate *listen.Certificate // nil without TLS
	assembled   atomic.Bool         // the fields from store to handler are set

	adminToken                 admin.Token
	proxyWarning, adminWarning throttle

	server  *http.Server
	handler switchedHandler // of server
	workers sync.WaitGroup
}

// New connects to the store, assembles the parts and opens the listeners. Requests are not
// served before Run. The error is a sentence for the operator.
//
// If the store cannot be reached, New returns no error, and Run tries again.
func New(ctx context.Context, cfg Config) (*Gateway, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	cfg.Logger = slog.New(logs.LimitRepeats(logs.WithRequest(cfg.Logger.Handler())))
	capacity, err := capacityOf(maxDescriptors(), cfg)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg: cfg, log: cfg.Logger, registry: newRegistry(), tracer: tracing.New(cfg.Traces, cfg.Version), capacity: capacity, held: api.NewBudget(0, 0),
		health: &handlers.Health{Version: cfg.Version, Environment: cfg.Environment},
	}
	g.adminToken.Set(cfg.AdminToken)
	g.storeConfig, g.refused, g.calls = g.newStoreConfig(), countUnauthenticated(g.registry), newBusiest()
	g.registry.MustRegister(g.calls)
	g.server = g.newServer()
	for _, step := range []func(context.Context) error{g.prepare, g.startUnlessUnreachable, g.listen} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, g.close())
		}
	}
	return g, nil
}

// prepare does what needs no store, so that a wrong setting ends the start at once.
func (g *Gateway) prepare(context.Context) (err error) {
	if err := api.CheckOrigins(g.cfg.AllowedOrigins); err != nil {
		return fmt.Errorf("reading FIELDGATE_ALLOWED_ORIGINS: %w", err)
	}
	if g.verifier, err = g.newVerifier(); err != nil {
		return fmt.Errorf("preparing the verification of tokens: %w", err)
	}
	return nil
}

// warnOfRecordKey logs what the settings of the record key leave unprotected.
func (g *Gateway) warnOfRecordKey() {
	switch {
	case g.cfg.Development:
	case g.cfg.RecordKey == "":
		g.log.Warn("authenticating the records of commands with a key that is kept in Redis, because FIELDGATE_RECORD_KEY is not set")
	case !g.cfg.RecordKeyRequired:
		g.log.Warn("accepting commands that FIELDGATE_RECORD_KEY does not authenticate, because FIELDGATE_RECORD_KEY_REQUIRED is off")
	}
}

func (g *Gateway) newStoreConfig() store.Config {
	cfg := storeConfigOf(g.cfg)
	cfg.Observe, cfg.Recorded = observeStore(g.registry), countTransitions(g.registry)
	cfg.Tracer = g.tracer
	cfg.Violated, cfg.Memory, cfg.Problem = countViolations(g.registry), measureMemory(g.registry), measureProblems(g.registry)
	return cfg
}

// scripts are the scripts of all packages, which Redis loads when an instance starts.
var scripts = []*store.Scripts{
	approver.Scripts, customer.Scripts, device.Scripts, queue.Scripts, quota.Scripts, ratelimit.Scripts, realtime.Scripts, session.Scripts, tenantpolicy.Scripts,
}

func storeConfigOf(cfg Config) store.Config {
	return store.Config{
		URL: cfg.RedisURL, CAFile: cfg.RedisCAFile, CertFile: cfg.RedisCertFile, KeyFile: cfg.RedisKeyFile,
		PasswordFile: cfg.RedisPasswordFile, PoolSize: cfg.RedisPoolSize, AutoPipeline: cfg.AutoPipeline,
		NoFunctions: cfg.NoFunctions, Scripts: scripts,
		StoreID: cfg.StoreID, Development: cfg.Development, Logger: cfg.Logger,
	}
}

// start connects to the store and assembles the parts.
func (g *Gateway) start(ctx context.Context) (err error) {
	if g.store, err = store.Connect(ctx, g.storeConfig); err != nil {
		return fmt.Errorf("connecting to FIELDGATE_REDIS_URL: %w", err)
	}
	g.store.RecordRetention(ctx, g.cfg.Retention)
	return g.assemble()
}

// assemble creates the domain services and the HTTP edge.
func (g *Gateway) assemble() error {
	g.warnOfRecordKey()
	g.keepIssuerKeys()
	g.probe = newIssuerProbe(g.verifier, g.cfg.HealthURL, g.cfg.SupabaseAnonKey)
	g.devices = device.New(device.Config{
		Store: g.store, Retention: g.cfg.Retention, CodeKey: []byte(g.cfg.CodeKey), DeviceRate: g.cfg.DeviceRate,
		ActivationTTL: g.cfg.ActivationLifetime,
		Limits:        g.cfg.Quotas, Logger: g.log,
	})
	g.sessions = session.New(session.Config{Store: g.store, Retention: g.cfg.Retention, Limits: g.cfg.Quotas, Logger: g.log})
	signer, err := newSigner(g.cfg)
	if err != nil {
		return fmt.Errorf("reading FIELDGATE_SIGNING_KEY: %w", err)
	}
	g.receipts = signer
	approvers := approver.Config{
		Store: g.store, RelyingParty: relyingPartyOf(g.cfg), RecordKey: []byte(g.cfg.RecordKey), RecordKeyRequired: g.cfg.RecordKeyRequired,
	}
	g.passkeys, g.rosters = approver.NewPasskeys(approvers), approver.NewRosters(approvers)
	g.policies = tenantpolicy.New(tenantpolicy.Config{
		Store: g.store, RecordKey: []byte(g.cfg.RecordKey), RecordKeyRequired: g.cfg.RecordKeyRequired, Logger: g.log,
	})
	g.queue = queue.New(queue.Config{
		Store: g.store, Policy: g.cfg.Policy, Tenants: g.policies, Retention: g.cfg.Retention, Limits: g.cfg.Quotas,
		RecordKey: []byte(g.cfg.RecordKey), RecordKeyRequired: g.cfg.RecordKeyRequired, Receipts: g.receipts,
		Passkeys: g.passkeys,
		Tracer:   g.tracer, Registerer: g.registry, Logger: g.log,
	})
	g.guard = newGuard(g.cfg.Limits)
	g.quotas = quota.New(quota.Config{Store: g.store, Limits: g.cfg.Quotas, Logger: g.log})
	g.limits, g.surveyor = ratelimit.New(g.store, g.cfg.Limits), g.newSurveyor()
	g.lists, g.largeReads = newTenantReads(readLimit(runtime.GOMAXPROCS(0)), readWait), newTenantReads(maxLargeReads, readWait)
	g.health.Store, g.health.Issuer = g.store, g.probe.status
	measureInstance(g.registry, g.health, g.store)
	g.tickets = customer.NewTickets(customer.TicketConfig{Store: g.store})
	g.hub = g.newHub()
	g.cutOffs = customer.NewCutOffs(customer.CutOffConfig{
		Store: g.store, MaxLifetime: g.cfg.JWTMaxLifetime, Changed: g.hub.VerifyUsers, Logger: g.log,
	})
	return g.newHandler()
}

// keepIssuerKeys keeps the keys of the token issuer in the store.
func (g *Gateway) keepIssuerKeys() {
	g.verifier.KeepKeys(g.store, g.issuerSecret())
	measureIssuerKeys(g.registry, g.verifier)
}

// issuerSecret returns the secret with which kept keys of the token issuer are checked. It prefers
// a key of the operator's own, because a writer of the store can read the key in the store.
func (g *Gateway) issuerSecret() []byte {
	if own := cmp.Or(g.cfg.CodeKey, g.cfg.RecordKey); own != "" {
		return []byte(own)
	}
	return g.store.HashKey()
}

func (g *Gateway) newHub() *realtime.Hub {
	cfg := g.cfg.Sockets
	cfg.Store, cfg.Retention, cfg.Registerer, cfg.Logger = g.store, g.cfg.Retention, g.registry, g.log
	cfg.SocketQuota, cfg.FrameTypes = g.cfg.Quotas.Sockets, handlers.FrameTypes()
	cfg.Problem = func(err error, requestID string) any { return problem.Of(err, requestID) }
	cfg.Hold, cfg.Free, cfg.Unauthenticated, cfg.Called = g.held.HoldFrame, g.held.FreeFrame, g.refused, g.calls.count
	cfg.MaxSockets = cmp.Or(cfg.MaxSockets, g.capacity.sockets)
	cfg.MaxPerTenant = cmp.Or(cfg.MaxPerTenant, g.capacity.tenantSockets)
	cfg.Progress, cfg.ProgressEvery = g.progress, g.cfg.ProgressInterval
	cfg.Handshakes, cfg.Events = realtime.Rate(g.cfg.HandshakeRate), realtime.Rate(g.cfg.EventRate)
	return realtime.New(cfg)
}

// newSurveyor returns a surveyor that works as often as the reconciler, or nil without a reconciler.
func (g *Gateway) newSurveyor() *surveyor {
	if g.cfg.ReconcileInterval == 0 {
		return nil
	}
	s := &surveyor{store: g.store, queue: g.queue, quotas: g.quotas, every: g.cfg.ReconcileInterval, log: g.log}
	g.registry.MustRegister(s)
	return s
}

// progress reads the newest report of a command, for an event.
func (g *Gateway) progress(ctx context.Context, d store.Device, commandID string) (realtime.Progress, error) {
	sessionID, p, err := g.queue.Progress(ctx, d, commandID)
	return realtime.Progress{SessionID: sessionID, ReportedAt: p.ReportedAt, Data: handlers.ProgressData(p)}, err
}

func (g *Gateway) newVerifier() (*customer.Verifier, error) {
	cfg := verifierConfigOf(g.cfg)
	if cfg.JWKSURL != "" && len(cfg.Issuers) == 0 {
		g.log.Warn("accepting tokens of any issuer with these keys, because FIELDGATE_JWT_ISSUER names none")
	}
	if cfg.JWKSURL != "" && len(cfg.HS256Secret) > 0 {
		g.log.Warn("accepting tokens that are signed with FIELDGATE_JWT_SECRET beside those that are signed with the issuer's keys, until you remove it: the issuer cannot revoke it here")
	}
	if len(cfg.PreviousHS256Secrets) > 0 {
		g.log.Warn("accepting tokens that are signed with a secret in FIELDGATE_JWT_SECRET_PREVIOUS, until you remove it")
	}
	if g.cfg.looksLikeKeyID() {
		g.log.Warn("using a JWT secret that has the form of a key id, which every token contains: make sure that it is the secret", "setting", "FIELDGATE_JWT_SECRET")
	}
	if g.cfg.usesPlainHTTP() {
		g.log.Warn("fetching the keys of the token issuer over http: an attacker on the network can sign tokens of any user; use https")
	}
	cfg.Fetched, cfg.VerifiedByPrevious = countKeyFetches(g.registry), countPreviousSecret(g.registry)
	return customer.NewVerifier(cfg)
}

func verifierConfigOf(cfg Config) customer.Config {
	issuers := cfg.Issuers
	if slices.Contains(issuers, IssuerOff) {
		issuers = nil
	}
	return customer.Config{
		JWKSURL: cfg.JWKSURL, APIKey: cfg.SupabaseAnonKey, HS256Secret: []byte(cfg.JWTSecret),
		PreviousHS256Secrets: previousJWTSecrets(cfg),
		Issuers:              issuers, Audience: cfg.Audience, TenantClaim: cfg.TenantClaim, RoleClaim: cfg.RoleClaim,
		NameClaims: cfg.NameClaims, EmailClaim: cfg.EmailClaim,
		PersonalTenants: cfg.PersonalTenants, MaxLifetime: cfg.JWTMaxLifetime, MaxKeyAge: cfg.IssuerKeysMaxAge,
		Logger: cfg.Logger,
	}
}

// newHandler creates the handler of the API and serves it.
func (g *Gateway) newHandler() error {
	server, err := handlers.New(handlers.Config{
		Devices: g.devices, Sessions: g.sessions, Queue: g.queue, Quotas: g.quotas, Health: g.health,
		Hub: g.hub, Tickets: g.tickets, CutOffs: g.cutOffs, Policies: g.policies, Passkeys: g.passkeys, Rosters: g.rosters, Verify: g.verifyToken, LimitTenant: g.limitTenant,
		WrongCode: g.guard.suspect, Tracer: g.tracer, Receipts: g.receipts,
		Approvals: customer.ApprovalRules{Assurance: g.cfg.ApprovalAAL, Clients: g.cfg.AllowedClients},
	})
	if err != nil {
		return fmt.Errorf("preparing the handlers: %w", err)
	}
	handler, err := api.New(api.Config{
		Server: server,
		Authenticators: map[string]api.Authenticator{
			"customerJWT": g.authenticateUser, "deviceSession": g.authenticateDevice,
		},
		Authorize: authorize, RateLimit: g.rateLimit, AdmitRead: g.admitRead, AdmitHandshake: g.hub.AwaitTurn, Confirm: g.confirm,
		Unauthenticated: g.refused, Called: g.calls.count,
		Logger: g.log, LogEvery: g.cfg.LogSample, Tracer: g.tracer, Registerer: g.registry, TrustedProxies: g.cfg.TrustedProxies,
		AllowedOrigins: g.cfg.AllowedOrigins, HSTS: g.cfg.HSTS, Console: g.console(), MaxBodyBytes: maxBodyBytes, Held: g.held,
		BodyTimes: api.BodyTimes{Timeout: g.cfg.BodyTimeout, MinRate: g.cfg.BodyMinRate, Response: responseTime},
	})
	if err != nil {
		return fmt.Errorf("preparing the HTTP edge: %w", err)
	}
	g.handler.set(handler)
	g.assembled.Store(true)
	return nil
}

// responseTime is the time from the end of a body to the end of the response.
const responseTime = longestWait + 30*time.Second

// newServer creates the HTTP server. Its timeouts protect against slow clients, and suit a load
// balancer in front of the gateway: see Config.IdleTimeout. The edge moves the deadlines of a
// connection while a large body arrives.
func (g *Gateway) newServer() *http.Server {
	return &http.Server{
		Handler:           &g.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       g.cfg.BodyTimeout,
		WriteTimeout:      g.cfg.BodyTimeout + responseTime,
		IdleTimeout:       g.cfg.IdleTimeout,
		MaxHeaderBytes:    32 << 10,
		ConnState:         func(c net.Conn, state http.ConnState) { g.listener.track(c, state) },
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// console returns the configuration of the console.
func (g *Gateway) console() api.Console {
	return api.Console{
		SupabaseURL: strings.TrimRight(g.cfg.SupabaseURL, "/"), SupabaseAnonKey: g.cfg.SupabaseAnonKey,
		TokenLinks: g.cfg.Development, PasskeyRelyingParty: relyingPartyOf(g.cfg).ID,
	}
}

// maxBodyBytes limits the size of a request body. A result with 256 KiB of escaped output fits.
const maxBodyBytes = 2 << 20

// Addr returns the address at which the API listens. If the configured port is 0, the address
// has the port that the system has chosen.
func (g *Gateway) Addr() string { return listen.AddrOf(g.listener) }

// MetricsAddr returns the address at which the metrics are served, or "" if they are not
// served.
func (g *Gateway) MetricsAddr() string { return addrOrEmpty(g.metrics) }

// AdminAddr returns the address of the admin listener, or "" if there is none.
func (g *Gateway) AdminAddr() string { return addrOrEmpty(g.admin) }

func addrOrEmpty(l *boundedListener) string {
	if l == nil {
		return ""
	}
	return listen.AddrOf(l)
}

// close closes everything that New has opened.
func (g *Gateway) close() error {
	var errs []error
	for _, listener := range []*boundedListener{g.listener, g.metrics, g.admin} {
		if listener != nil {
			errs = append(errs, listener.Close())
		}
	}
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}
