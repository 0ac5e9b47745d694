package queue

import (
	"context"
	"sync"
	"time"
)

// waiters are the claims that wait for a command, by device, in the order in
// which they came. A wake-up goes to the first; whoever leaves commands in the
// line, or leaves without having used its wake-up, passes it on.
type waiters struct {
	mu     sync.Mutex
	queues map[string][]*waiter
	closed chan struct{}
	once   sync.Once
}

type waiter struct {
	device string
	woken  chan struct{}
	closed chan struct{}
}

func newWaiters() *waiters {
	return &waiters{queues: map[string][]*waiter{}, closed: make(chan struct{})}
}

// join takes a place in the line before the first look at the store, so that no
// wake-up is lost in between.
func (ws *waiters) join(device string) *waiter {
	w := &waiter{device: device, woken: make(chan struct{}, 1), closed: ws.closed}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.queues[device] = append(ws.queues[device], w)
	return w
}

func (ws *waiters) leave(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	rest := ws.queues[w.device]
	for i := range rest {
		if rest[i] == w {
			rest = append(rest[:i], rest[i+1:]...)
			break
		}
	}
	if len(rest) == 0 {
		delete(ws.queues, w.device)
		return
	}
	ws.queues[w.device] = rest
	select {
	case <-w.woken:
		rest[0].wake()
	default:
	}
}

// wake wakes the first waiter of a device that is not awake already.
func (ws *waiters) wake(device string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.queues[device] {
		if w.wake() {
			return
		}
	}
}

func (ws *waiters) wakeAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, queue := range ws.queues {
		queue[0].wake()
	}
}

func (ws *waiters) close() { ws.once.Do(func() { close(ws.closed) }) }

func (w *waiter) wake() bool {
	select {
	case w.woken <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait answers true when it is time to look again: after a wake-up, which is
// never dropped for being the last thing that happens, or after the interval.
func (w *waiter) wait(ctx context.Context, until time.Time, interval time.Duration) bool {
	timer := time.NewTimer(min(time.Until(until), interval))
	defer timer.Stop()
	select {
	case <-w.woken:
		return true
	case <-timer.C:
		return time.Now().Before(until)
	case <-ctx.Done():
		return false
	case <-w.closed:
		return false
	}
}
