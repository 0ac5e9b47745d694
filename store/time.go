package store

import (
	"context"
	"strconv"
	"time"
)

// TimeOf converts the Unix milliseconds in a record to a time in UTC. It
// converts zero to the zero Time, because zero means that the time was never set.
func TimeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// ParseTime converts text with Unix milliseconds, as in a field of a hash or a stream, to
// a time in UTC. It returns the zero Time for text that is not a number, and for the
// empty text of a missing field.
func ParseTime(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return TimeOf(n)
}

// Sleep blocks until d has passed or the context ends.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
