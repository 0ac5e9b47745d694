// Package queue is the life of a command: proposed, decided by a person where
// that is asked for, claimed by its device under a lease, extended, released,
// answered, cancelled, expired. Every transition is one script in lua/, and the
// store's clock is the only one that decides.
package queue

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var (
	proposeScript = store.NewScript(files, "lua/propose.lua")
	decideScript  = store.NewScript(files, "lua/decide.lua")
	cancelScript  = store.NewScript(files, "lua/cancel.lua")
	claimScript   = store.NewScript(files, "lua/claim.lua")
	extendScript  = store.NewScript(files, "lua/extend.lua")
	releaseScript = store.NewScript(files, "lua/release.lua")
	resultScript  = store.NewScript(files, "lua/result.lua")
	settleScript  = store.NewScript(files, "lua/settle.lua")

	reconcileScript = store.NewScript(files, "lua/reconcile.lua")
)

// Bounds that the contract names.
const (
	maxReady      = 100      // commands that a device's line may hold
	maxParameters = 32 << 10 // bytes of a command's parameters
	settleAtOnce  = 100      // leases that one claim settles
)

// Config says how commands live.
type Config struct {
	Store *store.Store

	// Policy decides which types wait for a person. Default: DefaultPolicy.
	Policy Policy

	// ApproveWithin is how long a command waits for a person. Default: 24 h.
	ApproveWithin time.Duration

	// DeliverWithin is how long a command waits for its device, from the
	// proposal, unless the proposal says otherwise. Default: 24 h.
	DeliverWithin time.Duration

	// Retention is how long finished commands are kept. Default: 30 days.
	Retention time.Duration

	// PollEvery is how often a waiting claim looks by itself, in case that a
	// wake-up was lost. Default: 5 s.
	PollEvery time.Duration

	// Registerer takes the queue's metrics. Default: none are kept.
	Registerer prometheus.Registerer

	// Logger is told of records that were set aside. Default: slog.Default().
	Logger *slog.Logger
}

// Queue holds the commands of all devices. It is safe for concurrent use.
type Queue struct {
	store   *store.Store
	cfg     Config
	waiters *waiters
	metrics *metrics
	log     *slog.Logger
}

// New makes a queue over a store.
func New(cfg Config) *Queue {
	if cfg.Policy == nil {
		cfg.Policy = DefaultPolicy
	}
	setDefault(&cfg.ApproveWithin, 24*time.Hour)
	setDefault(&cfg.DeliverWithin, 24*time.Hour)
	setDefault(&cfg.Retention, store.DefaultRetention)
	setDefault(&cfg.PollEvery, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Queue{
		store: cfg.Store, cfg: cfg, log: cfg.Logger,
		waiters: newWaiters(), metrics: newMetrics(cfg.Registerer),
	}
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// HandleWake is told of every wake-up of the store, and wakes the claims that wait. A
// zero wake-up says that some may have been lost: everybody looks.
func (q *Queue) HandleWake(w store.Wake) {
	switch {
	case w == store.Wake{}:
		q.waiters.wakeAll()
	case w.Ready:
		q.waiters.wake(w.DeviceID)
	}
}

// Drain sends the claims that wait home with nothing, now and from now on, so
// that a process that ends keeps no device waiting.
func (q *Queue) Drain() { q.waiters.close() }

// scope says on whose behalf a transition is made.
func (q *Queue) scope(d store.Device, actor, requestID string) store.Scope {
	return store.Scope{Device: d, Actor: actor, RequestID: requestID, Retention: q.cfg.Retention}
}

// setAside says which records could not be worked with, by their ids as a script
// answers them. They are in the quarantine.
func (q *Queue) setAside(ctx context.Context, ids string) {
	for id := range strings.FieldsSeq(ids) {
		q.metrics.quarantined.Inc()
		q.log.ErrorContext(ctx, "a command that cannot be worked with was set aside", "command", id)
	}
}

// locate finds the device of a session. Another tenant's session is not found.
func (q *Queue) locate(ctx context.Context, tenant, sessionID string) (store.Device, error) {
	if !store.OwnsID(tenant, store.KindSession, sessionID) {
		return store.Device{}, errSessionNotFound
	}
	var found []any
	err := q.store.Do(ctx, "locate_session", func(ctx context.Context, c store.Client) (err error) {
		found, err = c.HMGet(ctx, store.SessionKey(sessionID), "tenant", "device").Result()
		return err
	})
	if err != nil {
		return store.Device{}, fmt.Errorf("finding the session: %w", err)
	}
	owner, _ := found[0].(string)
	device, _ := found[1].(string)
	if owner != tenant || device == "" {
		return store.Device{}, errSessionNotFound
	}
	return store.Device{Tenant: tenant, ID: device}, nil
}

var errSessionNotFound = fieldgate.Refuse(fieldgate.CodeSessionNotFound, "There is no such session.")
