package api

import (
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
)

// budget bounds the bytes of the request bodies that this instance holds at the same
// time: for each holder and for all together. A body counts from the first byte that is
// read until its request is answered, with what is built of it. It is safe for
// concurrent use.
type budget struct {
	total     int64 // in bytes
	perHolder int64

	mu      sync.Mutex
	used    int64
	holders map[string]int64
}

func newBudget(total, perHolder int64) *budget {
	return &budget{total: total, perHolder: perHolder, holders: map[string]int64{}}
}

// errOverloaded is the refusal of a body for which the budget has no room.
var errOverloaded = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "The gateway is reading as many bodies as it can hold. Send the request again shortly.",
	RetryAfter: time.Second,
}

// take adds bytes to what a holder holds. It returns errOverloaded, and adds nothing,
// when that exceeds the bound of the holder or of all.
func (b *budget) take(holder string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+bytes > b.total || b.holders[holder]+bytes > b.perHolder {
		return errOverloaded
	}
	b.used += bytes
	b.holders[holder] += bytes
	return nil
}

func (b *budget) free(holder string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= bytes
	if b.holders[holder] -= bytes; b.holders[holder] == 0 {
		delete(b.holders, holder)
	}
}

// A share is the part of a budget that one request has taken.
type share struct {
	budget *budget
	holder string
	bytes  int64
}

func (s *share) take(bytes int64) error {
	if err := s.budget.take(s.holder, bytes); err != nil {
		return err
	}
	s.bytes += bytes
	return nil
}

func (s *share) free() { s.budget.free(s.holder, s.bytes) }

// chunk is the size of the steps in which a body takes its part of the budget, so that a
// caller that announces much and sends little holds little.
const chunk = 16 << 10
