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

// Bounds of the sweep: how many due members a partition gives at a time, how
// often the sweeper looks when there was nothing to do, and when it fails again
// and again.
const (
	dueBatch    = 100
	sweepEvery  = 400 * time.Millisecond
	sweepFailed = 3 * time.Second
)

var setAsideScript = NewScript(fragments, "lua/set_aside.lua")

// Due is a member of the due index whose moment has come.
type Due struct {
	Kind   string // "command" or "session"
	ID     string
	Device Device
}

// parseDue reads a member as lua/command.lua writes it. It answers false for one
// that is not of the partition in whose index it stands: settling it would never
// take it out of there.
func parseDue(p Partition, member string) (Due, bool) {
	f := strings.SplitN(member, " ", 4)
	if len(f) != 4 {
		return Due{}, false
	}
	d := Due{Kind: f[0], ID: f[1], Device: Device{ID: f[2], Tenant: f[3]}}
	return d, PartitionOf(d.Device.Tenant) == p && OwnsID(d.Device.Tenant, KindDevice, d.Device.ID)
}

func (d Due) member() string {
	return strings.Join([]string{d.Kind, d.ID, d.Device.ID, d.Device.Tenant}, " ")
}

// Settle brings due members, all of one partition and one kind, to what time
// has made of them. It may be called for a member that another instance has
// settled already: the script is the guard. A member that can never be settled
// it gives to SetAside; an error means that all may be tried again.
type Settle func(ctx context.Context, due []Due) error

// Sweep settles what is due, in every partition, until the context ends. Every
// instance sweeps and none leads. What fails in some partitions is logged now and then
// and tried again at the usual pace, for the others' leases end too; while all of them
// fail, less and less often.
func (s *Store) Sweep(ctx context.Context, settle map[string]Settle) {
	wait := sweepEvery
	var logged time.Time
	for ctx.Err() == nil {
		swept, more, err := s.sweep(ctx, settle)
		if err != nil && ctx.Err() == nil && time.Since(logged) >= sweepFailed {
			s.log.Error("sweeping what is due", "error", err)
			logged = time.Now()
		}
		switch {
		case swept == 0:
			wait = min(2*wait, sweepFailed)
		case err == nil && more:
			continue
		default:
			wait = sweepEvery
		}
		Sleep(ctx, wait/2+rand.N(wait))
	}
}

// SweepOnce settles at most one batch of each partition. It tells whether there
// may be more. What fails in one partition does not keep it from the others.
func (s *Store) SweepOnce(ctx context.Context, settle map[string]Settle) (more bool, err error) {
	_, more, err = s.sweep(ctx, settle)
	return more, err
}

// sweep is SweepOnce; it tells in how many partitions nothing failed.
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

// readDue asks every partition, in one pipeline, for what is due by the store's
// own clock. With an error it gives the partitions that could be read.
func (s *Store) readDue(ctx context.Context) (map[Partition][]string, error) {
	due := map[Partition][]string{}
	err := s.do(ctx, "read_due", func(ctx context.Context) error {
		now, err := s.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		until := &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: dueBatch}
		pipe := s.client.Pipeline()
		answers := make([]*redis.StringSliceCmd, Partitions)
		for p := range answers {
			answers[p] = pipe.ZRangeByScore(ctx, Partition(p).DueKey(), until)
		}
		_, err = pipe.Exec(ctx)
		for p, answer := range answers {
			if answer.Err() == nil {
				due[Partition(p)] = answer.Val()
			}
		}
		return err
	})
	return due, err
}

func (s *Store) settlePartition(ctx context.Context, p Partition, members []string, settle map[string]Settle) (err error) {
	byKind := map[string][]Due{}
	for _, member := range members {
		d, ok := parseDue(p, member)
		if !ok || settle[d.Kind] == nil {
			s.log.Error("a due member cannot be read and is set aside", "partition", p.String())
			err = errors.Join(err, s.setAside(ctx, p, member))
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

// Quarantine moves a due member that cannot be settled into the quarantine.
func (s *Store) Quarantine(ctx context.Context, d Due) error {
	return s.setAside(ctx, PartitionOf(d.Device.Tenant), d.member())
}

func (s *Store) setAside(ctx context.Context, p Partition, member string) error {
	_, err := s.Run(ctx, setAsideScript, []string{p.DueKey(), p.QuarantineKey()}, member)
	return err
}
