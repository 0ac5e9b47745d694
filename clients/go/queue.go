package fieldgate

import (
	"context"
	"sync"
)

// A queue hands what a socket has read to whoever deals with it, in order. When it is
// full, the reader waits, and with it the gateway. It does not wait while somebody needs
// an answer that is still to be read: that may be the one who would empty the queue.
type queue[T any] struct {
	limit int

	mu      sync.Mutex
	changed sync.Cond
	items   []T
	hurried int
	closed  bool
}

func newQueue[T any](limit int) *queue[T] {
	q := &queue[T]{limit: limit}
	q.changed.L = &q.mu
	return q
}

// push adds an item, once there is room for it. A closed queue takes nothing.
func (q *queue[T]) push(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) >= q.limit && q.hurried == 0 && !q.closed {
		q.changed.Wait()
	}
	if !q.closed {
		q.items = append(q.items, item)
		q.changed.Broadcast()
	}
}

// pop takes the next item out, once there is one. There is none when the context has
// ended, and none any more when the queue is closed and empty.
func (q *queue[T]) pop(ctx context.Context) (item T, ok bool) {
	defer context.AfterFunc(ctx, q.wake)()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed && ctx.Err() == nil {
		q.changed.Wait()
	}
	if len(q.items) == 0 || ctx.Err() != nil {
		return item, false
	}
	var none T
	item, q.items[0] = q.items[0], none
	q.items = q.items[1:]
	q.changed.Broadcast()
	return item, true
}

// hurry counts those who need an answer that is still to be read.
func (q *queue[T]) hurry(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hurried += n
	q.changed.Broadcast()
}

// close lets the reader go, and those who wait for items once there are none left.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

func (q *queue[T]) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}
