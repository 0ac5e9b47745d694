package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
)

// The bounds of list reads on one instance.
const (
	maxTenantReads = 8               // that a tenant has at the same time
	readWait       = 2 * time.Second // for which another one waits
)

// listOperations are the operations that read a list. Each may cost as much as dozens of
// other calls.
var listOperations = map[string]bool{
	"listDevices": true, "listSessions": true, "getSession": true, "listCommands": true,
	"listSessionEvents": true, "listApprovals": true, "listConnections": true,
}

// tenantReads bounds the list reads that each tenant has at the same time, so that one
// tenant cannot take the processors and the store's connections from the others. It is
// safe for concurrent use.
type tenantReads struct {
	limit int
	wait  time.Duration

	mu      sync.Mutex
	tenants map[string]*readSlots
}

// readSlots are the reads of one tenant. They are kept while a read uses them or waits.
type readSlots struct {
	taken chan struct{}
	users int
}

func newTenantReads(limit int, wait time.Duration) *tenantReads {
	return &tenantReads{limit: limit, wait: wait, tenants: map[string]*readSlots{}}
}

// acquire waits for a slot of the tenant. The caller must call release when its response
// is written. The refusal is overloaded if no slot becomes free in time.
func (r *tenantReads) acquire(ctx context.Context, tenant string) (release func(), err error) {
	slots := r.join(tenant)
	timeout := time.NewTimer(r.wait)
	defer timeout.Stop()
	select {
	case slots.taken <- struct{}{}:
		return func() {
			<-slots.taken
			r.leave(tenant, slots)
		}, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = errTooManyReads
	}
	r.leave(tenant, slots)
	return nil, err
}

func (r *tenantReads) join(tenant string) *readSlots {
	r.mu.Lock()
	defer r.mu.Unlock()
	slots := r.tenants[tenant]
	if slots == nil {
		slots = &readSlots{taken: make(chan struct{}, r.limit)}
		r.tenants[tenant] = slots
	}
	slots.users++
	return slots
}

func (r *tenantReads) leave(tenant string, slots *readSlots) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slots.users--; slots.users == 0 {
		delete(r.tenants, tenant)
	}
}

var errTooManyReads = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "This tenant reads as many lists as one instance serves at the same time: wait for those, or send the request again shortly.",
	RetryAfter: time.Second,
}

// admitRead waits until the tenant of a user may read another list. Other operations need
// not wait.
func (g *Gateway) admitRead(ctx context.Context, operationID string) (release func(), err error) {
	p, ok := customer.FromContext(ctx)
	if !ok || !listOperations[operationID] {
		return func() {}, nil
	}
	return g.reads.acquire(ctx, p.Tenant)
}
