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
