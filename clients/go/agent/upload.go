package agent

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// largeUpload is the size in bytes above which results are submitted one at a time.
	largeUpload = 4 << 10

	// limitLifetime is the time for which a limit that one result has found applies to the next
	// ones. Then a larger result is tried again: the proxy may have changed.
	limitLifetime = 10 * time.Minute

	// minLimit is the minimum limit in bytes. One result that does not get through must not cut all
	// later ones down to their status.
	minLimit = 3 << 10
)

// uploads lets large results use a slow link one at a time, the smallest first, so that the
// status of most commands arrives soon. It also remembers the size that the link carries.
type uploads struct {
	mu      sync.Mutex
	busy    bool
	waiting []*upload // the smallest first
	limit   int       // size in bytes that the link carries; see expires
	expires time.Time // when limit no longer applies
}

// An upload is a large result that waits for its turn.
type upload struct {
	size int
	turn chan struct{} // closed when the turn has come
}

// acquire waits for the turn of a result of so many bytes. The caller must call release. If ctx
// ends first, acquire returns a release that does nothing, because the caller sends no more.
func (u *uploads) acquire(ctx context.Context, size int) (release func()) {
	if size <= largeUpload {
		return func() {}
	}
	own := u.enqueue(size)
	select {
	case <-own.turn:
		return u.next
	case <-ctx.Done():
	}
	if !u.leave(own) {
		u.next() // the turn came at the same time
	}
	return func() {}
}

func (u *uploads) enqueue(size int) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	own := &upload{size: size, turn: make(chan struct{})}
	if !u.busy {
		u.busy = true
		close(own.turn)
		return own
	}
	at, _ := slices.BinarySearchFunc(u.waiting, size+1, func(one *upload, size int) int { return one.size - size })
	u.waiting = slices.Insert(u.waiting, at, own)
	return own
}

// leave removes own from those that wait. It reports false if own has its turn.
func (u *uploads) leave(own *upload) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := slices.Index(u.waiting, own)
	if at < 0 {
		return false
	}
	u.waiting = slices.Delete(u.waiting, at, at+1)
	return true
}

// next passes the turn to the smallest result that waits.
func (u *uploads) next() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.waiting) == 0 {
		u.busy = false
		return
	}
	close(u.waiting[0].turn)
	u.waiting = u.waiting[1:]
}

// setLimit records that the link has carried a result of at most so many bytes, after a larger form
// of the result was too large. The limit is at least minLimit.
func (u *uploads) setLimit(size int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.limit, u.expires = max(size, minLimit), time.Now().Add(limitLifetime)
}

// currentLimit returns the size that the link carries, or noLimit if none is known.
func (u *uploads) currentLimit() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Now().Before(u.expires) {
		return u.limit
	}
	return noLimit
}
