// Package queue manages the life cycle of commands. A user proposes a command for a
// device. If the policy requires approval, another user approves or rejects the command.
// The device claims it under a lease, extends or releases the lease, and submits a
// result. A user may cancel a command, and a command expires when a deadline passes.
//
// Every transition is one Lua script in lua/, which runs atomically in the store. All
// deadlines are compared with the store's clock, never with the clock of a gateway.
package queue

import (
	"cmp"
	"context"
	"embed"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate/approver"
	approverlua "github.com/fieldgate/fieldgate/approver/lua"
	customerlua "github.com/fieldgate/fieldgate/customer/lua"
	devicelua "github.com/fieldgate/fieldgate/device/lua"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/receipt"
	"github.com/fieldgate/fieldgate/recent"
	"github.com/fieldgate/fieldgate/recordkey"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/tenantpolicy"
	"github.com/fieldgate/fieldgate/tracing"
)

// files holds the scripts.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("queue", files, devicelua.Library, customerlua.Library, approverlua.Library)

var (
	proposeScript = Scripts.Script("lua/propose.lua")
	decideScript  = Scripts.Script("lua/decide.lua")
	cancelScript  = Scripts.Script("lua/cancel.lua")
	claimScript   = Scripts.Script("lua/claim.lua")
	extendScript  = Scripts.Script("lua/extend.lua")
	releaseScript = Scripts.Script("lua/release.lua")
	resultScript  = Scripts.Script("lua/result.lua")
	settleScript  = Scripts.Script("lua/settle.lua")

	progressScript       = Scripts.Script("lua/progress.lua")
	resultConflictScript = Scripts.Script("lua/result_conflict.lua")
	withdrawScript       = Scripts.Script("lua/withdraw.lua")
	reviewGlassScript    = Scripts.Script("lua/review_glass.lua")
	applyPolicyScript    = Scripts.Script("lua/apply_policy.lua")

	setAsideScript  = Scripts.Script("lua/set_aside_command.lua")
	reconcileScript = Scripts.Script("lua/reconcile.lua")
	checkScript     = store.NewCheck(files, "lua/reconcile.lua")
	restoreScript   = Scripts.Script("lua/restore.lua")

	eraseNamesScript       = Scripts.Script("lua/erase_names.lua")
	eraseAnswerNamesScript = Scripts.Script("lua/erase_answer_names.lua")
)

// These are limits of the queue. The API contract documents the first two.
const (
	maxReady      = 100      // maximum number of ready commands of a device, and separately of its pending commands
	maxParameters = 32 << 10 // maximum size of a command's parameters in bytes
	settleLimit   = 100      // maximum number of expired leases that one claim settles
)

// Config configures a Queue. Store is required. Any other zero field means its default.
type Config struct {
	Store *store.Store

	// Policy sets which types of commands need approval at least: it is the floor under the policies of
	// tenants. Default: DefaultPolicy.
	Policy Policy

	// Tenants has the policies of tenants, which may be stricter than Policy. Default: no tenant has one.
	Tenants *tenantpolicy.Policies

	// RecordKey is the secret key that authenticates the records of commands. All instances need
	// the same key. Default: a key that is kept in the store. The MACs are then not required, so
	// that an attacker who can write to the store can remove them and change records unnoticed:
	// they show only damage and careless edits.
	RecordKey []byte

	// RecordKeyRequired refuses a command without a MAC of RecordKey. It has no effect without
	// RecordKey.
	RecordKeyRequired bool

	// Passkeys verifies the passkeys of approvers. Nil refuses every assertion.
	Passkeys *approver.Passkeys

	// Receipts signs the receipts of commands. Nil signs none.
	Receipts *receipt.Signer

	// ApproveWithin is the time within which a command may be approved or rejected. If no
	// user decides by then, the command expires. Default: 24 h.
	ApproveWithin time.Duration

	// DeliverWithin is the time after the proposal within which a command may be claimed. A
	// proposal may set another time. Default: 24 h.
	DeliverWithin time.Duration

	// Retention is the time for which finished commands are kept. Default: 30 days.
	Retention time.Duration

	// PollEvery is the interval at which a waiting claim polls the store even without a
	// wake-up, because a wake-up may be lost. Default: 5 s.
	PollEvery time.Duration

	// MaxWaiting is the maximum number of claims of one device that wait for a command on this
	// instance. Further claims are refused. Default: 2, so that a device can wait again before
	// the gateway notices that the earlier connection is gone.
	MaxWaiting int

	// Limits are the installation's quotas of each tenant for ready commands, commands pending
	// approval, stored bytes and waiting claims. Zero: no limit.
	Limits quota.Amounts

	// Tracer records the delivery of commands whose proposals are traced. Nil records no spans.
	Tracer tracing.Tracer

	// Registerer registers the queue's metrics. Default: the metrics are not registered.
	Registerer prometheus.Registerer

	// Logger logs records that could not be read. Default: slog.Default().
	Logger *slog.Logger
}

