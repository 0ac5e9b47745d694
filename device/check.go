package device

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// seenEvery is how often it is written that a device was seen, at most.
const seenEvery = 5 * time.Second

// renewals is how many parts the idle time of a login has. A use renews the login
// only when that moves its end by one part at least, an hour by default, so that
// a busy device does not cause a write with every request.
const renewals = 7 * 24

// Principal is the device behind a token that was found good.
type Principal struct {
	Tenant   string
	DeviceID string

	// ExpiresAt is when the login ends unless it is used again. A connection that
	// outlives a request must check its token again before, and whenever it hears
	// that the device was registered, suspended, decommissioned or its logins revoked.
	ExpiresAt time.Time

	// Epoch is the one in which the login was opened. The device's record has
	// another as soon as its logins are over: what a request waits for is handed
	// out only while the two are the same.
	Epoch string
}

// Device names the keys of the device.
func (p Principal) Device() store.Device { return store.Device{Tenant: p.Tenant, ID: p.DeviceID} }

type contextKey struct{}

// NewContext gives a context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext gives the principal that a context carries, and false where it
// carries none.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// Check finds out, in one round trip, which device a token belongs to, renews the
// login, notes that the device was seen, and counts the request towards the
// device's rate limit. Refusals: unauthorized for a token that is malformed,
// unknown or expired, whose login was ended, or whose device is not active;
// rate_limited. An outage of the store is never unauthorized.
func (r *Registry) Check(ctx context.Context, token string) (Principal, error) {
	id, ok := deviceOfToken(token)
	if !ok {
		return Principal{}, refuse(fieldgate.CodeUnauthorized, "malformed")
	}
	interval, burst := r.cfg.DeviceRate.args()
	reply, err := r.run(ctx, checkScript,
		[]string{store.DeviceKey(id), store.LoginKey(id, hashOf(token)), store.DeviceRateKey(id)},
		[]any{
			r.cfg.LoginIdle.Milliseconds(), (r.cfg.LoginIdle / renewals).Milliseconds(), seenEvery.Milliseconds(),
			interval, burst, r.cfg.OnlineWithin.Milliseconds(),
		})
	if err != nil {
		return Principal{}, err
	}
	return Principal{Tenant: reply.String(2), DeviceID: id, ExpiresAt: moment(reply.String(3)), Epoch: reply.String(4)}, nil
}
