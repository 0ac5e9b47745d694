package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// Bounds of the random delay before a call is repeated.
const (
	firstDelay = 200 * time.Millisecond
	mostDelay  = 5 * time.Second
)

// until runs a call, and repeats it until it succeeds, is refused for good, or ctx ends. Each try
// is counted under the name of the act.
func (p *player) until(ctx context.Context, act string, call func(ctx context.Context) error) error {
	for bound := firstDelay; ; bound = min(2*bound, mostDelay) {
		began := time.Now()
		err := call(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.tally.Add(act, time.Since(began), err)
		if err == nil || !isRepeatable(err) {
			return err
		}
		pause(ctx, retryAfter(err)+mathrand.N(bound))
	}
}

// isRepeatable reports whether a call may succeed when it is repeated: it had no response, or a
// refusal that ends by itself.
func isRepeatable(err error) bool {
	var refusal *client.APIError
	if !errors.As(err, &refusal) || refusal.Code == "" {
		return true
	}
	switch refusal.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return refusal.Code != client.CodeQuotaExceeded
	}
	return refusal.Status >= http.StatusInternalServerError
}

func retryAfter(err error) time.Duration {
	var refusal *client.APIError
	if errors.As(err, &refusal) {
		return refusal.RetryAfter
	}
	return 0
}

// pause waits for d or until ctx ends, and reports whether ctx is still active.
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

// withKey returns an option with a new Idempotency-Key.
func withKey() client.CallOption { return client.WithIdempotencyKey(rand.Text()) }

// paced calls do at a rate, which is a number a second, until it was called times times or ctx
// ends. It does not wait for do, which runs on a goroutine of its own. A negative number of times
// means no limit.
func paced(ctx context.Context, rate float64, times int, do func(i int)) {
	began := time.Now()
	for i := 0; i != times; i++ {
		due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if !pause(ctx, time.Until(due)) {
			return
		}
		do(i)
	}
}
