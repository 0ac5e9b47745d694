package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// How long to wait before trying again: a random part ("full jitter") of a bound that
// doubles with each try. A device that is refused asks more rarely: that changes when a
// person does something.
const (
	backoffBase    = 500 * time.Millisecond
	backoffCap     = time.Minute
	backoffRefused = 5 * time.Minute
	maxHint        = time.Hour // the longest wait that the other side may ask for
)

// A backoff counts the tries since the last success.
type backoff struct{ tries int }

// pause waits after a failure, and tells whether the context lasted that long.
func (b *backoff) pause(ctx context.Context, err error) bool { return pause(ctx, b.delay(err)) }

func (b *backoff) delay(err error) time.Duration {
	longest, hint := backoffCap, time.Duration(0)
	var refused *fieldgate.APIError
	if errors.As(err, &refused) {
		hint = min(refused.RetryAfter, maxHint)
		if refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden {
			longest = backoffRefused
		}
	}
	bound := min(backoffBase<<min(b.tries, 12), longest)
	b.tries++
	return hint + rand.N(bound)
}

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

// settled tells whether a refusal stands however often the request is repeated. What does
// not come from the gateway, such as a proxy's page, never counts, nor does what the
// device itself is refused for, or a gateway that is not set up as it should be.
func settled(err error) bool {
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
