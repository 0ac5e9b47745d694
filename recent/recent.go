// Package recent remembers values that were used lately, in a bounded amount of memory.
package recent

import (
	"sync"
	"time"
)

// Config configures a Map.
type Config struct {
	// Entries is the maximum number of entries. It must be at least 2.
	Entries int

	// PerOwner is the maximum number of entries that one owner adds in a generation, so that no
	// owner pushes out all entries of the others. Zero means no maximum.
	PerOwner int

	// Turn is the time after which a generation becomes the old one, even if it is not full.
	// Zero means that only a full one does.
	Turn time.Duration

	// Now returns the current time. Default: time.Now.
	Now func() time.Time
}

// Map holds at most Config.Entries values. It keeps them in two generations. Entries are added to
// the young one, and an entry of the old one that is read moves to the young one. When the young
// one is full, it becomes the old one, and the entries of the old one are forgotten. An entry that
// is read often enough thus stays. A Map is safe for concurrent use.
type Map[V any] struct {
	cfg Config

	mu         sync.Mutex
	young, old map[string]entry[V]
	owners     map[string]int // the number of entries of each owner in young
	turned     time.Time      // when young was created
}

type entry[V any] struct {
	owner string
	value V
}

// New returns an empty Map.
func New[V any](cfg Config) *Map[V] {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &Map[V]{cfg: cfg}
	m.turn()
	return m
}

// Get returns the value of a key, and reports whether there is one.
func (m *Map[V]) Get(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, found := m.young[key]
	if !found {
		if e, found = m.old[key]; found {
			m.add(key, e)
		}
	}
	return e.value, found
}

// Add sets the value of a key for an owner. A value beyond the owner's maximum is not kept.
func (m *Map[V]) Add(owner, key string, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, entry[V]{owner, value})
}

// add adds an entry to the young generation. The caller holds m.mu.
func (m *Map[V]) add(key string, e entry[V]) {
	if m.isOver() {
		m.turn()
	}
	if _, found := m.young[key]; !found {
		if m.cfg.PerOwner > 0 && m.owners[e.owner] >= m.cfg.PerOwner {
			return
		}
		m.owners[e.owner]++
	}
	m.young[key] = e
}

// isOver reports whether the young generation must become the old one. The caller holds m.mu.
func (m *Map[V]) isOver() bool {
	return len(m.young) >= m.cfg.Entries/2 || m.cfg.Turn > 0 && m.cfg.Now().Sub(m.turned) >= m.cfg.Turn
}

// turn starts a new generation. The caller holds m.mu.
func (m *Map[V]) turn() {
	m.old, m.young, m.owners, m.turned = m.young, map[string]entry[V]{}, map[string]int{}, m.cfg.Now()
}

// Forget removes a key.
func (m *Map[V]) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, found := m.young[key]; found {
		m.owners[e.owner]--
	}
	delete(m.young, key)
	delete(m.old, key)
}
