package store

import (
	"context"
	"errors"
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
	quarantineScript = NewScript(files, "lua/set_aside.lua")
	trimScript       = NewScript(files, "lua/trim_quarantine.lua")
)

// Quarantine moves a member from the due index to the quarantine of its partition. It is
// called for a member that cannot be settled, so that the member does not stop the
// others. It is safe to repeat.
func (s *Store) Quarantine(ctx context.Context, d Due) error {
	return s.quarantine(ctx, PartitionOf(d.Device.Tenant), d.member())
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
