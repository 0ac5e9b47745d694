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

// shortenAfter is the time after which a changed retention applies to what has ended already. An
// instance with another retention, for example one that was started without its settings, records
// its own meanwhile. It then deletes nothing that the others keep.
const shortenAfter = 10 * time.Minute

// recordRetentionScript runs in a full store too, because a shorter retention frees memory.
var recordRetentionScript = ownScripts.Script("lua/record_retention.lua")

// RecordRetention records the retention of the gateway, for programs that change the store without
// the gateway's settings, and for KeepsLonger. A failure is only logged.
func (s *Store) RecordRetention(ctx context.Context, retention time.Duration) {
	reply, err := s.Run(ctx, recordRetentionScript, []string{metaKey}, retention.Milliseconds())
	if err != nil {
		s.log.WarnContext(ctx, "recording the retention in the store failed", "error", err)
		return
	}
	before := time.Duration(reply.Int(2)) * time.Millisecond
	if before != retention && before != 0 {
		s.log.WarnContext(ctx, "recorded another retention than before; all instances must have the same", "retention", retention, "before", before)
	}
	s.keepsLonger.Store(time.Duration(reply.Int(3))*time.Millisecond < shortenAfter)
}

// KeepsLonger returns "1" if records that have ended may still have the time of a longer
// retention, because the retention has changed lately or instances have different ones. Otherwise it
// returns "". Scripts that reconcile take it as an argument.
func (s *Store) KeepsLonger() string {
	if s.keepsLonger.Load() {
		return "1"
	}
	return ""
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
