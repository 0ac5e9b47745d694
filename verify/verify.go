// Package verify checks the invariants over a whole store, without changing it. It runs the checks
// of the packages that define the invariants, on every record that the store has. The gateway may
// serve meanwhile.
package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// maxListed is the maximum number of violations that a Report lists. All are counted.
const maxListed = 1000

// progressEvery is the minimum interval between two calls of Config.Progress.
const progressEvery = 3 * time.Second

// Config configures a run. Store is required.
type Config struct {
	Store *store.Store

	// Tenant is the tenant whose records are checked. If empty, all records are checked.
	Tenant string

	// Retention is the one of the gateway. A record that ended under another one is no violation.
	// Default: store.DefaultRetention.
	Retention time.Duration

	// Progress, if set, is called every few seconds and at the end, with the number of keys that
	// were visited and the number of keys that the store had at the beginning.
	Progress func(seen, total int64)
}

// Report is the result of a run.
type Report struct {
	Keys       int64 `json:"keys"` // number of keys that were visited, including those of other programs
	Tenants    int   `json:"tenants"`
	Devices    int   `json:"devices"`
	Sessions   int   `json:"sessions"`
	Commands   int   `json:"commands"`
	Quarantine int   `json:"quarantine"` // entries of the quarantines, which are no violations

	// Violations is the number of violations of each invariant that was checked.
	Violations map[store.Invariant]int `json:"violations"`

	// Listed are the first violations.
	Listed []Violation `json:"listed"`

	// Partial is true if the run ended with an error before it had checked everything.
	Partial bool `json:"partial,omitempty"`
}

// Violation is a violation as a report lists it.
type Violation struct {
	Invariant store.Invariant `json:"invariant"`
	Damage    string          `json:"damage"`
	ID        string          `json:"id"`
	Device    string          `json:"device,omitempty"`
}

// Found returns the number of all violations.
func (r Report) Found() (n int) {
	for _, count := range r.Violations {
		n += count
	}
	return n
}

// Invariants returns the invariants that a snapshot of the store can violate. The others are
// about transitions: no record shows afterwards which token wrote it.
func Invariants() []store.Invariant {
	return []store.Invariant{
		store.NothingLost, store.NothingForgotten, queue.NoDoubleLease, queue.NoUnapprovedClaim, queue.ApprovedIsWhatRuns, queue.FinishedIsFinal,
		queue.AttemptsBounded, queue.ExecutionCapped, queue.FIFOWithinPriority, queue.CancelIsHeard, queue.EverythingIsTold,
		session.OneSession, device.IsListed, quota.CountsMatch,
	}
}

// run is the state of a run.
type run struct {
	cfg      Config
	devices  *device.Registry
	sessions *session.Service
	queue    *queue.Queue
	quotas   *quota.Service
	tenants  map[string]bool
	indexes  map[index]bool
	report   Report
	total    int64
	told     time.Time // time of the last call of Config.Progress
}

// index names an index of a tenant's devices, as store.Tenant.DevicesByKey does.
type index struct{ tenant, property, value string }

// Run checks the store. It returns an error only if the store could not be read, with the report of
// what it has checked until then. It costs one
// scan of all keys, and about three round trips for each device and one for each session and for
// each 50 commands.
func Run(ctx context.Context, cfg Config) (Report, error) {
	r := newRun(cfg)
	err := r.checkAll(ctx)
	r.report.Tenants, r.report.Partial = len(r.tenants), err != nil
	return r.report, err
}

func (r *run) checkAll(ctx context.Context) (err error) {
	if r.total, err = r.cfg.Store.Size(ctx); err != nil {
		return err
	}
	if err := r.cfg.Store.Scan(ctx, r.visit); err != nil {
		return err
	}
	r.tell()
	return errors.Join(r.checkTenants(ctx), r.checkPartitions(ctx))
}

func newRun(cfg Config) *run {
	log := slogDiscard()
	r := &run{
		cfg: cfg, tenants: map[string]bool{}, indexes: map[index]bool{},
		devices:  device.New(device.Config{Store: cfg.Store, Retention: cfg.Retention, Logger: log}),
		sessions: session.New(session.Config{Store: cfg.Store, Retention: cfg.Retention, Logger: log}),
		queue:    queue.New(queue.Config{Store: cfg.Store, Retention: cfg.Retention, Logger: log}),
		quotas:   quota.New(quota.Config{Store: cfg.Store, Logger: log}),
		report:   Report{Violations: map[store.Invariant]int{}, Listed: []Violation{}},
		told:     time.Now(),
	}
	for _, invariant := range Invariants() {
		r.report.Violations[invariant] = 0
	}
	return r
}

// twice runs a check, and runs it once more if it has found something. It adds the violations
// that both have found: a record that changed during the first check is fine in the second.
func (r *run) twice(check func() ([]store.Violation, error)) error {
	first, err := check()
	if err != nil || len(first) == 0 {
		return err
	}
	second, err := check()
	if err != nil {
		return err
	}
	for _, v := range second {
		if slices.Contains(first, v) {
			r.add(v)
		}
	}
	return nil
}

// twiceOrRetry is twice, and tries again while the store does not reply in time. A check that has
// failed has added nothing.
func (r *run) twiceOrRetry(ctx context.Context, check func() ([]store.Violation, error)) error {
	return store.Retry(ctx, func() error { return r.twice(check) })
}

// add counts a violation, and lists it if there is room.
func (r *run) add(v store.Violation) {
	r.report.Violations[v.Invariant]++
	if len(r.report.Listed) < maxListed {
		r.report.Listed = append(r.report.Listed, Violation(v))
	}
}

// checkTenants checks what belongs to no single device.
func (r *run) checkTenants(ctx context.Context) error {
	for _, tenant := range slices.Sorted(maps.Keys(r.tenants)) {
		inbox := func() ([]store.Violation, error) { return r.queue.CheckInbox(ctx, tenant) }
		counts := func() ([]store.Violation, error) { return r.quotas.CheckTenant(ctx, tenant) }
		if err := errors.Join(r.twiceOrRetry(ctx, inbox), r.twiceOrRetry(ctx, counts)); err != nil {
			return fmt.Errorf("tenant %s: %w", tenant, err)
		}
	}
	for i := range r.indexes {
		members := func() ([]store.Violation, error) { return r.devices.CheckIndex(ctx, i.tenant, i.property, i.value) }
		if err := r.twiceOrRetry(ctx, members); err != nil {
			return fmt.Errorf("tenant %s: %w", i.tenant, err)
		}
	}
	return nil
}

// checkPartitions checks the due indexes.
func (r *run) checkPartitions(ctx context.Context) error {
	for p := range store.Partitions {
		partition := store.Partition(p)
		if r.cfg.Tenant != "" && partition != store.PartitionOf(r.cfg.Tenant) {
			continue
		}
		due := func() ([]store.Violation, error) { return r.cfg.Store.CheckDue(ctx, partition, r.cfg.Tenant) }
		if err := r.twiceOrRetry(ctx, due); err != nil {
			return err
		}
	}
	return nil
}
