package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// dueBatch is the maximum number of members that one sweep reads from a partition.
// sweepEvery is the interval between two sweeps. While no partition can be read, the
// interval grows up to maxSweepEvery. Failures are logged at most once per maxSweepEvery.
const (
	dueBatch      = 100
	sweepEvery    = 400 * time.Millisecond
	maxSweepEvery = 3 * time.Second
)

// sweepTimes holds what SweepLag needs of the sweeps of this instance.
type sweepTimes struct {
	ended  atomic.Int64 // end of the last sweep that reached the store, in Unix ms; zero before the first
	behind atomic.Int64 // time by which that sweep was too late for the oldest member that it read, in ms
}

// SweepLag returns the time by which deadlines are applied too late: the time since the last sweep of
// this instance, or the time by which that sweep was late, whichever is longer. It returns zero
// before the first sweep. Another instance may have swept meanwhile.
func (s *Store) SweepLag() time.Duration {
	ended := s.swept.ended.Load()
	if ended == 0 {
		return 0
	}
	behind := time.Duration(s.swept.behind.Load()) * time.Millisecond
	return max(time.Since(time.UnixMilli(ended)), behind)
}

// Due is a member of the due index whose time has passed.
type Due struct {
	Kind   string // "command", "session" or "presence"
	ID     string
	Device Device
}

// parseDue parses member, which the Lua function due_member created. It returns false if
// member belongs to another partition than p, because no script could remove it from the
// due index of p.
func parseDue(p Partition, member string) (Due, bool) {
	f := strings.SplitN(member, " ", 4)
	if len(f) != 4 {
		return Due{}, false
	}
	d := Due{Kind: f[0], ID: f[1], Device: Device{ID: f[2], Tenant: f[3]}}
	return d, PartitionOf(d.Device.Tenant) == p && OwnsID(d.Device.Tenant, KindDevice, d.Device.ID)
}

// Member returns the member of the due index for d. The function parseDue parses it.
func (d Due) Member() string {
	return strings.Join([]string{d.Kind, d.ID, d.Device.ID, d.Device.Tenant}, " ")
}

// Settle is a function that applies the due transitions of a batch of members. All
// members have the same partition and kind. Another instance may already have settled a
// member, so the script checks whether the member is still due. The function calls
// Quarantine for a member that can never be settled. After an error, the whole batch may
// be settled again.
type Settle func(ctx context.Context, due []Due) error

