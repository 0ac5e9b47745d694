package recent_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/recent"
)

// fill adds n entries of an owner, and returns how many of them are remembered.
func fill(m *recent.Map[int], owner string, n int) (kept int) {
	for i := range n {
		m.Add(owner, owner+strconv.Itoa(i), i)
	}
	for i := range n {
		if _, found := m.Get(owner + strconv.Itoa(i)); found {
			kept++
		}
	}
	return kept
}

func TestMap_RemembersAndForgets(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 10})
	m.Add("a", "key", 1)
	m.Add("a", "key", 2)
	value, found := m.Get("key")
	require.True(t, found)
	require.Equal(t, 2, value)
	m.Forget("key")
	_, found = m.Get("key")
	require.False(t, found)
}

func TestMap_ForgetsEntryOfOldGeneration(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 10})
	m.Add("a", "key", 1)
	fill(m, "b", 5)
	m.Forget("key")
	_, found := m.Get("key")
	require.False(t, found)
}

func TestMap_IsBounded(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 100})
	require.LessOrEqual(t, fill(m, "a", 100_000), 100)
}

func TestMap_KeepsEntryThatIsRead(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 100})
	m.Add("a", "key", 1)
	for i := range 10_000 {
		m.Add("b", strconv.Itoa(i), i)
		_, found := m.Get("key")
		require.True(t, found, i)
	}
}

func TestMap_OwnerKeepsItsShare(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 200, PerOwner: 10})
	require.Equal(t, 10, fill(m, "noisy", 100_000))
	require.Equal(t, 10, fill(m, "quiet", 10))
	require.Equal(t, 10, fill(m, "noisy", 100_000))
	require.Equal(t, 10, fill(m, "quiet", 10))
}

// TestMap_TurnMakesRoomForNewEntriesOfOwner uses up the share of an owner, and then requires that
// its newer entries are remembered once the generation is over.
func TestMap_TurnMakesRoomForNewEntriesOfOwner(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	m := recent.New[int](recent.Config{Entries: 200, PerOwner: 1, Turn: time.Minute, Now: func() time.Time { return now }})
	m.Add("a", "first", 1)
	m.Add("a", "second", 2)
	_, found := m.Get("second")
	require.False(t, found)
	now = now.Add(time.Minute)
	m.Add("a", "second", 2)
	_, found = m.Get("second")
	require.True(t, found)
}

func TestMap_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	m := recent.New[int](recent.Config{Entries: 100, PerOwner: 10, Turn: time.Nanosecond})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { fill(m, strconv.Itoa(i%2), 1000) })
	}
	all.Wait()
}
