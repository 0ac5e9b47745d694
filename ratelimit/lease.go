package ratelimit

import (
	"sync"
	"time"

	"github.com/fieldgate/fieldgate/recent"
)

// A busy tenant's requests are granted in batches, so that most of them run no script. An instance
// leases a batch from the store, which counts it at once. All instances together therefore never
// admit more than the limit. A batch is used within leaseFor, so that in any period they admit at
// most one batch each on top of it.
//
// A batch is an eighth of what the tenant has used in the last second, and at most a twentieth of
// the burst. The rest of a batch that is not used in time is lost to the tenant: a tenant whose
// requests stop suddenly loses an eighth of a second. So is a rest that is smaller than a request. A limit with a burst below 40 grants every
// request on its own.
const (
	leaseFor     = time.Second
	ratePart     = 8      // a batch is this part of what was used in the last second
	burstPart    = 20     // a batch is at most this part of the burst
	leaseTenants = 20_000 // maximum number of tenants with a lease, at about 200 bytes each
)

// leases holds the leases of all tenants. It is safe for concurrent use.
type leases struct {
	tenants *recent.Map[*lease]
	now     func() time.Time
}

func newLeases(now func() time.Time) *leases {
	return &leases{tenants: recent.New[*lease](recent.Config{Entries: leaseTenants}), now: now}
}

// of returns the lease of a tenant. Two concurrent calls may create two, of which one is used once.
func (l *leases) of(tenant string) *lease {
	found, ok := l.tenants.Get(tenant)
	if !ok {
		found = &lease{now: l.now}
		l.tenants.Add("", tenant, found)
	}
	return found
}

// lease counts the requests that an instance may admit of a tenant without the store.
type lease struct {
	now func() time.Time

	mu       sync.Mutex
	left     int       // cost of the requests that may still be admitted
	until    time.Time // end of the lease
	renewing bool      // true while a request asks the store for the next batch

	second time.Time // start of the second in which used is counted
	used   int       // cost of the requests of that second
	before int       // cost of the requests of the second before it
}

// take admits a request from the lease. If the lease does not suffice, it returns false and the
// batch to ask the store for. The caller must then call renew.
func (l *lease) take(cost, burst int) (batch int, admitted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.note(now, cost)
	if l.left >= cost && now.Before(l.until) {
		l.left -= cost
		return 0, true
	}
	if l.renewing {
		return 0, false
	}
	batch = min(max(l.before, l.used)/ratePart, burst/burstPart)
	if batch < 2 {
		return 0, false
	}
	l.renewing = true
	return batch, false
}

// renew sets the batch that the store has granted, of the one that take returned.
func (l *lease) renew(batch, granted int) {
	if batch == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.until, l.renewing = granted, l.now().Add(leaseFor), false
}

// note counts the cost of a request in its second. The caller holds l.mu.
func (l *lease) note(now time.Time, cost int) {
	if elapsed := now.Sub(l.second); elapsed >= time.Second {
		l.before = 0
		if elapsed < 2*time.Second {
			l.before = l.used
		}
		l.second, l.used = now, 0
	}
	l.used += cost
}