// Sweep settles due members in all partitions until the context ends. The map settle
// holds the function for each kind. Every instance runs a sweeper, and no sweeper is the
// leader.
//
// A sweep reads only the partitions in which something may be due: see dueTimes. All are read
// every sweepAllEvery.
//
// A failure is logged and retried. While only some partitions fail, the interval stays
// the same, because leases expire in the other partitions too. While no partition can be
// read, the interval grows.
//
// Every trimEvery, Sweep also trims the quarantines.
func (s *Store) Sweep(ctx context.Context, settle map[string]Settle) {
	wait := sweepEvery
	var logged, trimmed time.Time
	for ctx.Err() == nil {
		reached, more, err := s.sweepDue(ctx, settle)
		if reached {
			s.swept.ended.Store(time.Now().UnixMilli())
		}
		if time.Since(trimmed) >= trimEvery {
			err = errors.Join(err, s.TrimQuarantine(ctx))
			trimmed = time.Now()
		}
		if err != nil && ctx.Err() == nil && time.Since(logged) >= maxSweepEvery {
			s.log.Error("sweeping failed", "error", err)
			logged = time.Now()
		}
		switch {
		case !reached:
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
	s.due.markAll()
	_, more, err = s.sweepDue(ctx, settle)
	return more, err
}

// sweepDue settles at most one batch of each partition in which something may be due. It also
// reports whether the store was reached, or did not have to be.
func (s *Store) sweepDue(ctx context.Context, settle map[string]Settle) (reached, more bool, err error) {
	if s.paused.Load() {
		return false, false, nil
	}
	from := s.due.take(time.Now(), s.sweepAllEvery)
	if len(from) == 0 {
		s.swept.behind.Store(0)
		return true, false, nil
	}
	due, err := s.readDue(ctx, from)
	for _, p := range from {
		members, read := due[p]
		if !read {
			s.due.mark(p)
			continue
		}
		err = errors.Join(err, s.settlePartition(ctx, p, members, settle))
		more = more || len(members) == dueBatch
	}
	return len(due) > 0, more, err
}

// readDue reads the due members of the partitions, by the clock of Redis. If some partitions
// cannot be read, it returns the members of the others together with the error.
func (s *Store) readDue(ctx context.Context, from []Partition) (map[Partition][]string, error) {
	due := map[Partition][]string{}
	err := s.do(ctx, "read_due", func(ctx context.Context) error {
		asked := time.Now()
		now, err := s.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		first, err := s.readFirstDue(ctx, from)
		var passed []Partition
		var behind int64
		for p, at := range first {
			switch {
			case at == 0:
				s.due.set(p, time.Time{})
			case at > now.UnixMilli():
				s.due.set(p, asked.Add(time.Duration(at-now.UnixMilli())*time.Millisecond))
			default:
				s.due.mark(p) // until a sweep finds nothing due, and so knows when the next member is
				passed, behind = append(passed, p), max(behind, now.UnixMilli()-at)
				continue
			}
			due[p] = nil
		}
		s.swept.behind.Store(behind)
		return errors.Join(err, s.readPassed(ctx, passed, now, due))
	})
	return due, err
}

// readFirstDue returns the time of the first member of each partition, in Unix milliseconds, or
// zero for a partition without members. If some partitions cannot be read, it returns the times of
// the others together with the error.
func (s *Store) readFirstDue(ctx context.Context, from []Partition) (map[Partition]int64, error) {
	pipe := s.client.Pipeline()
	replies := make([]*redis.ZSliceCmd, len(from))
	for i, p := range from {
		replies[i] = pipe.ZRangeWithScores(ctx, p.DueKey(), 0, 0)
	}
	_, err := pipe.Exec(ctx)
	first := make(map[Partition]int64, len(from))
	for i, reply := range replies {
		if reply.Err() != nil {
			continue
		}
		first[from[i]] = 0
		for _, member := range reply.Val() {
			first[from[i]] = max(1, int64(member.Score))
		}
	}
	return first, err
}

// readPassed adds the members of the partitions that are due at the time now to due.
func (s *Store) readPassed(ctx context.Context, from []Partition, now time.Time, due map[Partition][]string) error {
	if len(from) == 0 {
		return nil
	}
	until := &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: dueBatch}
	pipe := s.client.Pipeline()
	replies := make([]*redis.StringSliceCmd, len(from))
	for i, p := range from {
		replies[i] = pipe.ZRangeByScore(ctx, p.DueKey(), until)
	}
	_, err := pipe.Exec(ctx)
	for i, reply := range replies {
		if reply.Err() == nil {
			due[from[i]] = reply.Val()
		}
	}
	return err
}

// settlePartition settles the members of one partition, kind by kind. It quarantines the
// members that cannot be parsed.
func (s *Store) settlePartition(ctx context.Context, p Partition, members []string, settle map[string]Settle) (err error) {
	byKind := map[string][]Due{}
	for _, member := range members {
		d, ok := parseDue(p, member)
		if !ok {
			s.log.ErrorContext(ctx, "quarantined a due member that cannot be parsed", "partition", p.String(), "member", member)
			err = errors.Join(err, s.quarantine(ctx, p, member))
			continue
		}
		byKind[d.Kind] = append(byKind[d.Kind], d)
	}
	for kind, due := range byKind {
		settleKind := settle[kind]
		if settleKind == nil {
			settleKind = s.postpone
		}
		if failed := settleKind(ctx, due); failed != nil {
			err = errors.Join(err, fmt.Errorf("settling a %s: %w", kind, failed))
		}
	}
	return err
}

// postponeBy is the time by which postpone delays a member. An instance of a later version may
// settle it that much too late.
const postponeBy = 10 * time.Second

// postpone delays members of a kind that this version does not know. They belong to a later
// version, whose instances settle them. If they kept their time, they could fill every batch.
func (s *Store) postpone(ctx context.Context, due []Due) error {
	s.log.WarnContext(ctx, "postponed due members that belong to a later version", "kind", due[0].Kind, "count", len(due))
	return s.do(ctx, "postpone", func(ctx context.Context) error {
		now, err := s.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		pipe := s.client.Pipeline()
		for _, d := range due {
			later := redis.Z{Score: float64(now.Add(postponeBy).UnixMilli()), Member: d.Member()}
			pipe.ZAddArgs(ctx, PartitionOf(d.Device.Tenant).DueKey(), redis.ZAddArgs{XX: true, GT: true, Members: []redis.Z{later}})
		}
		_, err = pipe.Exec(ctx)
		return err
	})
}
