package realtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPing_LeavesBusySocketOpen pings a client twice while its queue is full of events.
func TestPing_LeavesBusySocketOpen(t *testing.T) {
	t.Parallel()
	c := &Conn{limits: &Limits{MaxQueued: 1, MaxQueuedBytes: 1 << 10}, writing: true}
	require.True(t, c.TrySend([]byte("event")))
	require.False(t, c.TrySend([]byte("another event")))
	c.ping()
	c.ping()
	require.False(t, c.isClosing())
	require.Len(t, c.queue, 2, "one ping waits behind the event")
}

// TestSend_HasRoomBesideEvents fills the queue with events, by number and by bytes. Replies have room until
// they fill it too.
func TestSend_HasRoomBesideEvents(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{
		"messages": {MaxQueued: 8, MaxQueuedBytes: 1 << 20},
		"bytes":    {MaxQueued: 100, MaxQueuedBytes: 40},
	} {
		c := &Conn{limits: &limits, writing: true, cancel: func() {}}
		for c.TrySend([]byte("event")) {
		}
		require.Len(t, c.queue, 6, name)
		require.NoError(t, c.Send([]byte("reply")), name)
		require.False(t, c.TrySend([]byte("event")), name)
		require.NoError(t, c.Send([]byte("reply")), name)
		require.False(t, c.isClosing(), name)
		require.ErrorIs(t, c.Send([]byte("reply")), errClosed, name)
		require.True(t, c.isClosing(), name)
	}
}
