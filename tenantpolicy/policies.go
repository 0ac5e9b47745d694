// Package tenantpolicy keeps the policies of tenants in the store: the version that applies, those
// before it, and a change that waits for another admin. Each instance has compiled copies of those that
// it uses. A change reaches them by a wake-up, or within MaxAge if it is lost.
package tenantpolicy

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	customerlua "github.com/fieldgate/fieldgate/customer/lua"
	"github.com/fieldgate/fieldgate/policy"
	"github.com/fieldgate/fieldgate/recent"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
)

// files holds the scripts.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("tenantpolicy", files, customerlua.Library)

var (
	saveScript   = Scripts.Script("lua/save_policy.lua")
	decideScript = Scripts.Script("lua/decide_policy.lua")
)

// Config configures Policies. Store is required.
type Config struct {
	// Store keeps the policies for all instances.
	Store *store.Store

	// RecordKey is the secret key that authenticates the policies. All instances need the same key.
	// Default: a key that is kept in the store. It then finds only damage and careless edits.
	RecordKey []byte

	// RecordKeyRequired refuses a policy without a MAC of RecordKey. It has no effect without RecordKey.
	RecordKeyRequired bool

	// MaxAge is the maximum age of what an instance knows about the version of a tenant's policy. An
	// older view is read again first. Default: 1 s.
	MaxAge time.Duration

	// Now returns the current time, by which MaxAge is measured. Default: time.Now.
	Now func() time.Time

	// Logger logs policies that cannot be used. Default: slog.Default().
	Logger *slog.Logger
}

// Policies keeps the policies of all tenants. It is safe for concurrent use.
type Policies struct {
	store *store.Store
	cfg   Config
	key   recordkey.Key
	known *recent.Map[*copyOf] // by tenant
	lost  atomic.Int64         // number of times at which wake-ups may have been lost
}

// These bound the compiled copies of an instance. A document of the maximum size takes about 20 ms to
// compile.
const (
	knownPolicies = 10_000
	knownTurn     = time.Hour
)

// New returns Policies with the given configuration.
func New(cfg Config) *Policies {
	cfg.MaxAge = cmp.Or(cfg.MaxAge, time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Policies{
		store: cfg.Store, cfg: cfg, key: recordkey.New(recordKind, cfg.RecordKey, cfg.RecordKeyRequired, cfg.Store.HashKey()),
		known: recent.New[*copyOf](recent.Config{Entries: knownPolicies, Turn: knownTurn}),
	}
}

// View is the policy of a tenant as an instance knows it. The zero View is that of a tenant without a
// policy.
type View struct {
	Number   int64
	compiled *policy.Policy
}

// Judge returns what the policy requires of a command. It requires nothing without a policy.
func (v View) Judge(f policy.Facts) policy.Outcome {
	if v.compiled == nil {
		return policy.Outcome{Effect: policy.Auto}
	}
	return v.compiled.Judge(f)
}

// Explain returns the outcome of Judge, and why it is the outcome.
func (v View) Explain(f policy.Facts) (policy.Outcome, string) {
	if v.compiled == nil {
		return v.Judge(f), "The tenant has no policy of its own."
	}
	return v.compiled.Explain(f)
}

// copyOf is the copy of a tenant's policy on this instance.
type copyOf struct {
	turn   chan struct{} // has a value while a caller reads the store
	seen   atomic.Pointer[seen]
	failed atomic.Pointer[failure] // the latest read that failed; nil if there is none
	wakes  atomic.Int64            // number of wake-ups of the tenant
}

// failure is the error of a read. Its address tells it from others.
type failure struct{ error }

// seen is a View and what was known when the read began.
type seen struct {
	View
	readAt      time.Time
	wakes, lost int64
}

// Of returns the policy of a tenant. It calls the store if the copy is older than MaxAge, or if the
// policy may have changed. The error is store_unavailable if the policy cannot be read: an instance that
// does not know it lets no command run. Callers that wait for a read get its error, so that none of them
// waits for a second timeout of the store.
func (p *Policies) Of(ctx context.Context, tenant string) (View, error) {
	c := p.copyOf(tenant)
	if known := c.seen.Load(); p.isCurrent(c, known) {
		return known.View, nil
	}
	before := c.failed.Load()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return View{}, fmt.Errorf("waiting for the policy of a tenant: %w", ctx.Err())
	}
	defer func() { <-c.turn }()
	if failed := c.failed.Load(); failed != before {
		return View{}, failed.error
	}
	known := c.seen.Load()
	if p.isCurrent(c, known) {
		return known.View, nil
	}
	view, err := p.renew(ctx, tenant, c, known)
	if err != nil && ctx.Err() == nil {
		c.failed.Store(&failure{err})
	}
	return view, err
}

// copyOf returns the copy of a tenant's policy, which is empty at first.
func (p *Policies) copyOf(tenant string) *copyOf {
	if c, found := p.known.Get(tenant); found {
		return c
	}
	c := &copyOf{turn: make(chan struct{}, 1)}
	p.known.Add(tenant, tenant, c)
	return c
}

func (p *Policies) isCurrent(c *copyOf, known *seen) bool {
	return known != nil && known.wakes == c.wakes.Load() && known.lost == p.lost.Load() && p.cfg.Now().Sub(known.readAt) < p.cfg.MaxAge
}

// renew reads the policy of a tenant. It reads the document only if the version has changed.
func (p *Policies) renew(ctx context.Context, tenant string, c *copyOf, known *seen) (View, error) {
	next := seen{readAt: p.cfg.Now(), wakes: c.wakes.Load(), lost: p.lost.Load()}
	fields, err := p.read(ctx, tenant, "version")
	if err != nil {
		return View{}, err
	}
	if known != nil && fields.String(0) == encodeNumber(known.Number) {
		next.View = known.View
	} else if next.View, err = p.load(ctx, tenant); err != nil {
		return View{}, err
	}
	if known != nil && next.Number < known.Number {
		p.cfg.Logger.ErrorContext(ctx, "found an earlier version of a policy than before: the tenant was erased, a backup was restored, or the store was changed",
			"tenant", tenant, "version", next.Number, "before", known.Number)
	}
	c.seen.Store(&next)
	return next.View, nil
}

// load reads and compiles the policy of a tenant.
func (p *Policies) load(ctx context.Context, tenant string) (View, error) {
	fields, err := p.read(ctx, tenant, "record", "version")
	if err != nil || fields.String(0) == "" && fields.String(1) == "" {
		return View{}, err
	}
	current, err := p.decode(tenant, stateCurrent, fields.String(0))
	if err != nil {
		p.cfg.Logger.ErrorContext(ctx, "refused a policy that is not the one that was saved", "tenant", tenant, "error", err)
		return View{}, err
	}
	compiled, err := current.Document.Compile()
	if err != nil {
		p.cfg.Logger.ErrorContext(ctx, "refused a policy that this version cannot apply", "tenant", tenant, "error", err)
		return View{}, fmt.Errorf("compiling the policy of a tenant: %w", err)
	}
	return View{Number: current.Number, compiled: compiled}, nil
}

// Expire expires what is known of the policy of a tenant, so that the next call of Of reads it.
func (p *Policies) Expire(tenant string) { p.copyOf(tenant).wakes.Add(1) }

// HandleWake handles a wake-up from the store. The process must call it with every wake-up. The zero
// Wake means that wake-ups may have been lost. HandleWake does not block.
func (p *Policies) HandleWake(w store.Wake) {
	if w == (store.Wake{}) {
		p.lost.Add(1)
	} else if w.PolicyChanged {
		p.Expire(w.Tenant)
	}
}
