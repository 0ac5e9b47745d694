package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDueTimes_TakeChangedAndDuePartitions(t *testing.T) {
	t.Parallel()
	var known dueTimes
	began := time.Now()
	take := func(after time.Duration) []Partition { return known.take(began.Add(after), time.Hour) }

	require.Len(t, take(0), Partitions, "nothing is known")
	require.Empty(t, take(0), "nothing has members")
	known.set(7, began.Add(time.Minute))
	require.Empty(t, take(time.Minute-1))
	require.Equal(t, []Partition{7}, take(time.Minute))
	known.set(7, time.Time{})
	require.Empty(t, take(time.Minute))

	known.mark(9)
	require.Equal(t, []Partition{9}, take(time.Minute))
	require.Empty(t, take(time.Minute))
	known.note(Wake{Tenant: "c.acme"})
	require.Equal(t, []Partition{PartitionOf("c.acme")}, take(time.Minute))
	known.note(Wake{LoginEnded: true})
	require.Empty(t, take(time.Minute))

	require.Len(t, take(time.Hour), Partitions, "the interval has passed")
	known.note(Wake{})
	require.Len(t, take(time.Hour), Partitions, "wake-ups may have been lost")
	require.Empty(t, take(time.Hour))
}

func TestPartitionOfKey(t *testing.T) {
	t.Parallel()
	p, ok := partitionOfKey(Partition(200).DueKey())
	require.True(t, ok)
	require.Equal(t, Partition(200), p)
	for _, key := range []string{"", "fg:meta", "fg:{", "fg:{zz}:due", "x{00}:due"} {
		_, ok := partitionOfKey(key)
		require.False(t, ok, key)
	}
}
