package gateway

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
)

// These bound the tenants whose calls are counted.
const (
	countedTenants = 200         // number of tenants with counters
	shownTenants   = topTenants  // number of those that are exported
	halveEvery     = time.Minute // interval in which what was counted before loses half of its weight
)

// busiest counts the requests and frames of the tenants that send most of them. It has counters for a
// bounded number of tenants, and exports those of the busiest, so that the number of series is bounded
// however many tenants there are.
//
// It selects the tenants by the algorithm Space-Saving: a tenant without counters takes the place of
// the one with the lowest weight, and begins with its weight. A tenant that sends more than one of
// countedTenants calls lately is therefore never missed. It is safe for concurrent use.
type busiest struct {
	mu      sync.Mutex
	tenants map[string]*tenantCalls
	halved  time.Time
}

// tenantCalls are the counters of a tenant.
type tenantCalls struct {
	tenant          string
	weight          float64 // estimated number of calls, of which earlier ones count less
	served, limited float64
}

func newBusiest() *busiest { return &busiest{tenants: map[string]*tenantCalls{}, halved: time.Now()} }

// count counts a call of a tenant with the code of its refusal, or "". A call without a tenant is not
// counted.
func (b *busiest) count(tenant string, code fieldgate.Code) {
	if tenant == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.halved) >= halveEvery {
		b.halve()
		b.halved = now
	}
	calls := b.of(tenant)
	calls.weight++
	if code == fieldgate.CodeRateLimited || code == fieldgate.CodeQuotaExceeded {
		calls.limited++
		return
	}
	calls.served++
}

func (b *busiest) halve() {
	for _, calls := range b.tenants {
		calls.weight /= 2
	}
}

// of returns the counters of a tenant, which begin at zero if it had none.
func (b *busiest) of(tenant string) *tenantCalls {
	if calls, found := b.tenants[tenant]; found {
		return calls
	}
	calls := &tenantCalls{tenant: tenant}
	if len(b.tenants) == countedTenants {
		var lowest *tenantCalls
		for _, other := range b.tenants {
			if lowest == nil || other.weight < lowest.weight {
				lowest = other
			}
		}
		delete(b.tenants, lowest.tenant)
		calls.weight = lowest.weight
	}
	b.tenants[tenant] = calls
	return calls
}

// top returns copies of the counters of the busiest tenants.
func (b *busiest) top() []tenantCalls {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]tenantCalls, 0, len(b.tenants))
	for _, calls := range b.tenants {
		all = append(all, *calls)
	}
	slices.SortFunc(all, func(x, y tenantCalls) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.tenant, y.tenant))
	})
	return all[:min(len(all), shownTenants)]
}
