package fieldgate

import (
	"context"
	"math/rand/v2"
	"time"
)

// A socket reconnects after a random delay below a bound that doubles with each attempt
// ("full jitter"), so that sockets that were lost together do not reconnect together.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 60 * time.Second

	// stableAfter is the time after which a connection counts as a success. Establishing it is
	// not enough: an instance that is shutting down accepts connections too.
	stableAfter = 60 * time.Second

	// overloadAttempts is the value to which the number of attempts is raised after an overload
	// of the gateway, or after the client sent too many messages. The upper bound of the delay
	// is then at least 4 s.
	overloadAttempts = 3

	// maxRetryAfter is the maximum wait that a server may ask for. A wrong header of a proxy
	// must not keep a device offline for days.
	maxRetryAfter = time.Hour
)

// An attempt describes one attempt to connect, and the connection if the attempt succeeded.
type attempt struct {
	err        error
	lasted     time.Duration // zero if there was no connection
	retryAfter time.Duration // the wait that the gateway asked for, or zero
}

// A backoff counts the attempts since the last stable connection.
type backoff struct{ attempts int }

// delay returns the time to wait after attempt a. It is the wait that the gateway requested
// plus a random delay.
func (b *backoff) delay(a attempt) time.Duration {
	if a.lasted >= stableAfter {
		b.attempts = 0
	}
	if isClosedWith(a.err, CloseFlood, CloseInternal, CloseOverloaded) {
		b.attempts = max(b.attempts, overloadAttempts)
	}
	bound := min(backoffBase<<min(b.attempts, 10), backoffCap)
	b.attempts++
	return min(a.retryAfter, maxRetryAfter) + rand.N(bound)
}

// retryAfterOf returns the wait that the gateway requested when it refused a handshake or
// login. It returns zero if the gateway requested none.
func retryAfterOf(err error) time.Duration {
	if refusal := asAPIError(err); refusal != nil {
		return refusal.RetryAfter
	}
	return 0
}

// sleep waits for d or until the context ends, and reports whether the context is still active.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
