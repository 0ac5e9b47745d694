package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// cursorKey is the key of the cursor of the current round. All instances share the
// cursor, so a round takes less time when there are more instances.
const cursorKey = "fg:patrol"

// roundPause is the number of intervals that Reconcile waits after the end of a round. A round
// reads the index of tenants in every partition, even if there are only a few devices to check.
const roundPause = 3

// tenantsPerRead is the maximum number of tenants that one read returns for each
// partition.
const tenantsPerRead = 50

// ReconcileConfig configures the reconciler. The reconciler works in rounds: a round
// checks every tenant and device once. A round consists of batches, and a cursor in Redis
// marks the end of the last batch.
type ReconcileConfig struct {
	// Every is the interval between two batches. Default: DefaultReconcileInterval.
	Every time.Duration

	// BatchSize is the number of devices in a batch. Default: DefaultReconcileDevices.
	BatchSize int

	// Retention, if set, is recorded before each batch: see RecordRetention.
	Retention time.Duration

	// Begin, if set, is called at the beginning of each round, before its first batch.
	Begin func(ctx context.Context) error

	// Tenant, if set, checks the records of a tenant that belong to no device.
	Tenant func(ctx context.Context, tenant string) error

	// Batch, if set, is called after each batch with its error and the last complete round of all
	// instances.
	Batch func(last Round, err error)

	// Device checks the records of a device. A device counts as 1+extra devices towards
	// BatchSize. The extra is above zero for a device with many records.
	Device func(ctx context.Context, d Device) (extra int, err error)
}

// Reconcile runs one batch every cfg.Every until the context ends. After the end of a round it
// waits three times as long. Every instance runs it. A failed check is logged and does not stop
// the others.
func (s *Store) Reconcile(ctx context.Context, cfg ReconcileConfig) {
	if cfg.Every == 0 {
		cfg.Every = DefaultReconcileInterval
	}
	for wait := cfg.Every; ctx.Err() == nil; {
		Sleep(ctx, wait/2+rand.N(wait))
		if s.paused.Load() {
			continue
		}
		done, err := s.ReconcileOnce(ctx, cfg)
		if cfg.Batch != nil {
			_, last, failed := s.readRound(ctx)
			cfg.Batch(last, errors.Join(err, failed))
		}
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "reconciling failed", "error", err)
		}
		if wait = cfg.Every; done {
			wait *= roundPause
		}
	}
}

// ReconcileOnce runs the next batch. It reports whether the batch was the last one of its
// round. The next batch then begins a new round.
//
// It reads the index of tenants in each partition and the index of devices of each
// tenant. That costs one read for all partitions and one for each tenant, in addition to
// the checks.
func (s *Store) ReconcileOnce(ctx context.Context, cfg ReconcileConfig) (done bool, err error) {
	from, err := s.loadCursor(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the reconciler's cursor: %w", err)
	}
	if from == (cursor{}) {
		err = s.beginRound(ctx)
		if cfg.Begin != nil {
			err = errors.Join(err, cfg.Begin(ctx))
		}
	}
	if cfg.Retention > 0 {
		s.RecordRetention(ctx, cfg.Retention)
	}
	b := &batch{store: s, ReconcileConfig: cfg, cursor: from, left: cfg.BatchSize}
	if b.left == 0 {
		b.left = DefaultReconcileDevices
	}
	err = errors.Join(err, b.run(ctx), s.saveCursor(ctx, b.cursor))
	if b.ended {
		err = errors.Join(err, s.endRound(ctx))
	}
	return b.ended, err
}

// cursor is the position of the last check in a round: after a device of a tenant, or
// after the whole tenant if device is empty. The zero cursor is the beginning of a round.
type cursor struct {
	partition Partition
	tenant    string
	device    string
}