// Queue manages the commands of all devices. It is safe for concurrent use.
type Queue struct {
	store   *store.Store
	cfg     Config
	waiters *waiters
	metrics *metrics
	key     recordkey.Key
	located *recent.Map[place] // the places of sessions; see recall
	clock   *storeClock
	log     *slog.Logger

	identities    *recent.Map[identity] // by the id of the device; see identify
	policyVersion string
}

// New returns a queue that keeps its commands in cfg.Store.
func New(cfg Config) *Queue {
	if cfg.Policy == nil {
		cfg.Policy = DefaultPolicy
	}
	cfg.ApproveWithin = cmp.Or(cfg.ApproveWithin, 24*time.Hour)
	cfg.DeliverWithin = cmp.Or(cfg.DeliverWithin, 24*time.Hour)
	cfg.Retention = cmp.Or(cfg.Retention, store.DefaultRetention)
	cfg.PollEvery = cmp.Or(cfg.PollEvery, 5*time.Second)
	cfg.MaxWaiting = cmp.Or(cfg.MaxWaiting, 2)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Queue{
		store: cfg.Store, cfg: cfg, log: cfg.Logger, key: recordkey.New(recordKind, cfg.RecordKey, cfg.RecordKeyRequired, cfg.Store.HashKey()),
		waiters: newWaiters(cfg.MaxWaiting), metrics: newMetrics(cfg.Registerer), located: newLocated(), clock: new(storeClock),
		identities: newIdentities(), policyVersion: cfg.Policy.Version(),
	}
}

// HandleWake wakes claims that wait on this instance. The process must call HandleWake with
// every wake-up that the store sends. A zero Wake means that wake-ups may have been lost, so
// HandleWake wakes one claim of every device. If a login has ended, HandleWake wakes all claims
// of the device. claim.lua then refuses the claims that use that login.
func (q *Queue) HandleWake(w store.Wake) {
	switch {
	case w == store.Wake{}:
		q.clock.forget() // another server may have taken over
		q.waiters.wakeAll()
	case w.LoginEnded:
		q.waiters.wakeDevice(w.DeviceID)
	case w.Ready:
		q.waiters.wake(w.DeviceID)
	}
}

// Drain ends the wait of all claims, which then return no command. Later claims do not wait.
// A process calls Drain at shutdown, so that no device waits for a gateway that is closing.
func (q *Queue) Drain() { q.waiters.close() }

// noteQuarantined logs and counts the commands that a script moved to the quarantine
// because it could not read their records. The ids are separated by spaces.
func (q *Queue) noteQuarantined(ctx context.Context, ids string) {
	for id := range strings.FieldsSeq(ids) {
		q.metrics.quarantined.Inc()
		q.log.ErrorContext(ctx, "quarantined a command whose record cannot be read", "command", id)
	}
}
