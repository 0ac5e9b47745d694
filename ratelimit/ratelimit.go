// Package ratelimit limits the rate of requests across all instances. It keeps its state
// in the store. Its limits apply to tenants, and to IP addresses when a request has no tenant
// yet. Package device enforces the limit of a device when it checks the login token.
//
// A Local limits within one process instead, before the store is asked.
//
// The algorithm is GCRA. A limit has a sustained rate and a burst, and a refusal
// contains the exact time to wait. A refused request does not count against the limit.
package ratelimit

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// files holds the scripts of this package.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("ratelimit", files)

var allowScript = Scripts.Script("lua/allow.lua")

// Limit is a rate limit. The zero Limit allows every request.
type Limit struct {
	PerMinute int // maximum sustained cost per minute
	Burst     int // maximum total cost of requests that arrive at once; values below 1 mean 1
}

// Limits holds the limits of the gateway. The zero Limits allow every request.
type Limits struct {
	RegisterPerAddress Limit // registrations from one address
	RegisterTotal      Limit // registrations from all addresses together
	AuthPerAddress     Limit // logins from one address
	PerTenant          Limit // requests and frames of all users of one tenant

	// UnauthorizedPerAddress limits the refused credentials of one address at one instance.
	// The gateway enforces it with a Local.
	UnauthorizedPerAddress Limit
}

// Defaults returns limits far above the needs of legitimate use. Many devices may share one
// address, and all devices of a site may connect at once after a power cut.
func Defaults() Limits {
	return Limits{
		RegisterPerAddress: Limit{PerMinute: 120, Burst: 120},
		RegisterTotal:      Limit{PerMinute: 3000, Burst: 1000},
		AuthPerAddress:     Limit{PerMinute: 600, Burst: 300},
		PerTenant:          Limit{PerMinute: 6000, Burst: 1000},

		UnauthorizedPerAddress: Limit{PerMinute: 600, Burst: 300},
	}
}

// Scope selects a limit. Each subject of the scope, such as one address, has a limit of its
// own.
type Scope string

// These are the scopes. Each comment describes the subjects of the scope.
const (
	RegisterAddress Scope = "register"         // each subject is an IP address
	RegisterTotal   Scope = "register_total"   // no subject, because all requests share one limit
	RegisterSuspect Scope = "register_suspect" // no subject, because all suspected sites share one limit
	AuthAddress     Scope = "auth"             // each subject is an IP address
	Tenant          Scope = "tenant"           // each subject is a tenant
)

// Limiter enforces the limits. It is safe for concurrent use.
type Limiter struct {
	store   *store.Store
	limits  map[Scope]Limit
	refused *table  // how long the store would refuse a key, so that it is not asked meanwhile
	leases  *leases // what tenants may use without asking the store
}

// New returns a limiter that enforces the limits l and keeps its state in s.
func New(s *store.Store, l Limits) *Limiter {
	return &Limiter{store: s, refused: newTable(65_536, time.Now), leases: newLeases(time.Now), limits: map[Scope]Limit{
		RegisterAddress: l.RegisterPerAddress,
		RegisterTotal:   l.RegisterTotal,
		RegisterSuspect: halfOf(l.RegisterTotal),
		AuthAddress:     l.AuthPerAddress,
		Tenant:          l.PerTenant,
	}}
}

// halfOf returns half of a limit, but at least one request per minute. Half of no limit is no
// limit.
func halfOf(l Limit) Limit {
	if l.PerMinute <= 0 {
		return Limit{}
	}
	return Limit{PerMinute: max(l.PerMinute/2, 1), Burst: l.Burst / 2}
}

// Allow calls AllowCost with a cost of 1.
func (l *Limiter) Allow(ctx context.Context, scope Scope, subject string) error {
	return l.AllowCost(ctx, scope, subject, 1)
}

