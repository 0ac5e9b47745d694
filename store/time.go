package store

import (
	"context"
	"strconv"
	"time"
)

// TimeOf returns the time in UTC of a record's Unix milliseconds. Zero, which
// stands for a time that was never set, is the zero Time.
func TimeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// ParseTime is TimeOf for a field of a hash or a stream, which is text. Text that
// is not a number, such as that of a missing field, is the zero Time.
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
