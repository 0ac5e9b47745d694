package api

import (
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
)

// budget limits the bytes of the request bodies that this instance holds at the same time, in
// total and for each holder. A holder is a name that holderOf returns. A body counts from its
// first byte until the response, together with the values decoded from it. budget is safe for
// concurrent use.
type budget struct {
	total     int64 // limit on all holders together, in bytes
	perHolder int64

	mu      sync.Mutex
	used    int64
	holders map[string]int64
}

func newBudget(total, perHolder int64) *budget {
	return &budget{total: total, perHolder: perHolder, holders: map[string]int64{}}
}

// errOverloaded refuses a body that does not fit into the budget.
var errOverloaded = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "The gateway is reading as many bodies as it can hold. Send the request again shortly.",
	RetryAfter: time.Second,
}

// take adds bytes to the amount that holder uses. If that would exceed the limit of the holder or
// the total limit, take adds nothing and returns errOverloaded.
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

// A share is the part of the budget that one request uses.
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

// chunk is the step in bytes by which a body's share grows. A caller that announces a large
// body but sends little thus uses little of the budget.
const chunk = 16 << 10
