package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// dueRead is the number of members of a due index that one round trip reads.
const dueRead = 200

// CheckDue returns a violation for each member of a partition's due index that names no record of
// the tenant. If tenant is empty, it checks the members of all tenants. It changes nothing.
func (s *Store) CheckDue(ctx context.Context, p Partition, tenant string) (found []Violation, err error) {
	for cursor := uint64(0); ; {
		var pairs []string
		err := s.Do(ctx, "check_due", func(ctx context.Context, c Client) (err error) {
			pairs, cursor, err = c.ZScan(ctx, p.DueKey(), cursor, "", dueRead).Result()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading a due index: %w", err)
		}
		var members []string
		for i := 0; i+1 < len(pairs); i += 2 {
			members = append(members, pairs[i]) // the other element is the score
		}
		violations, err := s.checkDue(ctx, p, tenant, members)
		if err != nil {
			return nil, err
		}
		found = append(found, violations...)
		if cursor == 0 {
			return found, nil
		}
	}
}

func (s *Store) checkDue(ctx context.Context, p Partition, tenant string, members []string) (found []Violation, err error) {
	var named []Due
	for _, member := range members {
		d, ok := parseDue(p, member)
		if !ok && tenant == "" {
			found = append(found, Violation{Invariant: NothingForgotten, Damage: "a due entry that cannot be parsed", ID: member})
		}
		if ok && (tenant == "" || d.Device.Tenant == tenant) {
			named = append(named, d)
		}
	}
	lost, err := s.withoutRecord(ctx, named)
	for _, d := range lost {
		found = append(found, Violation{Invariant: NothingLost, Damage: "due " + d.Kind + " has no record", ID: d.ID, Device: d.Device.ID})
	}
	return found, err
}

// withoutRecord returns the entries whose record does not exist and that are still in the due
// index afterwards. Scripts delete a record together with its entry.
func (s *Store) withoutRecord(ctx context.Context, due []Due) (lost []Due, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	records := make([]*redis.BoolCmd, len(due))
	entries := make([]*redis.FloatCmd, len(due))
	err = s.Do(ctx, "check_due_records", func(ctx context.Context, c Client) error {
		pipe := c.Pipeline()
		for i, d := range due {
			records[i] = d.exists(ctx, pipe)
			entries[i] = pipe.ZScore(ctx, PartitionOf(d.Device.Tenant).DueKey(), d.Member())
		}
		_, err := pipe.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	for i, d := range due {
		if !records[i].Val() && entries[i].Err() == nil {
			lost = append(lost, d)
		}
	}
	return lost, err
}

// exists asks whether the record of d exists. An unknown kind belongs to a later version, so its
// device stands for it.
func (d Due) exists(ctx context.Context, pipe redis.Pipeliner) *redis.BoolCmd {
	switch d.Kind {
	case "command":
		return pipe.HExists(ctx, d.Device.CommandsKey(), d.ID)
	case "session":
		return pipe.HExists(ctx, SessionKey(d.ID), fieldTenant)
	}
	return pipe.HExists(ctx, d.Device.RecordKey(), fieldTenant)
}

// fieldTenant is the field with the tenant in the records of devices and sessions.
const fieldTenant = "tenant"
