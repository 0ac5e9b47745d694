package api

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
)

// Budget limits the bytes of the request bodies and frames that this instance holds at the same
// time, in total and for each holder. A holder is a name that holderOf returns. A body counts
// from its first byte until the response, together with the values decoded from it. Budget is
// safe for concurrent use.
type Budget struct {
	total     int64 // limit on all holders together, in bytes
	perHolder int64

	// parallel is the number of large bodies that are decoded at the same time, and the number of
	// requests of one holder with a large body that are served at the same time.
	parallel int
	wait     time.Duration // time that a large body waits for room, and for its turn
	decoding chan struct{} // has an element for each large body that is decoded
	pacer    *pacer        // delays the large bodies of each holder

	mu      sync.Mutex
	used    int64
	holders map[string]*holding
}

// holding is the part of the budget that one holder uses.
type holding struct {
	bytes int64
	turns chan struct{} // has an element for each request with a large body that is served
	freed chan struct{} // closed when the holder frees a part; nil if nothing waits for that
}

// NewBudget returns a budget of bytes for all holders together, and for each holder. Zero means
// 128 MiB and 32 MiB.
func NewBudget(total, perHolder int64) *Budget {
	return newBudget(cmp.Or(total, 128<<20), cmp.Or(perHolder, 32<<20), runtime.GOMAXPROCS(0))
}

func newBudget(total, perHolder int64, processors int) *Budget {
	parallel := max(1, processors/2)
	return &Budget{
		total: total, perHolder: perHolder, holders: map[string]*holding{},
		parallel: parallel, wait: bodyWait, decoding: make(chan struct{}, parallel),
		pacer: newPacer(int64(processors)*paceRate, int64(processors)*paceBurst),
	}
}

// HoldFrame adds bytes of a frame to the amount that a tenant holds, like the bytes of a body. It
// returns overloaded if that would exceed a limit. FreeFrame removes them.
func (b *Budget) HoldFrame(tenant string, bytes int64) error {
	return b.take(tenantHolder(tenant), bytes)
}

// FreeFrame reverses HoldFrame.
func (b *Budget) FreeFrame(tenant string, bytes int64) { b.free(tenantHolder(tenant), bytes) }

// tenantHolder returns the name under which the budget counts the bodies and frames of a tenant.
func tenantHolder(tenant string) string { return "tenant " + tenant }

// bodyWait is the time that a large body waits for room, and again until it is decoded.
const bodyWait = 2 * time.Second

// errOverloaded refuses a body that does not fit into the budget.
var errOverloaded = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "The gateway is reading as many bodies as it can hold. Send the request again shortly.",
	RetryAfter: time.Second,
}

// take adds bytes to the amount that holder uses. If that would exceed the limit of the holder, or
// what is left for all holders, take adds nothing and returns errOverloaded.
func (b *Budget) take(holder string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders[holder]
	if h == nil {
		h = &holding{turns: make(chan struct{}, b.parallel)}
	}
	// A holder takes at most half of what the others leave, so that something is always left.
	if h.bytes+bytes > min(b.perHolder, b.total-b.used) {
		return errOverloaded
	}
	b.used += bytes
	h.bytes += bytes
	b.holders[holder] = h
	return nil
}

// free subtracts bytes that holder no longer uses.
func (b *Budget) free(holder string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders[holder]
	if h == nil {
		return // the holder has used nothing
	}
	b.used -= bytes
	if h.freed != nil {
		close(h.freed)
		h.freed = nil
	}
	if h.bytes -= bytes; h.bytes == 0 {
		delete(b.holders, holder)
	}
}

// full returns nil if a holder that uses a part of the budget uses at most half of its limit.
// Otherwise it returns a channel that is closed when the holder frees a part.
func (b *Budget) full(holder string) (freed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders[holder]
	if h.bytes <= b.perHolder/2 {
		return nil
	}
	if h.freed == nil {
		h.freed = make(chan struct{})
	}
	return h.freed
}

// turnsOf returns the turns of a holder that uses a part of the budget.
func (b *Budget) turnsOf(holder string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holders[holder].turns
}

// A share is the part of the budget that one request uses.
type share struct {
	budget *Budget
	holder string
	bytes  int64
	turns  chan struct{} // turns of the holder, of which the request has one; nil if it has none
}

func (s *share) take(bytes int64) error {
	if err := s.budget.take(s.holder, bytes); err != nil {
		return err
	}
	s.bytes += bytes
	return nil
}

// grow adds bytes of a body that were read, and waits until more of it may be read. A body of at
// most one chunk does not wait. A larger one first waits until its holder uses at most half of its
// limit, because a body that is refused after most of it was read costs most. Then it waits as the
// pacer says.
func (s *share) grow(ctx context.Context, bytes int64) error {
	if err := s.take(bytes); err != nil || s.bytes <= chunk {
		return err
	}
	if s.bytes-bytes <= chunk {
		if err := s.awaitRoom(ctx); err != nil {
			return err
		}
	}
	return s.budget.pacer.await(ctx, s.holder, bytes)
}

// awaitRoom waits until the holder uses at most half of its limit. If that takes too long,
// awaitRoom returns errOverloaded.
func (s *share) awaitRoom(ctx context.Context) error {
	timeout := time.NewTimer(s.budget.wait)
	defer timeout.Stop()
	for freed := s.budget.full(s.holder); freed != nil; freed = s.budget.full(s.holder) {
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return errOverloaded
		}
	}
	return nil
}

// free ends the use of the budget.
func (s *share) free() {
	if s.turns != nil {
		<-s.turns
	}
	s.budget.free(s.holder, s.bytes)
}

// awaitTurn waits until a large body may be decoded. The caller must call decoded afterwards. The
// turn of the holder ends with free. Large bodies take milliseconds of a processor each, so that
// those of one tenant would otherwise delay every other request. A body of at most one chunk
// does not wait. If no turn comes in time, awaitTurn returns errOverloaded.
func (s *share) awaitTurn(ctx context.Context) (decoded func(), err error) {
	if s.bytes <= chunk {
		return func() {}, nil
	}
	timeout := time.NewTimer(s.budget.wait)
	defer timeout.Stop()
	own := s.budget.turnsOf(s.holder)
	if err := enter(ctx, own, timeout.C); err != nil {
		return nil, err
	}
	s.turns = own
	if err := enter(ctx, s.budget.decoding, timeout.C); err != nil {
		return nil, err
	}
	return func() { <-s.budget.decoding }, nil
}

// enter waits for a place in a semaphore.
func enter(ctx context.Context, semaphore chan struct{}, timeout <-chan time.Time) error {
	select {
	case semaphore <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout:
		return errOverloaded
	}
}

// chunk is the step in bytes by which a body's share grows. A caller that announces a large
// body but sends little thus uses little of the budget.
const chunk = 16 << 10
