package realtime

import (
	"context"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Rate is a rate limit. The zero Rate allows everything.
type Rate struct {
	PerMinute int // the sustained number per minute
	Burst     int // the number allowed at once; values below 1 mean 1
}

// half returns a rate of half as many, but at least one.
func (r Rate) half() Rate {
	if r.PerMinute <= 0 {
		return Rate{}
	}
	return Rate{PerMinute: max(r.PerMinute/2, 1), Burst: max(r.Burst/2, 1)}
}

// bucket limits a rate in the memory of this instance. It may be charged for more than it
// holds, and then refuses until it has earned that much. The zero bucket allows everything.
// The caller guards a bucket.
type bucket struct {
	interval time.Duration // in which the bucket earns one; zero: no limit
	burst    time.Duration // in which the bucket earns all but one of its burst
	earned   time.Time     // time at which the bucket has earned everything that it was charged for
}

func newBucket(r Rate) bucket {
	if r.PerMinute <= 0 {
		return bucket{}
	}
	interval := time.Minute / time.Duration(r.PerMinute)
	return bucket{interval: interval, burst: time.Duration(max(r.Burst, 1)-1) * interval}
}

// wait returns the time until the bucket allows the next one. It is zero or negative if the
// bucket allows one now.
func (b *bucket) wait(now time.Time) time.Duration {
	if b.interval == 0 {
		return 0
	}
	return max(b.earned.Sub(now), 0) - b.burst
}

// charge takes n from the bucket.
func (b *bucket) charge(now time.Time, n int) {
	if b.earned.Before(now) {
		b.earned = now
	}
	b.earned = b.earned.Add(time.Duration(n) * b.interval)
}

// most returns n, or the burst if that is less. A caller that charges no more exceeds the
// rate only by the burst.
func (b *bucket) most(n int) int {
	if b.interval == 0 {
		return n
	}
	return min(n, int(b.burst/b.interval)+1)
}

// full reports whether the bucket has its whole burst.
func (b *bucket) full(now time.Time) bool { return !b.earned.After(now) }

// The reasons for refusing a handshake, which are values of a metric's label.
const (
	refusedSockets       = "sockets"        // the instance has as many sockets as it may
	refusedTenantSockets = "tenant_sockets" // the tenant has as many sockets as it may
	refusedRate          = "rate"           // too many sockets open at this time
	refusedBusy          = "busy"           // too many handshakes wait for their turn
)

// handshakeWait is the time for which a handshake waits for its turn. It is shorter than the timeouts
// of clients, so that they learn of the refusal.
const handshakeWait = 5 * time.Second

// turnTime is the time after which a handshake passes its turn on, although it is not done. Served
// at once, a handshake takes less. One that takes longer waits for the store rather than for a
// processor, and would keep the others waiting for nothing.
const turnTime = 5 * time.Millisecond

// turns bounds the number of handshakes that are served at the same time. A handshake needs about a
// millisecond of a processor and waits for the store twice. When an instance has died, its clients
// reconnect within half a second. If all of them were served at the same time, every other request
// would wait behind them.
type turns struct {
	begun  semaphore // handshakes that have their turn
	served semaphore // those, and handshakes that have passed their turn on
}

// newTurns returns turns for two handshakes for each processor. If the store is slow, it is the number
// of served handshakes that bounds their rate, so there may be many more of these.
func newTurns(processors int) turns {
	return turns{begun: make(semaphore, 2*processors), served: make(semaphore, 32*processors)}
}

// acquire waits for a turn, in the order of the callers. The caller must call release when the
// handshake is done.
func (t turns) acquire(ctx context.Context) (release func(), err error) {
	if err := t.served.acquire(ctx); err != nil {
		return nil, err
	}
	if err := t.begun.acquire(ctx); err != nil {
		t.served.release()
		return nil, err
	}
	pass := sync.OnceFunc(t.begun.release)
	passed := time.AfterFunc(turnTime, pass)
	return func() {
		passed.Stop()
		pass()
		t.served.release()
	}, nil
}

// AwaitTurn waits until a handshake may be served. The caller must call release when the socket is
// open, or was refused. Handshakes have their turns in the order of their arrival. AwaitTurn returns
// overloaded if the wait is too long. The others wait at least as long then, so the client should not
// return earlier.
func (h *Hub) AwaitTurn(ctx context.Context) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, handshakeWait)
	defer cancel()
	release, err = h.turns.acquire(waiting)
	switch {
	case err == nil:
		return release, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	h.metrics.refused(refusedBusy)
	return nil, tooManyHandshakes(handshakeWait)
}

