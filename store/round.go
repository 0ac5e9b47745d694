package store

import (
	"context"
	"time"
)

// roundKey is the key of the hash that describes the reconciler's rounds. All instances share it, as
// they share the cursor. Its fields are the begin of the current round, and the end and the duration
// of the last one, all in milliseconds.
const roundKey = "fg:patrol:round"

// Round describes the last complete round of the reconciler. Several instances may have worked on it.
type Round struct {
	Ended time.Time // zero before the first
	Took  time.Duration
}

// beginRound records that a round begins now.
func (s *Store) beginRound(ctx context.Context) error {
	return s.setRound(ctx, "began", time.Now().UnixMilli())
}

// endRound records that the current round has ended now.
func (s *Store) endRound(ctx context.Context) error {
	began, _, err := s.readRound(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	return s.setRound(ctx, "ended", now.UnixMilli(), "took", max(now.Sub(began), 0).Milliseconds())
}

func (s *Store) setRound(ctx context.Context, fields ...any) error {
	return s.Do(ctx, "patrol_round", func(ctx context.Context, c Client) error {
		return c.HSet(ctx, roundKey, fields...).Err()
	})
}

// readRound returns the begin of the current round, and the last complete one.
func (s *Store) readRound(ctx context.Context) (began time.Time, last Round, err error) {
	var fields Reply
	err = s.Do(ctx, "patrol_round", func(ctx context.Context, c Client) (err error) {
		fields, err = c.HMGet(ctx, roundKey, "began", "ended", "took").Result()
		return err
	})
	last = Round{Ended: ParseTime(fields.String(1)), Took: time.Duration(fields.Int(2)) * time.Millisecond}
	return ParseTime(fields.String(0)), last, err
}
