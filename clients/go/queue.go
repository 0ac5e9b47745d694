package fieldgate

import (
	"context"
	"sync"
)

// A queue passes frames from the reader goroutine of a socket to their consumer, in order. While
// the queue is full, the reader goroutine waits, which in turn makes the gateway wait. It does
// not wait while a call waits for its reply. Otherwise a consumer that makes a call would wait
// forever, because it does not empty the queue meanwhile.
type queue[T any] struct {
	limit int

	mu           sync.Mutex
	changed      sync.Cond
	items        []T
	pendingCalls int // while above zero, push does not block
	closed       bool
}

func newQueue[T any](limit int) *queue[T] {
	q := &queue[T]{limit: limit}
	q.changed.L = &q.mu
	return q
}

// push adds an item, and blocks while the queue is full. After close, push drops the item.
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

// pop removes and returns the next item, and blocks while there is none. It returns false if
// ctx has ended, or if the queue is closed and empty.
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

// close unblocks push. After close, pop returns the remaining items, and then false.
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
