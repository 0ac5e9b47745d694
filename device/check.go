package device

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// seenEvery is the minimum interval between two writes of last_seen.
const seenEvery = 5 * time.Second

// renewalParts divides the idle time of a login. A request renews its login only if the
// expiry moves by more than LoginIdle / renewalParts, which is an hour by default.
// Otherwise a busy device would cause a write with every request.
const renewalParts = 7 * 24

// Principal is the device that a valid token belongs to.
type Principal struct {
	Tenant   string
	DeviceID string

	// ExpiresAt is the time at which the login expires if it is not used again. A
	// connection that outlives its request must check its token again before that time.
	// It must also check the token when an event reports that the device was registered,
	// suspended or decommissioned, or that its logins were revoked.
	ExpiresAt time.Time

	// Epoch is the epoch of the device's record at which the login was opened. When the
	// logins of a device are ended, the epoch of its record changes. A waiting request
	// receives commands only while the two epochs are equal.
	Epoch string

	// Login is the hash of the token, which names the login's record. A waiting request
	// receives commands only while that record exists. A logout deletes the record. A
	// newer login also deletes it if the device then has more logins than allowed.
	Login string
}

// Device returns the device as a store.Device, which builds its store keys.
func (p Principal) Device() store.Device { return store.Device{Tenant: p.Tenant, ID: p.DeviceID} }

type contextKey struct{}

// NewContext returns a copy of the context that carries the principal.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the principal in ctx, and reports whether ctx has one.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// Check returns the device to which token belongs. In the same round trip, it renews the
// login, writes last_seen, and counts the request towards the device's rate limit.
//
// Errors: unauthorized if the token is malformed, unknown or expired, if the login has
// ended, or if the device is not active; rate_limited. An outage of the store is
// store_unavailable, never unauthorized.
func (r *Registry) Check(ctx context.Context, token string) (Principal, error) {
	id, ok := deviceIDOfToken(token)
	if !ok {
		return Principal{}, refuse(fieldgate.CodeUnauthorized, "malformed")
	}
	login := hashOf(token)
	interval, burst := r.cfg.DeviceRate.args()
	reply, err := r.run(ctx, checkScript,
		[]string{store.DeviceKey(id), store.LoginKey(id, login), store.DeviceRateKey(id)},
		[]any{
			r.cfg.LoginIdle.Milliseconds(), (r.cfg.LoginIdle / renewalParts).Milliseconds(), seenEvery.Milliseconds(),
			interval, burst, r.cfg.OnlineWithin.Milliseconds(),
		})
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Tenant: reply.String(2), DeviceID: id, ExpiresAt: store.ParseTime(reply.String(3)), Epoch: reply.String(4), Login: login,
	}, nil
}
