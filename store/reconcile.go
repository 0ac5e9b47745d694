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

// patrolKey is where the round past all devices has come to. All instances go on
// from there, so that many are as fast as their number.
const patrolKey = "fg:patrol"

// tenantsAtOnce is how many tenants of each partition one reading asks for.
const tenantsAtOnce = 50

// ReconcileConfig says how the round past all devices is made.
type ReconcileConfig struct {
	// Every is how long to wait between two passes. Default: 10 s.
	Every time.Duration

	// BatchSize is how many devices a pass looks at. Default: 500.
	BatchSize int

	// Tenant, if set, looks at what a tenant has that is not of one device.
	Tenant func(ctx context.Context, tenant string) error

	// Device looks at a device. It tells as how many devices more that counts, where
	// there was much to look at.
	Device func(ctx context.Context, d Device) (more int, err error)
}

// Reconcile makes its rounds until the context ends, on every instance. A failure is
// logged and keeps it from nothing else.
func (s *Store) Reconcile(ctx context.Context, p ReconcileConfig) {
	if p.Every == 0 {
		p.Every = DefaultReconcileInterval
	}
	for ctx.Err() == nil {
		Sleep(ctx, p.Every/2+rand.N(p.Every))
		if _, err := s.ReconcileOnce(ctx, p); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "reconciling what the store holds", "error", err)
		}
	}
}

// ReconcileOnce goes on from where the last pass ended. It tells whether that was the
// end of the round: the next pass begins anew. It walks the partitions' indexes of
// tenants, and each tenant's index of devices: one reading for all partitions, one
// for each tenant, and what the devices themselves cost.
func (s *Store) ReconcileOnce(ctx context.Context, p ReconcileConfig) (done bool, err error) {
	at, err := s.post(ctx)
	if err != nil {
		return false, fmt.Errorf("reading where the round has come to: %w", err)
	}
	pass := &pass{store: s, ReconcileConfig: p, at: at, left: p.BatchSize}
	if pass.left == 0 {
		pass.left = 500
	}
	failed := pass.run(ctx)
	return pass.at == post{}, errors.Join(failed, s.leavePost(ctx, pass.at))
}

// post is a place on the round: behind a device of a tenant of a partition.
type post struct {
	partition Partition
	tenant    string
	device    string
}

func (s *Store) post(ctx context.Context) (post, error) {
	var text string
	err := s.Do(ctx, "patrol_from", func(ctx context.Context, c Client) (err error) {
		text, err = c.Get(ctx, patrolKey).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return post{}, nil
	}
	return parsePost(text), err
}

// parsePost reads what leavePost wrote; anything else is the beginning of a round.
func parsePost(text string) post {
	f := strings.Split(text, " ")
	p, ok := parsePartition(f[0])
	if !ok || len(f) != 3 {
		return post{}
	}
	return post{p, f[1], f[2]}
}

func (s *Store) leavePost(ctx context.Context, at post) error {
	return s.Do(ctx, "patrol_to", func(ctx context.Context, c Client) error {
		if at == (post{}) {
			return c.Del(ctx, patrolKey).Err()
		}
		return c.Set(ctx, patrolKey, strings.Join([]string{at.partition.String(), at.tenant, at.device}, " "), 0).Err()
	})
}

// pass is a part of a round.
type pass struct {
	ReconcileConfig
	store *Store
	at    post
	left  int // devices that may be looked at yet
}

// run goes on until it has looked at enough, or the round is over.
func (p *pass) run(ctx context.Context) (failed error) {
	if p.at.device != "" {
		failed = p.devices(ctx)
	}
	for p.left > 0 && ctx.Err() == nil {
		next, err := p.tenants(ctx)
		if err != nil {
			return errors.Join(failed, err)
		}
		if len(next) == 0 {
			p.at = post{}
			break
		}
		for _, at := range next {
			if p.left <= 0 {
				break
			}
			p.at = at
			failed = errors.Join(failed, p.tenant(ctx))
		}
	}
	return failed
}

func (p *pass) tenant(ctx context.Context) (failed error) {
	if p.Tenant != nil {
		failed = p.Tenant(ctx, p.at.tenant)
	}
	failed = errors.Join(failed, p.devices(ctx))
	p.left-- // a tenant without devices costs something, too
	return failed
}

// devices looks at the tenant's devices from where it stands. It stands behind the
// tenant afterwards, or behind the last device that it may look at.
func (p *pass) devices(ctx context.Context) (failed error) {
	listing := Listing{Key: Tenant(p.at.tenant).DevicesKey()}
	for p.left > 0 {
		page := Page{Limit: min(p.left, 100)}
		if p.at.device != "" {
			page.Cursor = CursorAfter(p.at.device)
		}
		ids, err := p.store.Members(ctx, listing, page)
		if err != nil {
			return errors.Join(failed, err)
		}
		page.Limit = min(len(ids), page.Limit)
		looked, err := p.some(ctx, ids[:page.Limit])
		failed = errors.Join(failed, err)
		if looked == len(ids) {
			p.at.device = ""
			return failed
		}
	}
	return failed
}

// some looks at devices of the tenant until it has looked at enough. It tells at
// how many.
func (p *pass) some(ctx context.Context, ids []string) (looked int, failed error) {
	for _, id := range ids {
		if p.left <= 0 {
			break
		}
		more, err := p.Device(ctx, Device{Tenant: p.at.tenant, ID: id})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("device %s: %w", id, err))
		}
		p.at.device = id
		p.left -= 1 + more
		looked++
	}
	return looked, failed
}

// tenants reads those that come next, a few of each partition.
func (p *pass) tenants(ctx context.Context) (next []post, err error) {
	pages := make([]*redis.StringSliceCmd, Partitions)
	err = p.store.Do(ctx, "patrol_tenants", func(ctx context.Context, c Client) error {
		pipe := c.Pipeline()
		for i := int(p.at.partition); i < Partitions; i++ {
			from := "-"
			if i == int(p.at.partition) && p.at.tenant != "" {
				from = "(" + p.at.tenant
			}
			pages[i] = pipe.ZRangeArgs(ctx, redis.ZRangeArgs{
				Key: Partition(i).TenantsKey(), Start: from, Stop: "+", ByLex: true, Count: tenantsAtOnce,
			})
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	for i := int(p.at.partition); i < Partitions && err == nil; i++ {
		for _, tenant := range pages[i].Val() {
			next = append(next, post{partition: Partition(i), tenant: tenant})
		}
		if len(pages[i].Val()) == tenantsAtOnce {
			break // there may be more of this one before the next
		}
	}
	return next, err
}
