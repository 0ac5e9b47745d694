package fieldgate

import (
	"context"
	"sync"
	"time"
)

// The rate at which a socket sends. The gateway accepts 50 messages a second and 100 in a
// burst, pongs included, and closes a socket that sends more with [CloseFlood].
const (
	sendInterval = 25 * time.Millisecond
	sendBurst    = 50
)

// A pacer limits the rate of messages (GCRA).
type pacer struct {
	mu   sync.Mutex
	next time.Time // when the full burst is available again
}

// wait waits until the next message may be sent. It returns an error if the context ends.
func (p *pacer) wait(ctx context.Context) error {
	if delay := p.reserve(); delay > 0 {
		sleep(ctx, delay)
	}
	return ctx.Err()
}

// reserve returns the time that the next message has to wait.
func (p *pacer) reserve() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	delay := p.next.Sub(now) - (sendBurst-1)*sendInterval
	p.next = p.next.Add(sendInterval)
	return delay
}
