package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func awake(w *waiter) bool { return len(w.woken) == 1 }

func TestWaiters_WakeReachesFirstAsleep(t *testing.T) {
	t.Parallel()
	ws := newWaiters(3)
	first, second, elsewhere := ws.join("a"), ws.join("a"), ws.join("b")
	ws.wake("a")
	require.True(t, awake(first))
	require.False(t, awake(second))
	ws.wake("a")
	require.True(t, awake(second))
	ws.wake("a") // both waiters of "a" are awake, so this wake-up has no effect
	require.False(t, awake(elsewhere))
	ws.wake("no such device")
}

func TestWaiters_LeavePassesUnusedWakeUpOn(t *testing.T) {
	t.Parallel()
	ws := newWaiters(3)
	first, second, third := ws.join("a"), ws.join("a"), ws.join("a")
	ws.wake("a")
	ws.leave(first)
	require.True(t, awake(second))
	require.False(t, awake(third))

	ws.leave(third) // the third waiter has no wake-up to pass on
	ws.leave(second)
	require.Empty(t, ws.byDevice, "a device without waiters is forgotten")
}

func TestWaiters_AreBoundedPerDevice(t *testing.T) {
	t.Parallel()
	ws := newWaiters(2)
	first := ws.join("a")
	require.NotNil(t, first)
	require.NotNil(t, ws.join("a"))
	require.Nil(t, ws.join("a"))
	require.NotNil(t, ws.join("b"))
	ws.leave(first)
	require.NotNil(t, ws.join("a"))
}

func TestWaiters_WakeAllWakesOnePerDevice(t *testing.T) {
	t.Parallel()
	ws := newWaiters(3)
	first, second, elsewhere := ws.join("a"), ws.join("a"), ws.join("b")
	ws.wakeAll()
	require.True(t, awake(first))
	require.False(t, awake(second), "the first waiter wakes it if it leaves commands")
	require.True(t, awake(elsewhere))
}

// TestWaiter_WakeUpAtDeadlineIsNotLost wakes a waiter just as its wait ends. Either wait
// returns true, or the next waiter gets the wake-up.
func TestWaiter_WakeUpAtDeadlineIsNotLost(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		ws := newWaiters(3)
		w := ws.join("a")
		w.wake()
		require.True(t, w.wait(t.Context(), time.Now(), time.Minute) || awake(w))

		w = ws.join("a")
		w.wake()
		require.True(t, w.wait(gone, time.Now().Add(time.Minute), time.Minute) || awake(w))
	}
}

func TestWaiter_PollsUntilDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(3).join("a")
		start := time.Now()
		deadline := start.Add(time.Minute)
		require.True(t, w.wait(t.Context(), deadline, 40*time.Second), "the first interval has passed")
		require.Equal(t, 40*time.Second, time.Since(start))
		require.False(t, w.wait(t.Context(), deadline, 40*time.Second), "the deadline comes before the interval has passed")
		require.Equal(t, time.Minute, time.Since(start))
		require.False(t, w.wait(t.Context(), deadline, 40*time.Second), "the deadline has passed")
		require.Equal(t, time.Minute, time.Since(start))
	})
}
