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

	// Login is the check of the login by the transition that the request causes. If Recall
	// returned the principal, no script has checked the login before.
	Login *store.LoginCheck
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
	return r.CheckCost(ctx, token, 1)
}

// CheckCost is Check for a request that counts as much as several. A cost below 1 means 1.
func (r *Registry) CheckCost(ctx context.Context, token string, cost int) (Principal, error) {
	id, ok := deviceIDOfToken(token)
	if !ok {
		return Principal{}, refuse(fieldgate.CodeUnauthorized, fieldgate.ReasonMalformed)
	}
	hash := hashOf(token)
	check := r.loginCheck(hash, cost)
	reply, err := r.run(ctx, checkScript, []string{store.DeviceKey(id), store.LoginKey(id, hash), store.DeviceRateKey(id)}, check.Args())
	if err != nil {
		r.known.Forget(hash)
		return Principal{}, err
	}
	check.Note(reply)
	r.known.Add("", hash, reply.String(2))
	return Principal{Tenant: reply.String(2), DeviceID: id, ExpiresAt: store.ParseTime(reply.String(3)), Login: check}, nil
}

// Recall returns the principal of a login that Check has verified on this instance, without
// asking the store. It returns false for a login that it does not remember. A login is forgotten
// when the store refuses it.
//
// The login may have ended. The principal is therefore only for a transition whose script checks
// Principal.Login. If there is none after all, the caller must call Check.
func (r *Registry) Recall(token string, cost int) (Principal, bool) {
	id, ok := deviceIDOfToken(token)
	if !ok {
		return Principal{}, false
	}
	hash := hashOf(token)
	tenant, ok := r.known.Get(hash)
	if !ok {
		return Principal{}, false
	}
	return Principal{Tenant: tenant, DeviceID: id, Login: r.loginCheck(hash, cost)}, true
}

// Forget removes a login from those that Recall remembers, so that the next request with its token
// is checked by the store first.
func (r *Registry) Forget(token string) { r.known.Forget(hashOf(token)) }

// loginCheck returns the check of a login for one request.
func (r *Registry) loginCheck(hash string, cost int) *store.LoginCheck {
	return &store.LoginCheck{Login: hash, Cost: max(cost, 1), Settings: r.loginSettings, Refused: func() { r.known.Forget(hash) }}
}

// loginSettings returns store.LoginCheck.Settings.
func loginSettings(cfg Config) []any {
	interval, burst := cfg.DeviceRate.args()
	return []any{
		cfg.LoginIdle.Milliseconds(), (cfg.LoginIdle / renewalParts).Milliseconds(), seenEvery.Milliseconds(),
		interval, burst, cfg.OnlineWithin.Milliseconds(),
	}
}
