package queue

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func awake(w *waiter) bool { return len(w.woken) == 1 }

func TestAWakeUpGoesToTheFirstThatSleeps(t *testing.T) {
	t.Parallel()
	ws := newWaiters()
	first, second, elsewhere := ws.join("a"), ws.join("a"), ws.join("b")
	ws.wake("a")
	require.True(t, awake(first))
	require.False(t, awake(second))
	ws.wake("a")
	require.True(t, awake(second))
	ws.wake("a") // all are awake: the one more has nobody to go to
	require.False(t, awake(elsewhere))
	ws.wake("nobody")
}

func TestWhoeverLeavesPassesAnUnusedWakeUpOn(t *testing.T) {
	t.Parallel()
	ws := newWaiters()
	first, second, third := ws.join("a"), ws.join("a"), ws.join("a")
	ws.wake("a")
	ws.leave(first)
	require.True(t, awake(second))
	require.False(t, awake(third))

	ws.leave(third) // who was not awake passes nothing on
	ws.leave(second)
	require.Empty(t, ws.byDevice, "nothing is kept of a device that nobody waits for")
}

func TestALostConnectionWakesOneOfEachDevice(t *testing.T) {
	t.Parallel()
	ws := newWaiters()
	first, second, elsewhere := ws.join("a"), ws.join("a"), ws.join("b")
	ws.wakeAll()
	require.True(t, awake(first))
	require.False(t, awake(second), "it is woken by the first, if that leaves something")
	require.True(t, awake(elsewhere))
}

// A wake-up that comes together with the end of the wait is either used or still
// there to be passed on.
func TestAWakeUpAtTheLastMomentIsNotLost(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		ws := newWaiters()
		w := ws.join("a")
		w.wake()
		require.True(t, w.wait(t.Context(), time.Now(), time.Minute) || awake(w))

		w = ws.join("a")
		w.wake()
		require.True(t, w.wait(gone, time.Now().Add(time.Minute), time.Minute) || awake(w))
	}
}

func TestAWaiterLooksByItselfAndGivesUpInTime(t *testing.T) {
	t.Parallel()
	w := newWaiters().join("a")
	require.True(t, w.wait(t.Context(), time.Now().Add(time.Minute), time.Millisecond), "in case that a wake-up was lost")
	require.False(t, w.wait(t.Context(), time.Now().Add(time.Millisecond), time.Minute))
	require.False(t, w.wait(t.Context(), time.Now().Add(-time.Second), time.Minute))
}
