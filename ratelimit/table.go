package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

// ways is the number of slots in a set of a table.
const ways = 8

// table holds a time for each of many subjects, in a fixed amount of memory: 16 bytes for each
// slot. A time that has passed is the same as none.
//
// A subject hashes to a set of slots. If the set is full, the slot with the earliest time is
// reused. So a subject that has misbehaved much is not forgotten: to push it out, all others of
// its set must have misbehaved more. The hash has a random seed, so that a caller cannot
// choose subjects of the same set. The table is safe for concurrent use.
type table struct {
	seed maphash.Seed
	now  func() time.Time
	zero time.Time // times are stored as nanoseconds since zero

	mu   sync.Mutex
	sets []set
}

type set [ways]slot

type slot struct {
	hash  uint64
	until int64
}

func newTable(subjects int, now func() time.Time) *table {
	return &table{
		seed: maphash.MakeSeed(), now: now, zero: now(),
		sets: make([]set, max(subjects/ways, 1)),
	}
}

// update calls change with the time that the subject has left, and stores what change returns.
// The time is zero for a subject that has none. A result that is not positive removes it.
func (t *table) update(subject string, change func(left time.Duration) time.Duration) {
	hash := maphash.String(t.seed, subject)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now().Sub(t.zero).Nanoseconds()
	found, known := t.sets[hash%uint64(len(t.sets))].find(hash)
	var left int64
	if known {
		left = max(found.until-now, 0)
	}
	changed := max(change(time.Duration(left)).Nanoseconds(), 0)
	if known || changed > 0 {
		found.hash, found.until = hash, now+changed
	}
}

// find returns the slot of a hash, or the one to reuse for it. It reports whether the slot is
// that of the hash.
func (s *set) find(hash uint64) (found *slot, known bool) {
	earliest := &s[0]
	for i := range s {
		if s[i].hash == hash {
			return &s[i], true
		}
		if s[i].until < earliest.until {
			earliest = &s[i]
		}
	}
	return earliest, false
}

// left returns the time that a subject has left, or zero.
func (t *table) left(subject string) (left time.Duration) {
	t.update(subject, func(found time.Duration) time.Duration {
		left = found
		return found
	})
	return left
}

// extend stores that a subject has at least the given time left.
func (t *table) extend(subject string, least time.Duration) {
	t.update(subject, func(found time.Duration) time.Duration { return max(found, least) })
}
