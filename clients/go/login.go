package fieldgate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// login keeps one device logged in. However many calls need a new token at the same
// time, one request is made for it.
type login struct {
	authenticate func(context.Context) (DeviceLogin, error)

	mu     sync.Mutex
	newest *attempt
}

// attempt is one login, running or over.
type attempt struct {
	refused string        // the token whose refusal led to it, if any
	done    chan struct{} // closed when what is below is there

	token   string
	err     error
	renewAt time.Time // zero: when it is refused
}

func newLogin(authenticate func(context.Context) (DeviceLogin, error)) *login {
	return &login{authenticate: authenticate}
}

// token is the credentials of the device. A caller whose context ends stops waiting
// and leaves the login to the others.
func (l *login) token(ctx context.Context, refused string) (string, error) {
	current := l.attempt(ctx, refused)
	select {
	case <-current.done:
		return current.token, current.err
	case <-ctx.Done():
		return "", fmt.Errorf("fieldgate: waiting for the login: %w", ctx.Err())
	}
}

// attempt gives the newest attempt, or begins another if that one does not help.
func (l *login) attempt(ctx context.Context, refused string) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.newest
	if last.helps(refused) {
		return last
	}
	l.newest = &attempt{refused: refused, done: make(chan struct{})}
	go l.run(context.WithoutCancel(ctx), l.newest, last)
	return l.newest
}

// helps tells whether the attempt answers a call that has no token yet, or whose
// token was refused.
func (a *attempt) helps(refused string) bool {
	switch {
	case a == nil:
		return false
	case a.running():
		return true
	case refused != "" && a.refused == refused:
		return true // one refused token is worth one login, even a failed one
	case a.err != nil, a.token == refused:
		return false
	}
	return a.renewAt.IsZero() || time.Now().Before(a.renewAt)
}

func (a *attempt) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// run logs in. If that was only to be early and fails, the token before it is used
// until it is refused, for a gateway in trouble is not to be asked again and again.
func (l *login) run(ctx context.Context, current, last *attempt) {
	defer close(current.done)
	granted, err := l.authenticate(ctx)
	switch {
	case err == nil:
		current.token, current.renewAt = granted.Token, renewalTime(granted.ExpiresInSeconds)
	case last != nil && last.err == nil && current.refused == "":
		current.token = last.token
	default:
		current.err = err
	}
}

// yearSeconds is the longest life that a login is trusted to have.
const yearSeconds = 365 * 24 * 60 * 60

// renewalTime is when 80 to 90 % of a token's life have passed, at random, so that
// devices that were switched on together do not all come back together.
func renewalTime(expiresInSeconds int) time.Time {
	if expiresInSeconds <= 0 {
		return time.Time{}
	}
	life := time.Duration(min(expiresInSeconds, yearSeconds)) * time.Second
	return time.Now().Add(life*8/10 + rand.N(life/10))
}

// held tells whether there is a login to end.
func (l *login) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest != nil && (l.newest.running() || l.newest.err == nil)
}

// forget makes the next call log in.
func (l *login) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = nil
}
