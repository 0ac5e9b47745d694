package ratelimit

import (
	"cmp"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
)

// LocalConfig configures a Local.
type LocalConfig struct {
	// Interval is the time between two events of a subject at the sustained rate. Zero means
	// no limit.
	Interval time.Duration

	// Burst is the number of events that may happen at once. Values below 1 mean 1.
	Burst int

	// Subjects is the number of subjects that are remembered, at 16 bytes each. Default:
	// 65,536.
	Subjects int

	// Now returns the current time. Default: time.Now.
	Now func() time.Time
}

// Local limits the rate of events of many subjects in this process, in a fixed amount of memory
// and without the store. Like Limiter, it uses GCRA. It is safe for concurrent use.
type Local struct {
	interval time.Duration
	burst    time.Duration // the time that a used-up burst takes to recover
	table    *table
}

// NewLocal returns a Local.
func NewLocal(cfg LocalConfig) *Local {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	subjects := cmp.Or(cfg.Subjects, 65_536)
	if cfg.Interval <= 0 {
		subjects = 0
	}
	return &Local{
		interval: cfg.Interval, burst: cfg.Interval * time.Duration(max(cfg.Burst, 1)),
		table: newTable(subjects, cfg.Now),
	}
}

// Take counts an event of a subject. It returns nil if the subject is within its limit, and
// otherwise rate_limited with RetryAfter. A refused event does not count.
func (l *Local) Take(subject string) error {
	if l.interval <= 0 {
		return nil
	}
	var wait time.Duration
	l.table.update(subject, func(left time.Duration) time.Duration {
		if wait = left + l.interval - l.burst; wait > 0 {
			return left
		}
		return left + l.interval
	})
	if wait <= 0 {
		return nil
	}
	return limited(wait)
}

// Return takes back an event that Take has counted.
func (l *Local) Return(subject string) {
	l.table.update(subject, func(left time.Duration) time.Duration { return left - l.interval })
}

// Exhausted reports whether Take would refuse an event of the subject.
func (l *Local) Exhausted(subject string) bool {
	return l.interval > 0 && l.table.left(subject)+l.interval > l.burst
}

// limited returns the refusal of a subject that has to wait.
func limited(wait time.Duration) error {
	refused := refusal.New(fieldgate.CodeRateLimited)
	refused.RetryAfter = wait
	return refused
}
