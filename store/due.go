package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// These bound the sweeper. dueBatch is the number of members per partition and sweep. The
// interval between two sweeps is sweepEvery, and grows to maxSweepEvery while every
// partition fails. Failures are logged at most once per maxSweepEvery.
const (
	dueBatch      = 100
	sweepEvery    = 400 * time.Millisecond
	maxSweepEvery = 3 * time.Second
)

// Due is a member of the due index whose time has passed.
type Due struct {
	Kind   string // "command", "session" or "presence"
	ID     string
	Device Device
}

// parseDue parses a member of the due index of p, as due_member of lua/due.lua builds
// it. It returns false for a member that belongs to another partition: settling it
// would never remove it from this index.
func parseDue(p Partition, member string) (Due, bool) {
	f := strings.SplitN(member, " ", 4)
	if len(f) != 4 {
		return Due{}, false
	}
	d := Due{Kind: f[0], ID: f[1], Device: Device{ID: f[2], Tenant: f[3]}}
	return d, PartitionOf(d.Device.Tenant) == p && OwnsID(d.Device.Tenant, KindDevice, d.Device.ID)
}

// member returns the text of d in the due index, which parseDue parses.
func (d Due) member() string {
	return strings.Join([]string{d.Kind, d.ID, d.Device.ID, d.Device.Tenant}, " ")
}

// Settle is a function that applies the due transitions of a batch of members. All
// members have the same partition and kind. Another instance may have settled a member
// already, so the script decides. The function calls Quarantine for a member that can
// never be settled. An error means that the whole batch may be tried again.
type Settle func(ctx context.Context, due []Due) error

// Sweep settles due members in all partitions until the context ends. The map settle
// holds the function for each kind. Every instance runs a sweeper, and none is the
// leader.
//
// A failure is logged and retried. While only some partitions fail, the interval stays
// the same, because leases expire in the other partitions too. While all partitions fail,
// the interval grows.
//
// Every trimEvery, Sweep also trims the quarantines.
func (s *Store) Sweep(ctx context.Context, settle map[string]Settle) {
	wait := sweepEvery
	var logged, trimmed time.Time
	for ctx.Err() == nil {
		swept, more, err := s.sweep(ctx, settle)
		if time.Since(trimmed) >= trimEvery {
			err = errors.Join(err, s.TrimQuarantine(ctx))
			trimmed = time.Now()
		}
		if err != nil && ctx.Err() == nil && time.Since(logged) >= maxSweepEvery {
			s.log.Error("sweeping failed", "error", err)
			logged = time.Now()
		}
		switch {
		case swept == 0:
			wait = min(2*wait, maxSweepEvery)
		case err == nil && more:
			continue
		default:
			wait = sweepEvery
		}
		Sleep(ctx, wait/2+rand.N(wait))
	}
}

// SweepOnce settles at most one batch of each partition. It reports whether more members
// may be due. A failure in one partition does not stop the others.
func (s *Store) SweepOnce(ctx context.Context, settle map[string]Settle) (more bool, err error) {
	_, more, err = s.sweep(ctx, settle)
	return more, err
}

// sweep is SweepOnce, and also returns the number of partitions that were swept without a
// failure.
func (s *Store) sweep(ctx context.Context, settle map[string]Settle) (swept int, more bool, err error) {
	due, err := s.readDue(ctx)
	for p, members := range due {
		failed := s.settlePartition(ctx, p, members, settle)
		if failed == nil {
			swept++
		}
		err = errors.Join(err, failed)
		more = more || len(members) == dueBatch
	}
	return swept, more, err
}

// readDue reads the members of every partition that are due by the clock of Redis. It
// sends one pipeline. If some partitions cannot be read, it returns the others together
// with the error.
func (s *Store) readDue(ctx context.Context) (map[Partition][]string, error) {
	due := map[Partition][]string{}
	err := s.do(ctx, "read_due", func(ctx context.Context) error {
		now, err := s.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		until := &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: dueBatch}
		pipe := s.client.Pipeline()
		replies := make([]*redis.StringSliceCmd, Partitions)
		for p := range replies {
			replies[p] = pipe.ZRangeByScore(ctx, Partition(p).DueKey(), until)
		}
		_, err = pipe.Exec(ctx)
		for p, reply := range replies {
			if reply.Err() == nil {
				due[Partition(p)] = reply.Val()
			}
		}
		return err
	})
	return due, err
}

// settlePartition settles the members of one partition, kind by kind. It quarantines the
// members that cannot be parsed.
func (s *Store) settlePartition(ctx context.Context, p Partition, members []string, settle map[string]Settle) (err error) {
	byKind := map[string][]Due{}
	for _, member := range members {
		d, ok := parseDue(p, member)
		if !ok || settle[d.Kind] == nil {
			s.log.Error("quarantined a due member that cannot be parsed", "partition", p.String())
			err = errors.Join(err, s.quarantine(ctx, p, member))
			continue
		}
		byKind[d.Kind] = append(byKind[d.Kind], d)
	}
	for kind, due := range byKind {
		if failed := settle[kind](ctx, due); failed != nil {
			err = errors.Join(err, fmt.Errorf("settling a %s: %w", kind, failed))
		}
	}
	return err
}
