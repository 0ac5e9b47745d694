package api

import (
	"context"
	"sync"
	"time"
)

// The limits on the large bodies of one holder, for each processor of this instance.
const (
	paceRate  = 8 << 20 // bytes a second, in the long run
	paceBurst = 4 << 20 // bytes that are not delayed after a pause
)

// pacer limits the bytes of large bodies that are read a second for each holder. It delays the
// reading, so that a sender is slowed down by its connection instead of being refused. pacer is
// safe for concurrent use.
type pacer struct {
	rate  int64 // in bytes a second
	burst time.Duration

	mu sync.Mutex
	// paid is the time at which the bytes that each holder has sent fit its rate.
	paid map[string]time.Time
}

func newPacer(rate, burst int64) *pacer {
	return &pacer{rate: rate, burst: timeFor(burst, rate), paid: map[string]time.Time{}}
}

func timeFor(bytes, rate int64) time.Duration {
	return time.Duration(bytes) * time.Second / time.Duration(rate)
}

// charge counts bytes of a holder and returns the time to wait before reading more of them.
func (p *pacer) charge(holder string, bytes int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	paid, ok := p.paid[holder]
	if !ok {
		p.removePaid(now)
	}
	if paid.Before(now) {
		paid = now
	}
	paid = paid.Add(timeFor(bytes, p.rate))
	p.paid[holder] = paid
	return paid.Sub(now) - p.burst
}

// removePaid removes the holders that may send a whole burst.
func (p *pacer) removePaid(now time.Time) {
	for holder, paid := range p.paid {
		if !paid.After(now) {
			delete(p.paid, holder)
		}
	}
}

// await counts bytes of a holder and waits until more of them may be read.
func (p *pacer) await(ctx context.Context, holder string, bytes int64) error {
	wait := p.charge(holder, bytes)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