// AllowCost counts the cost of one request of a subject. A cost below 1 counts as 1, and a
// cost above the burst counts as the burst. AllowCost returns nil while the subject is within
// its limit, and otherwise rate_limited with RetryAfter. For a zero Limit it does not call the
// store. Nor does it for an address that the store has refused, until RetryAfter has passed, and
// for most requests of a busy tenant: see lease.
func (l *Limiter) AllowCost(ctx context.Context, scope Scope, subject string, cost int) error {
	limit := l.limits[scope]
	if limit.PerMinute <= 0 {
		return nil
	}
	cost = max(cost, 1)
	if scope == Tenant {
		return l.allowTenant(ctx, subject, limit, cost)
	}
	key := key(scope, subject)
	if wait := l.refused.left(key); wait > 0 {
		return limited(wait)
	}
	_, err := l.count(ctx, key, limit, cost, 0)
	var refused *fieldgate.Error
	if errors.As(err, &refused) && refused.Code == fieldgate.CodeRateLimited {
		l.refused.extend(key, refused.RetryAfter)
	}
	return err
}

// allowTenant counts a request of a tenant. It asks the store only if the tenant's lease does not
// suffice.
func (l *Limiter) allowTenant(ctx context.Context, tenant string, limit Limit, cost int) error {
	burst := max(limit.Burst, 1)
	lease := l.leases.of(tenant)
	batch, admitted := lease.take(min(cost, burst), burst)
	if admitted {
		return nil
	}
	granted, err := l.count(ctx, key(Tenant, tenant), limit, cost, batch)
	lease.renew(batch, granted)
	return err
}

// count counts a request in the store, and a batch of further requests. It returns the batch that
// was counted.
func (l *Limiter) count(ctx context.Context, key string, limit Limit, cost, batch int) (granted int, err error) {
	interval := 60_000 / float64(limit.PerMinute)
	reply, err := l.store.Run(ctx, allowScript, []string{key}, interval, max(limit.Burst, 1), cost, batch)
	if err != nil {
		return 0, fmt.Errorf("counting a request: %w", err)
	}
	if err := refusal.Of(reply); err != nil {
		return 0, err
	}
	return int(reply.Int(2)), nil
}

// Counted reports whether requests of a subject were counted that its limit has not forgotten yet.
func (l *Limiter) Counted(ctx context.Context, scope Scope, subject string) (counted bool, err error) {
	err = l.store.Do(ctx, "read_rate", func(ctx context.Context, c store.Client) error {
		found, err := c.Exists(ctx, key(scope, subject)).Result()
		counted = found == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading a rate limit: %w", err)
	}
	return counted, nil
}

// Reset forgets the requests of a subject, so that it may use the whole burst at once. It reports
// whether there were any. An address that an instance has refused stays refused there until
// RetryAfter has passed.
func (l *Limiter) Reset(ctx context.Context, scope Scope, subject string) (counted bool, err error) {
	err = l.store.Do(ctx, "reset_rate", func(ctx context.Context, c store.Client) error {
		removed, err := c.Del(ctx, key(scope, subject)).Result()
		counted = removed == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("resetting a rate limit: %w", err)
	}
	return counted, nil
}

// key returns the Redis key of the limit of a subject.
func key(scope Scope, subject string) string {
	switch scope {
	case Tenant:
		return store.Tenant(subject).RateKey()
	case RegisterAddress, AuthAddress:
		subject = Network(subject)
	}
	return store.RateKey(string(scope), subject)
}

// Network returns the network that a single client may control. That is one IPv4 address or
// one IPv6 network of 2^64 addresses, because an IPv6 host may choose the last 64 bits (RFC
// 4291, section 2.5.1).
func Network(address string) string { return networkOf(address, 64) }

// Site returns the network that a single customer of a provider may control. That is one IPv4
// address or one IPv6 network with a prefix of 48 bits (RFC 6177).
func Site(address string) string { return networkOf(address, 48) }

func networkOf(address string, bits int) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Unmap().Is4() {
		return addr.Unmap().String()
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked().String()
}
