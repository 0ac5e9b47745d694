package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/customer"
)

// readWait is the time for which a read beyond the limit waits for its turn.
const readWait = 2 * time.Second

// readLimit returns the maximum number of concurrent list reads of a tenant on one instance. A
// list may take 20 ms of a processor, and half of the processors are for other requests. Two
// lists overlap even on one processor, because each of them also waits for the store.
func readLimit(processors int) int { return min(max(processors/2, 2), 8) }

// listOperations are the operations that read a list. One such call may cost as much
// as dozens of other calls.
var listOperations = map[string]bool{
	"listDevices": true, "listSessions": true, "getSession": true, "listCommands": true, "listTenantCommands": true,
	"listSessionEvents": true, "listApprovals": true, "listConnections": true, "listCutOffs": true, "listPolicyVersions": true, "listPasskeys": true,
}

// maxLargeReads is the maximum number of concurrent large reads of a tenant on one instance. A large
// response takes up to 4 MiB until its reader has taken it, so that they take no more than the bodies
// that the instance holds of a tenant.
const maxLargeReads = 8

// largeOperations are the operations that return one record of up to a megabyte: a result, or the output
// of a running command. They have a limit of their own, so that a reader on a slow link keeps no one
// from lists.
var largeOperations = map[string]bool{"getCommand": true, "getCommandOutput": true}

// tenantReads limits the reads of one kind that each tenant runs at the same time. Otherwise one
// tenant could use up the processors, the memory and the connections to the store. tenantReads is
// safe for concurrent use.
type tenantReads struct {
	limit int
	wait  time.Duration

	mu      sync.Mutex
	tenants map[string]*readSlots
}

// readSlots holds the slots for the reads of one tenant, while a read has or awaits one.
type readSlots struct {
	taken chan struct{}
	users int
}

func newTenantReads(limit int, wait time.Duration) *tenantReads {
	return &tenantReads{limit: limit, wait: wait, tenants: map[string]*readSlots{}}
}

// acquire waits for a slot of the tenant. The caller must call release after writing the
// response. If no slot becomes free in time, acquire returns the refusal overloaded.
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
	Detail:     "This tenant reads as many lists, or as many commands, as one instance serves at the same time: wait for those, or send the request again shortly.",
	RetryAfter: time.Second,
}

// admitRead waits for a slot of the user's tenant if the operation reads a list or a large record. For
// any other operation it returns at once.
func (g *Gateway) admitRead(ctx context.Context, operationID string) (release func(), err error) {
	p, ok := customer.FromContext(ctx)
	switch {
	case ok && listOperations[operationID]:
		return g.lists.acquire(ctx, p.Tenant)
	case ok && largeOperations[operationID]:
		return g.largeReads.acquire(ctx, p.Tenant)
	}
	return func() {}, nil
}
