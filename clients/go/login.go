package fieldgate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A login keeps one device logged in. Concurrent calls that need a new token share one login
// request.
type login struct {
	authenticate func(context.Context) (DeviceLogin, error)

	mu     sync.Mutex
	latest *loginAttempt // nil before the first attempt and after a logout
}

// A loginAttempt is one login request, either running or done.
type loginAttempt struct {
	refused string        // the refused token that caused the attempt, or empty if there was none
	done    chan struct{} // closed when the fields below are set

	token   string
	err     error
	renewAt time.Time // when to renew the token; zero means only after a refusal
}

func newLogin(authenticate func(context.Context) (DeviceLogin, error)) *login {
	return &login{authenticate: authenticate}
}

// token returns the login token, and logs in if necessary. refused is the token that the
// gateway has refused, or empty. If ctx ends, the login attempt continues for the other
// callers.
func (l *login) token(ctx context.Context, refused string) (string, error) {
	attempt := l.attempt(ctx, refused)
	select {
	case <-attempt.done:
		return attempt.token, attempt.err
	case <-ctx.Done():
		return "", fmt.Errorf("fieldgate: waiting for the login: %w", ctx.Err())
	}
}

// attempt returns the latest attempt if it is usable, and otherwise starts a new attempt.
func (l *login) attempt(ctx context.Context, refused string) *loginAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.latest
	if last.usable(refused) {
		return last
	}
	l.latest = &loginAttempt{refused: refused, done: make(chan struct{})}
	go l.run(context.WithoutCancel(ctx), l.latest, last)
	return l.latest
}

// usable reports whether a call can use the token of the attempt. refused is the token that the
// gateway has refused for this call, or empty.
func (a *loginAttempt) usable(refused string) bool {
	switch {
	case a == nil:
		return false
	case a.running():
		return true
	case refused != "" && a.refused == refused:
		return true // a refused token causes only one login, even if the login fails
	case a.err != nil, a.token == refused:
		return false
	}
	return a.renewAt.IsZero() || time.Now().Before(a.renewAt)
}

func (a *loginAttempt) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// run logs in. If an early renewal fails, the previous token stays in use until the gateway
// refuses it. Otherwise every call would send a login request to a gateway that fails.
func (l *login) run(ctx context.Context, attempt, last *loginAttempt) {
	defer close(attempt.done)
	granted, err := l.authenticate(ctx)
	switch {
	case err == nil:
		attempt.token, attempt.renewAt = granted.Token, renewalTime(granted.ExpiresInSeconds)
	case last != nil && last.err == nil && attempt.refused == "":
		attempt.token = last.token
	default:
		attempt.err = err
	}
}

// yearSeconds is one year in seconds. renewalTime treats longer lifetimes of tokens as one year.
const yearSeconds = 365 * 24 * 60 * 60

// renewalTime returns the time at which to renew a token. It is random, between 80 and 90 % of
// the lifetime of the token, so that devices that were switched on together do not renew
// together.
func renewalTime(expiresInSeconds int) time.Time {
	if expiresInSeconds <= 0 {
		return time.Time{}
	}
	lifetime := time.Duration(min(expiresInSeconds, yearSeconds)) * time.Second
	return time.Now().Add(lifetime*8/10 + rand.N(lifetime/10))
}

// active reports whether there is a login to end.
func (l *login) active() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest != nil && (l.latest.running() || l.latest.err == nil)
}

// forget removes the login, so that the next call logs in.
func (l *login) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = nil
}
