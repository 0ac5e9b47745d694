package fieldgate

import (
	"context"
	"sync"
)

// A queue passes the frames that the reader of a socket has read to their consumer, in
// order. The reader waits while the queue is full, so that the gateway has to wait too.
// The reader does not wait while a call needs a reply that it has yet to read: the caller
// may be the consumer itself, which would never empty the queue.
type queue[T any] struct {
	limit int

	mu           sync.Mutex
	changed      sync.Cond
	items        []T
	pendingCalls int // while above zero, the limit does not apply
	closed       bool
}

func newQueue[T any](limit int) *queue[T] {
	q := &queue[T]{limit: limit}
	q.changed.L = &q.mu
	return q
}

// push adds an item, and waits while the queue is full. A closed queue drops the item.
func (q *queue[T]) push(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) >= q.limit && q.pendingCalls == 0 && !q.closed {
		q.changed.Wait()
	}
	if !q.closed {
		q.items = append(q.items, item)
		q.changed.Broadcast()
	}
}

// pop removes and returns the next item, and waits while there is none. It reports false
// when the context has ended, or when the queue is closed and empty.
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
	var zero T
	item, q.items[0] = q.items[0], zero
	q.items = q.items[1:]
	q.changed.Broadcast()
	return item, true
}

// addPendingCalls adds n to the number of calls that wait for a reply.
func (q *queue[T]) addPendingCalls(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pendingCalls += n
	q.changed.Broadcast()
}

// close makes push return at once, and pop once the queue is empty.
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
