package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// Bounds of the delay before a retry. The delay is random ("full jitter") below a limit that
// doubles with each attempt, up to a cap. The cap is longer while the gateway refuses the
// device, because only an operator can change that.
const (
	backoffBase       = 500 * time.Millisecond
	backoffCap        = time.Minute
	backoffRefusedCap = 5 * time.Minute
	maxRetryAfter     = time.Hour // the maximum Retry-After that the agent respects
)

// A backoff computes the delays between failed attempts. The zero value has counted no failed
// attempts.
type backoff struct{ attempts int }

// sleep waits for the delay after a failed attempt, or until ctx ends. It reports whether it
// waited for the whole delay.
func (b *backoff) sleep(ctx context.Context, err error) bool { return sleep(ctx, b.delay(err)) }

// delay counts a failed attempt and returns how long to wait before the next attempt. The delay
// includes the Retry-After of err, if err has one.
func (b *backoff) delay(err error) time.Duration {
	limit := backoffCap
	var refused *fieldgate.APIError
	if errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden) {
		limit = backoffRefusedCap
	}
	bound := min(backoffBase<<min(b.attempts, 12), limit)
	b.attempts++
	return retryAfter(err) + rand.N(bound)
}

// retryAfter returns the wait that err asks for, at most maxRetryAfter, or zero.
func retryAfter(err error) time.Duration {
	var refused *fieldgate.APIError
	if !errors.As(err, &refused) {
		return 0
	}
	return min(refused.RetryAfter, maxRetryAfter)
}

// sleep waits for d or until ctx ends, and reports whether it waited for all of d.
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

// isPermanent reports whether err is a refusal that the gateway would repeat for the same
// request. Only a problem document of the gateway can be permanent: the error page of a proxy is
// not. These refusals are not permanent either: those that refuse the device as a whole, rate
// limits, and those of a misconfigured gateway.
func isPermanent(err error) bool {
	var refused *fieldgate.APIError
	if !errors.As(err, &refused) || refused.Code == "" || refused.Status < 400 || refused.Status >= 500 {
		return false
	}
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	case http.StatusForbidden:
		return refused.Code == fieldgate.CodeInvalidClaimToken
	}
	switch refused.Code {
	case fieldgate.CodeNotFound, fieldgate.CodeMethodNotAllowed, fieldgate.CodeUnsupportedMediaType:
		return false
	}
	return true
}
