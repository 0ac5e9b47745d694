package api

import (
	"cmp"
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

	mu      sync.Mutex
	used    int64
	holders map[string]int64
}

// NewBudget returns a budget of bytes for all holders together, and for each holder. Zero means
// 128 MiB and 32 MiB.
func NewBudget(total, perHolder int64) *Budget {
	return &Budget{total: cmp.Or(total, 128<<20), perHolder: cmp.Or(perHolder, 32<<20), holders: map[string]int64{}}
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

// errOverloaded refuses a body that does not fit into the budget.
var errOverloaded = &fieldgate.Error{
	Code:       fieldgate.CodeOverloaded,
	Detail:     "The gateway is reading as many bodies as it can hold. Send the request again shortly.",
	RetryAfter: time.Second,
}

// take adds bytes to the amount that holder uses. If that would exceed the limit of the holder or
// the total limit, take adds nothing and returns errOverloaded.
func (b *Budget) take(holder string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+bytes > b.total || b.holders[holder]+bytes > b.perHolder {
		return errOverloaded
	}
	b.used += bytes
	b.holders[holder] += bytes
	return nil
}

func (b *Budget) free(holder string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= bytes
	if b.holders[holder] -= bytes; b.holders[holder] == 0 {
		delete(b.holders, holder)
	}
}

// A share is the part of the budget that one request uses.
type share struct {
	budget *Budget
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