// admit counts the socket s towards the limits before s opens. It returns an error if the
// handshake must be refused, and a code if the socket must be closed as soon as it is open.
// Unless it returns an error, the caller must call connectionClosed.
func (h *Hub) admit(s *Socket) (CloseCode, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.draining {
		if err := h.refuseHandshake(s.Tenant, time.Now()); err != nil {
			return 0, err
		}
	}
	h.connections++
	h.connectionsOf[s.Tenant]++
	switch {
	case h.draining:
		return CloseGoingAway, nil
	case h.tenants[s.Tenant] >= h.cfg.MaxPerTenant:
		h.metrics.refused(refusedTenantSockets)
		return CloseOverloaded, nil
	}
	h.tenants[s.Tenant]++
	h.opening[s.ID()] = s
	return 0, nil
}

// refuseHandshake returns an error if the instance has too many sockets, or if too many
// sockets open at this time. A tenant may use half of the rate, so that it leaves the other
// half to the others. The caller holds h.mu.
func (h *Hub) refuseHandshake(tenant string, now time.Time) error {
	switch {
	case h.cfg.MaxSockets > 0 && h.connections >= h.cfg.MaxSockets:
		h.metrics.refused(refusedSockets)
		return errTooManySockets
	case h.connectionsOf[tenant] >= h.maxConnectionsPerTenant():
		h.metrics.refused(refusedTenantSockets)
		return errTooManySockets
	}
	own := h.tenantHandshakes(tenant)
	if wait := max(own.wait(now), h.handshakes.wait(now)); wait > 0 {
		h.metrics.refused(refusedRate)
		return tooManyHandshakes(wait)
	}
	own.charge(now, 1)
	h.handshakes.charge(now, 1)
	return nil
}

// maxClosing is the number of a tenant's sockets that may close at the same time with a close
// code. A further one beyond MaxPerTenant is refused before it opens.
const maxClosing = 100

// maxConnectionsPerTenant returns the maximum number of connections of a tenant's sockets. It
// leaves a quarter of MaxSockets to the others, however many sockets of the tenant close.
func (h *Hub) maxConnectionsPerTenant() int {
	most := h.cfg.MaxPerTenant + maxClosing
	if h.cfg.MaxSockets > 0 {
		most = min(most, max(h.cfg.MaxSockets*3/4, 1))
	}
	return most
}

// tenantHandshakes returns the bucket of a tenant's handshakes. The caller holds h.mu.
func (h *Hub) tenantHandshakes(tenant string) *bucket {
	b := h.handshakesOf[tenant]
	if b == nil {
		created := newBucket(h.cfg.Handshakes.half())
		b = &created
		h.handshakesOf[tenant] = b
	}
	return b
}

// forgetHandshakes removes the buckets of tenants that opened no socket lately.
func (h *Hub) forgetHandshakes() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for tenant, b := range h.handshakesOf {
		if b.full(now) {
			delete(h.handshakesOf, tenant)
		}
	}
}

// connectionClosed reverses the part of admit that counts connections. It is called when the
// connection is closed, which is later than the socket if the client does not answer the
// close frame.
func (s *Socket) connectionClosed() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connections--
	if h.connectionsOf[s.Tenant]--; h.connectionsOf[s.Tenant] == 0 {
		delete(h.connectionsOf, s.Tenant)
	}
}

// release reverses the part of admit that counts towards the tenant.
func (h *Hub) release(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.opening, s.ID())
	if h.tenants[s.Tenant]--; h.tenants[s.Tenant] == 0 {
		delete(h.tenants, s.Tenant)
	}
}

var errTooManySockets = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "This instance has as many sockets as it serves: open the socket again later.",
	RetryAfter: 5 * time.Second,
}

func tooManyHandshakes(wait time.Duration) error {
	return &fieldgate.Error{
		Code:       fieldgate.CodeOverloaded,
		Detail:     "More sockets open at this time than this instance admits: open the socket again shortly.",
		RetryAfter: max(wait, time.Second),
	}
}
