package fieldgate

import (
	"context"
	"sync"
	"time"
)

// The maximum rate at which a socket sends. The gateway accepts 50 messages a second and 100 in
// a burst, including pongs. It closes a socket that sends more, with [CloseFlood].
const (
	sendInterval = 25 * time.Millisecond
	sendBurst    = 50
)

// A pacer limits the rate of messages with the GCRA algorithm.
type pacer struct {
	mu   sync.Mutex
	next time.Time // time at which the full burst is available again
}

// wait blocks until the next message may be sent. It returns an error if ctx ends first.
func (p *pacer) wait(ctx context.Context) error {
	if delay := p.reserve(); delay > 0 {
		sleep(ctx, delay)
	}
	return ctx.Err()
}

// reserve reserves a slot for the next message and returns how long the message must wait.
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
