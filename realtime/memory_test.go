package realtime_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/realtime"
)

// heldBytes counts the bytes of frames up to a limit.
type heldBytes struct {
	mu    sync.Mutex
	limit int64
	bytes int64
}

func (h *heldBytes) hold(_ string, bytes int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes+bytes > h.limit {
		return fieldgate.Refuse(fieldgate.CodeOverloaded, "too much")
	}
	h.bytes += bytes
	return nil
}

func (h *heldBytes) free(_ string, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes -= bytes
}

func (h *heldBytes) now() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes
}

// newHoldingEcho returns a server that holds at most limit bytes of frames.
func newHoldingEcho(t *testing.T, limit int64) (*echo, *heldBytes) {
	t.Helper()
	h := &heldBytes{limit: limit}
	return newEcho(t, realtime.Limits{}, func(cfg *realtime.Config) { cfg.Hold, cfg.Free = h.hold, h.free }), h
}

// requireNothingHeld waits until no frame holds a byte.
func requireNothingHeld(t *testing.T, h *heldBytes) {
	t.Helper()
	require.Eventually(t, func() bool { return h.now() == 0 }, timeout, time.Millisecond, "bytes are held for ever")
}

// blockFrame returns a frame of about n bytes whose reply waits for e.unblock.
func blockFrame(n int) []byte {
	return frame(fin|opText, fmt.Sprintf(`{"type":"block","requestId":"r","data":%q}`, strings.Repeat("x", n)))
}

// TestMemory_LargeFrameBeyondBudgetClosesItsSocket holds most of the budget with a frame that
// is served. Another large frame closes its socket, and small frames are served.
func TestMemory_LargeFrameBeyondBudgetClosesItsSocket(t *testing.T) {
	t.Parallel()
	e, h := newHoldingEcho(t, 40<<10)
	holder, other := e.dial(t), e.dial(t)
	holder.write(blockFrame(20_000))
	<-e.blocked
	require.Greater(t, h.now(), int64(20_000))
	other.write(message("small"))
	require.Equal(t, reply("small"), other.next())
	other.write(message(strings.Repeat("x", 20_000)))
	other.expect("going_away", closed(realtime.CloseOverloaded))
	close(e.unblock)
	require.Equal(t, "reply r {}", holder.next())
	requireNothingHeld(t, h)
	holder.write(message(strings.Repeat("x", 20_000)))
	require.Equal(t, reply(strings.Repeat("x", 20_000)), holder.next())
	requireNothingHeld(t, h)
}

// TestMemory_IncompleteFrameCounts sends most of a frame. It counts until the connection ends.
func TestMemory_IncompleteFrameCounts(t *testing.T) {
	t.Parallel()
	e, h := newHoldingEcho(t, 1<<20)
	w := e.dial(t)
	text := blockFrame(60_000)
	w.write(text[:50_000])
	require.Eventually(t, func() bool { return h.now() > 50_000 }, timeout, time.Millisecond, "the bytes do not count")
	require.NoError(t, w.Close())
	requireNothingHeld(t, h)
}

// TestMemory_DecodedValuesCount refuses a frame whose values take too much.
func TestMemory_DecodedValuesCount(t *testing.T) {
	t.Parallel()
	e, h := newHoldingEcho(t, 3000)
	w := e.dial(t)
	w.write(frame(fin|opText, fmt.Sprintf(`{"type":"hold","requestId":"r","data":%q}`, strings.Repeat("x", 1900))))
	require.Equal(t, refused("r", "overloaded"), w.next())
	w.write(message("small"))
	require.Equal(t, reply("small"), w.next())
	requireNothingHeld(t, h)
}

// TestMemory_RefusedFramesHoldNothing sends frames that are not served.
func TestMemory_RefusedFramesHoldNothing(t *testing.T) {
	t.Parallel()
	e, h := newHoldingEcho(t, 1<<20)
	for _, sent := range [][]byte{
		frame(fin|opText, "nothing"), frame(fin|opText, `{"type":"panic"}`), frame(fin|opText, "\xff"), frame(fin|opBinary, "binary"),
	} {
		w := e.dial(t)
		w.write(sent)
		require.Eventually(t, func() bool { return h.now() == 0 }, timeout, time.Millisecond)
		require.NoError(t, w.Close())
		requireNothingHeld(t, h)
	}
}
