package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"
)

// These bound the quarantine. maxQuarantine is the maximum number of entries in each
// partition. Every trimEvery, an instance removes at most trimBatch older entries of a
// partition.
const (
	maxQuarantine = 1000
	trimBatch     = 500
	trimEvery     = time.Minute
)

var (
	quarantineScript = ownScripts.Script("lua/set_aside.lua")
	trimScript       = ownScripts.Script("lua/trim_quarantine.lua")
	restoreScript    = ownScripts.Script("lua/restore.lua")
)

// Quarantine moves a member from the due index to the quarantine of its partition. It is
// called for a member that cannot be settled, so that the member does not stop the
// others. It is safe to repeat.
func (s *Store) Quarantine(ctx context.Context, d Due) error {
	return s.quarantine(ctx, PartitionOf(d.Device.Tenant), d.Member())
}

func (s *Store) quarantine(ctx context.Context, p Partition, member string) error {
	_, err := s.Run(ctx, quarantineScript, []string{p.DueKey(), p.QuarantineKey()}, member)
	return err
}

// TrimQuarantine removes the oldest entries of every quarantine that is too long, and logs
// each. An entry only names a record, and the record itself stays. A failure in one partition
// does not stop the others.
func (s *Store) TrimQuarantine(ctx context.Context) error {
	lengths := make([]*redis.IntCmd, Partitions)
	err := s.Do(ctx, "quarantine_lengths", func(ctx context.Context, c Client) error {
		pipe := c.Pipeline()
		for p := range lengths {
			lengths[p] = pipe.LLen(ctx, Partition(p).QuarantineKey())
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	for p, length := range lengths {
		if length.Val() > maxQuarantine {
			err = errors.Join(err, s.trimPartition(ctx, Partition(p)))
		}
	}
	return err
}

func (s *Store) trimPartition(ctx context.Context, p Partition) error {
	reply, err := s.Run(ctx, trimScript, []string{p.QuarantineKey()}, maxQuarantine, trimBatch)
	if err != nil {
		return err
	}
	removed := reply.List(2)
	for i := range removed {
		s.log.WarnContext(ctx, "removed the oldest entry of a full quarantine", "partition", p.String(), "entry", removed.String(i))
	}
	return nil
}

// Entry is an entry of a quarantine. It only names a record.
type Entry struct {
	Partition Partition
	Member    string // the entry as it is stored
	Due       Due    // the member, parsed; zero if it cannot be parsed
}

// Quarantined returns an iterator over the entries of every quarantine, partition by partition and
// the oldest first. A command whose record was unreadable twice has two entries.
func (s *Store) Quarantined(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for p := range Partitions {
			entries, err := s.quarantined(ctx, Partition(p))
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, entry := range entries {
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) quarantined(ctx context.Context, p Partition) (entries []Entry, err error) {
	var members []string
	err = s.Do(ctx, "read_quarantine", func(ctx context.Context, c Client) (err error) {
		members, err = c.LRange(ctx, p.QuarantineKey(), 0, -1).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a quarantine: %w", err)
	}
	for _, member := range members {
		due, _ := parseDue(p, member)
		entries = append(entries, Entry{Partition: p, Member: member, Due: due})
	}
	return entries, nil
}

// These errors say why an entry stays in the quarantine.
var (
	ErrNotQuarantined = errors.New("the quarantine has no such entry any more")
	ErrScheduled      = errors.New("the due index has this record already, so the sweeper settles it: drop the entry")
	errNoRestore      = errors.New("the entry cannot be parsed, so nothing can settle it: drop it")
)

// RestoreError returns the error for an outcome of a script that restores, or nil for "restored".
// Package queue restores commands.
func RestoreError(outcome string) error {
	switch outcome {
	case "restored":
		return nil
	case "missing":
		return ErrNotQuarantined
	case "scheduled":
		return ErrScheduled
	}
	return fmt.Errorf("restoring has the outcome %q, which this version does not know", outcome)
}

// RestoreEntry moves an entry back to the due index, due at once, so that the sweeper settles its
// record again. If that fails again, the entry returns to the quarantine. A dry run changes
// nothing and returns the same error. Errors: ErrNotQuarantined, ErrScheduled.
func (s *Store) RestoreEntry(ctx context.Context, e Entry, dryRun bool) error {
	if e.Due.Kind == "" {
		return errNoRestore
	}
	reply, err := s.Run(ctx, restoreScript, []string{e.Partition.DueKey(), e.Partition.QuarantineKey()}, e.Member, dryRun)
	if err != nil {
		return fmt.Errorf("restoring an entry of the quarantine: %w", err)
	}
	return RestoreError(reply.String(2))
}

// DropEntry removes an entry from its quarantine. The record that it names stays as it is. Error:
// ErrNotQuarantined.
func (s *Store) DropEntry(ctx context.Context, e Entry) error {
	var removed int64
	err := s.Do(ctx, "drop_entry", func(ctx context.Context, c Client) (err error) {
		removed, err = c.LRem(ctx, e.Partition.QuarantineKey(), 0, e.Member).Result()
		return err
	})
	if err == nil && removed == 0 {
		return ErrNotQuarantined
	}
	return err
}