func (s *Store) loadCursor(ctx context.Context) (cursor, error) {
	var text string
	err := s.Do(ctx, "patrol_from", func(ctx context.Context, c Client) (err error) {
		text, err = c.Get(ctx, cursorKey).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return cursor{}, nil
	}
	return parseCursor(text), err
}

// parseCursor parses the text that saveCursor writes. It returns the zero cursor
// for any other text.
func parseCursor(text string) cursor {
	f := strings.Split(text, " ")
	p, ok := parsePartition(f[0])
	if !ok || len(f) != 3 {
		return cursor{}
	}
	return cursor{p, f[1], f[2]}
}

func (s *Store) saveCursor(ctx context.Context, to cursor) error {
	return s.Do(ctx, "patrol_to", func(ctx context.Context, c Client) error {
		if to == (cursor{}) {
			return c.Del(ctx, cursorKey).Err()
		}
		return c.Set(ctx, cursorKey, strings.Join([]string{to.partition.String(), to.tenant, to.device}, " "), 0).Err()
	})
}

// batch is the state of a running batch.
type batch struct {
	ReconcileConfig
	store  *Store
	cursor cursor
	left   int  // number of devices that the batch may still check
	ended  bool // the batch was the last one of its round
}

// run checks tenants and devices until the batch is full or the round has ended.
func (b *batch) run(ctx context.Context) (failed error) {
	if b.cursor.device != "" {
		failed = b.checkDevices(ctx)
	}
	for b.left > 0 && ctx.Err() == nil {
		next, last, err := b.readTenants(ctx)
		if err != nil {
			return errors.Join(failed, err)
		}
		for len(next) > 0 && b.left > 0 {
			b.cursor, next = next[0], next[1:]
			failed = errors.Join(failed, b.checkTenant(ctx))
		}
		complete := b.left > 0 || b.cursor.device == "" // otherwise the last tenant has more devices
		if last && len(next) == 0 && complete {
			b.cursor, b.ended = cursor{}, true
			break
		}
	}
	return failed
}

// checkTenant checks the tenant at the cursor and its devices.
func (b *batch) checkTenant(ctx context.Context) (failed error) {
	if b.Tenant != nil {
		failed = b.Tenant(ctx, b.cursor.tenant)
	}
	failed = errors.Join(failed, b.checkDevices(ctx))
	b.left-- // the tenant counts as one device, so that a batch of empty tenants ends too
	return failed
}

// checkDevices checks the tenant's devices, beginning after the cursor. It moves the
// cursor to the last device that fits into the batch, or to the end of the tenant's index.
func (b *batch) checkDevices(ctx context.Context) (failed error) {
	listing := Listing{Key: Tenant(b.cursor.tenant).DevicesKey()}
	for b.left > 0 {
		page := Page{Limit: min(b.left, 100)}
		if b.cursor.device != "" {
			page.Cursor = CursorAfter(b.cursor.device)
		}
		ids, err := b.store.Members(ctx, listing, page)
		if err != nil {
			return errors.Join(failed, err)
		}
		checked, err := b.checkPage(ctx, ids[:min(len(ids), page.Limit)])
		failed = errors.Join(failed, err)
		if checked == len(ids) {
			b.cursor.device = ""
			return failed
		}
	}
	return failed
}

// checkPage checks the devices in ids until the batch is full. It returns how many
// devices it has checked.
func (b *batch) checkPage(ctx context.Context, ids []string) (checked int, failed error) {
	for _, id := range ids {
		if b.left <= 0 {
			break
		}
		extra, err := b.Device(ctx, Device{Tenant: b.cursor.tenant, ID: id})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("device %s: %w", id, err))
		}
		b.cursor.device = id
		b.left -= 1 + extra
		checked++
	}
	return checked, failed
}

// readTenants reads the tenants after the cursor, at most tenantsPerRead for each
// partition. It reports whether no tenants follow them in this round.
func (b *batch) readTenants(ctx context.Context) (next []cursor, last bool, err error) {
	pages := make([]*redis.StringSliceCmd, Partitions)
	err = b.store.Do(ctx, "patrol_tenants", func(ctx context.Context, c Client) error {
		pipe := c.Pipeline()
		for i := int(b.cursor.partition); i < Partitions; i++ {
			from := "-"
			if i == int(b.cursor.partition) && b.cursor.tenant != "" {
				from = "(" + b.cursor.tenant
			}
			pages[i] = pipe.ZRangeArgs(ctx, redis.ZRangeArgs{
				Key: Partition(i).TenantsKey(), Start: from, Stop: "+", ByLex: true, Count: tenantsPerRead,
			})
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	for i := int(b.cursor.partition); i < Partitions && err == nil; i++ {
		for _, tenant := range pages[i].Val() {
			next = append(next, cursor{partition: Partition(i), tenant: tenant})
		}
		if len(pages[i].Val()) == tenantsPerRead {
			return next, false, nil // this partition may have more tenants, which come before those of the next partition
		}
	}
	return next, true, err
}
