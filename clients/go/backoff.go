package fieldgate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// How a socket waits before it comes back: a random part ("full jitter") of a bound that
// doubles with each try, so that sockets that were lost together come back apart.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 60 * time.Second

	// stableAfter is how long a connection must have lasted to count as a success. It is
	// not enough that there was one: an instance that goes away lets connections in too.
	stableAfter = 60 * time.Second

	// loadedTries is where the bound begins, at 4 s, when the gateway has said that it has
	// too much to do, or that this client has sent too much.
	loadedTries = 3

	// maxHint is the longest wait that the other side may ask for: a wrong header of some
	// proxy must not keep a device away for good.
	maxHint = time.Hour
)

// An ending is how a connection ended, or a try at one.
type ending struct {
	err    error
	lasted time.Duration // zero if there was no connection
	hint   time.Duration // how long the gateway asked to wait; zero if it did not
}

// backoff counts the tries since the last connection that lasted.
type backoff struct{ tries int }

// delay gives how long to wait after an ending: as long as the gateway asked for, and a
// random while on top of that.
func (b *backoff) delay(e ending) time.Duration {
	if e.lasted >= stableAfter {
		b.tries = 0
	}
	if closedWith(e.err, CloseFlood, CloseInternal, CloseOverloaded) {
		b.tries = max(b.tries, loadedTries)
	}
	bound := min(backoffBase<<min(b.tries, 10), backoffCap)
	b.tries++
	return min(e.hint, maxHint) + rand.N(bound)
}

// hintOf gives how long a refused handshake or login asked to wait.
func hintOf(err error) time.Duration {
	if refused, ok := errors.AsType[*APIError](err); ok {
		return refused.RetryAfter
	}
	return 0
}

// pause waits, and tells whether the context lasted that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A pace spreads messages out, so that a socket is not closed for sending too many
// ([CloseFlood]): the gateway takes 50 a second and 100 at once, pongs included.
type pace struct {
	mu   sync.Mutex
	next time.Time // when nothing counts against us any more, if nothing else is sent
}

const (
	paceEvery = 25 * time.Millisecond
	paceBurst = 50
)

// wait returns when the next message may be sent, or with an error if the context ends.
func (p *pace) wait(ctx context.Context) error {
	if early := p.reserve(); early > 0 {
		pause(ctx, early)
	}
	return ctx.Err()
}

// reserve gives how long the next message has to wait.
func (p *pace) reserve() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	early := p.next.Sub(now) - (paceBurst-1)*paceEvery
	p.next = p.next.Add(paceEvery)
	return early
}
