package queue

import (
	"context"
	"sync"
	"time"
)

// waiters holds the waiting claims of each device, in the order of their arrival. A wake-up
// goes to the device's first waiter that has no unused wake-up. A waiter that leaves commands
// in the ready queue wakes the next waiter. A waiter that leaves with an unused wake-up passes
// it on. One wake-up can therefore serve several waiters.
//
// A device has at most perDevice waiters, because each one holds a goroutine and polls.
type waiters struct {
	perDevice int

	mu       sync.Mutex
	byDevice map[string][]*waiter
	byTenant map[string]int64 // number of admitted waiters
	closed   chan struct{}
	once     sync.Once
}

// waiter is one waiting claim.
type waiter struct {
	device string
	tenant string        // set by admit; empty before
	woken  chan struct{} // holds at most one unused wake-up
	closed chan struct{}
}

func newWaiters(perDevice int) *waiters {
	return &waiters{perDevice: perDevice, byDevice: map[string][]*waiter{}, byTenant: map[string]int64{}, closed: make(chan struct{})}
}

// join adds a waiter behind the other waiters of the device. It returns nil if the device
// already has perDevice waiters. A claim must join before its first call of the store.
// Otherwise it could miss a wake-up between that call and its join.
func (ws *waiters) join(device string) *waiter {
	w := &waiter{device: device, woken: make(chan struct{}, 1), closed: ws.closed}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.byDevice[device]) >= ws.perDevice {
		return nil
	}
	ws.byDevice[device] = append(ws.byDevice[device], w)
	return w
}

// admit counts a waiter towards the quota of its tenant, once. It returns false if limit
// waiters of the tenant are admitted already. A limit of zero admits every waiter.
func (ws *waiters) admit(w *waiter, tenant string, limit int64) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	switch {
	case w.tenant != "":
		return true
	case limit > 0 && ws.byTenant[tenant] >= limit:
		return false
	}
	w.tenant = tenant
	ws.byTenant[tenant]++
	return true
}

// admitted returns the number of admitted waiters of a tenant.
func (ws *waiters) admitted(tenant string) int64 {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.byTenant[tenant]
}

// discount reverses admit. The caller holds ws.mu.
func (ws *waiters) discount(w *waiter) {
	if w.tenant == "" {
		return
	}
	if ws.byTenant[w.tenant]--; ws.byTenant[w.tenant] == 0 {
		delete(ws.byTenant, w.tenant)
	}
}

// leave removes a waiter. If the waiter has not used its wake-up, leave passes the
// wake-up on to the next waiter.
func (ws *waiters) leave(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.discount(w)
	rest := ws.byDevice[w.device]
	for i := range rest {
		if rest[i] == w {
			rest = append(rest[:i], rest[i+1:]...)
			break
		}
	}
	if len(rest) == 0 {
		delete(ws.byDevice, w.device)
		return
	}
	ws.byDevice[w.device] = rest
	select {
	case <-w.woken:
		rest[0].wake()
	default:
	}
}

// wake wakes the device's first waiter that has no unused wake-up.
func (ws *waiters) wake(device string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.byDevice[device] {
		if w.wake() {
			return
		}
	}
}

// wakeDevice wakes all waiters of a device.
func (ws *waiters) wakeDevice(device string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.byDevice[device] {
		w.wake()
	}
}

// wakeAll wakes the first waiter of every device.
func (ws *waiters) wakeAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, queue := range ws.byDevice {
		queue[0].wake()
	}
}

// close ends the wait of every waiter, including waiters that join later.
func (ws *waiters) close() { ws.once.Do(func() { close(ws.closed) }) }

// wake wakes the waiter. It returns false if the waiter already has an unused wake-up.
func (w *waiter) wake() bool {
	select {
	case w.woken <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait returns true when the claim should ask the store again: after a wake-up or after the
// interval. It returns false at the deadline, when the context is done and when the waiters
// are closed. If a wake-up arrives just as wait returns false, the wake-up stays in w.woken,
// and (*waiters).leave passes the wake-up on to the next waiter.
func (w *waiter) wait(ctx context.Context, deadline time.Time, interval time.Duration) bool {
	timer := time.NewTimer(min(time.Until(deadline), interval))
	defer timer.Stop()
	select {
	case <-w.woken:
		return true
	case <-timer.C:
		return time.Now().Before(deadline)
	case <-ctx.Done():
		return false
	case <-w.closed:
		return false
	}
}
