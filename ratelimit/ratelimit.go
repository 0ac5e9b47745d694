// Package ratelimit limits how often callers may ask, across all instances: the
// limits are kept in the store. It is for what has no device yet, such as an
// address, and for tenants; the limit of a device is part of the check of its
// token.
//
// The algorithm is GCRA: a limit has a sustained rate and a burst, and a refusal
// says exactly how long to wait. A refused request takes nothing.
package ratelimit

import (
	"context"
	"embed"
	"fmt"
	"net/netip"

	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var allowScript = store.NewScript(files, "lua/allow.lua")

// Limit is how often something may happen. The zero Limit is none.
type Limit struct {
	PerMinute int // sustained
	Burst     int // at once; at least 1
}

// Limits are the limits of the gateway. The zero Limits limit nothing.
type Limits struct {
	RegisterPerAddress Limit // registrations from one address
	RegisterTotal      Limit // registrations of all devices together
	AuthPerAddress     Limit // logins from one address
	PerTenant          Limit // requests of all people of one tenant
}

// Defaults are far above what honest use needs: many devices may share an
// address, and a whole site may come back at once after a power cut.
func Defaults() Limits {
	return Limits{
		RegisterPerAddress: Limit{PerMinute: 120, Burst: 120},
		RegisterTotal:      Limit{PerMinute: 3000, Burst: 1000},
		AuthPerAddress:     Limit{PerMinute: 600, Burst: 300},
		PerTenant:          Limit{PerMinute: 6000, Burst: 1000},
	}
}

// Scope says what is limited, and so what a subject is.
type Scope string

// The scopes and their subjects.
const (
	RegisterAddress Scope = "register"       // an address
	RegisterTotal   Scope = "register_total" // nothing: one limit for all
	AuthAddress     Scope = "auth"           // an address
	Tenant          Scope = "tenant"         // a tenant
)

// Limiter counts requests against limits. It is safe for concurrent use.
type Limiter struct {
	store  *store.Store
	limits map[Scope]Limit
}

// New makes a limiter over a store.
func New(s *store.Store, l Limits) *Limiter {
	return &Limiter{store: s, limits: map[Scope]Limit{
		RegisterAddress: l.RegisterPerAddress,
		RegisterTotal:   l.RegisterTotal,
		AuthAddress:     l.AuthPerAddress,
		Tenant:          l.PerTenant,
	}}
}

// Allow counts one request of a subject. It answers nil while the limit holds,
// and rate_limited with RetryAfter when it does not. A limit that is off costs
// nothing.
func (l *Limiter) Allow(ctx context.Context, scope Scope, subject string) error {
	limit := l.limits[scope]
	if limit.PerMinute <= 0 {
		return nil
	}
	interval := 60_000 / float64(limit.PerMinute)
	reply, err := l.store.Run(ctx, allowScript, []string{key(scope, subject)}, interval, max(limit.Burst, 1))
	if err != nil {
		return fmt.Errorf("counting a request: %w", err)
	}
	return refusal.Of(reply)
}

func key(scope Scope, subject string) string {
	switch scope {
	case Tenant:
		return store.Tenant(subject).RateKey()
	case RegisterAddress, AuthAddress:
		subject = network(subject)
	}
	return store.RateKey(string(scope), subject)
}

// network is what one client can hold of addresses: one of IPv4, but 2^64 of
// IPv6, where the smallest network has 64 bits for its hosts (RFC 4291, 2.5.1).
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Unmap().Is4() {
		return addr.Unmap().String()
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}
