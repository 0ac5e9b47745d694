package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// fieldRetention is the field of metaKey with the retention of the gateway, in milliseconds.
const fieldRetention = "retention"

// RecordRetention records the retention of the gateway, for programs that change the store without
// the gateway's settings. A failure is only logged: a full store refuses the write, and an instance
// must be able to start then.
func (s *Store) RecordRetention(ctx context.Context, retention time.Duration) {
	stored, err := s.Retention(ctx)
	if err == nil && stored == retention {
		return
	}
	if err := s.client.HSet(ctx, metaKey, fieldRetention, retention.Milliseconds()).Err(); err != nil {
		s.log.WarnContext(ctx, "recording the retention in the store failed", "error", err)
	}
}

// ErrNoRetention is returned for a store that only earlier versions have used.
var ErrNoRetention = errors.New("the store does not contain the retention of the gateway: set FIELDGATE_RETENTION to that of 'fieldgate serve'")

// Retention returns the retention that the gateway has recorded last. Error: ErrNoRetention.
func (s *Store) Retention(ctx context.Context) (time.Duration, error) {
	text, err := s.client.HGet(ctx, metaKey, fieldRetention).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("reading %s of %s: %w", fieldRetention, metaKey, err)
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return 0, ErrNoRetention
	}
	return time.Duration(ms) * time.Millisecond, nil
}
