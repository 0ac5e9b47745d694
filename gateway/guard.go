package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/ratelimit"
	"github.com/fieldgate/fieldgate/refusal"
)

const (
	// endedFor is the time for which an instance remembers a credential that was issued here
	// and has ended. Such a credential never becomes valid again.
	endedFor = time.Minute

	// suspectedFor is the time for which a site is suspected after a wrong activation code.
	suspectedFor = time.Hour
)

// guard limits the refused credentials of each network at this instance, so that a stranger
// cannot make it ask the store at will.
//
// A network is one IPv4 address, or an IPv6 network with a prefix of 64 bits. Honest devices
// may share it with the stranger. So a credential that this installation issued is always
// verified, and only the others count and are refused: see package credential.
type guard struct {
	failures *ratelimit.Local // of a network
	ended    *ratelimit.Local // of a credential that was issued here
	suspects *ratelimit.Local // of a site that has sent a wrong activation code
}

func newGuard(limits ratelimit.Limits) *guard {
	limit := limits.UnauthorizedPerAddress
	if limit.PerMinute <= 0 {
		off := ratelimit.NewLocal(ratelimit.LocalConfig{})
		return &guard{failures: off, ended: off, suspects: off}
	}
	return &guard{
		failures: ratelimit.NewLocal(ratelimit.LocalConfig{Interval: time.Minute / time.Duration(limit.PerMinute), Burst: limit.Burst}),
		ended:    ratelimit.NewLocal(ratelimit.LocalConfig{Interval: endedFor}),
		suspects: ratelimit.NewLocal(ratelimit.LocalConfig{Interval: suspectedFor}),
	}
}

// verify verifies a credential with check, which asks the store. issued reports whether this
// installation issued the credential. Errors: those of check; unauthorized for a credential
// that has ended; rate_limited for one that was not issued here, from a network over its limit.
func (g *guard) verify(ctx context.Context, token string, issued bool, check func() error) error {
	if issued {
		return g.verifyIssued(token, check)
	}
	network := ratelimit.Network(request.Addr(ctx).String())
	// The failure is counted before it is known, so that concurrent requests cannot exceed
	// the limit.
	if err := g.failures.Take(network); err != nil {
		return tooManyFailures(err)
	}
	err := check()
	if !fieldgate.IsUnauthorized(err) {
		g.failures.Return(network)
	}
	return err
}

// verifyIssued verifies a credential that this installation issued.
func (g *guard) verifyIssued(token string, check func() error) error {
	if g.ended.Exhausted(token) {
		refused := refusal.New(fieldgate.CodeUnauthorized)
		refused.Reason = fieldgate.ReasonRefusedBefore
		return refused
	}
	err := check()
	if fieldgate.IsUnauthorized(err) {
		_ = g.ended.Take(token)
	}
	return err
}

// count counts a credential that was verified without the store. It returns err, or
// rate_limited if err is a fault of the credential and the network is over its limit. A token
// whose key is unknown is such a fault, although the key may be new.
func (g *guard) count(ctx context.Context, err error) error {
	if !fieldgate.IsUnauthorized(err) && fieldgate.ReasonOf(err) == "" {
		return err
	}
	if limited := g.failures.Take(ratelimit.Network(request.Addr(ctx).String())); limited != nil {
		return tooManyFailures(limited)
	}
	return err
}

// tooManyFailures adds the reason to the refusal of a network over its limit.
func tooManyFailures(err error) error {
	var refused *fieldgate.Error
	if errors.As(err, &refused) {
		refused.Reason = fieldgate.ReasonTooManyFailures
	}
	return err
}

// suspect records that the caller has sent a wrong activation code.
func (g *guard) suspect(ctx context.Context) {
	_ = g.suspects.Take(ratelimit.Site(request.Addr(ctx).String()))
}

// suspected reports whether the site of the caller has sent a wrong activation code lately.
func (g *guard) suspected(ctx context.Context) bool {
	return g.suspects.Exhausted(ratelimit.Site(request.Addr(ctx).String()))
}
