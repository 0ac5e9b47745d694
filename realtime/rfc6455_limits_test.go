package realtime_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/realtime"
)

func TestLimits_TooLargeMessageClosesTheSocket(t *testing.T) {
	t.Parallel()
	tooLarge := []string{closed(realtime.CloseTooLarge)}
	over := strings.Repeat("x", 65_537)
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"10.4", "one byte over", frame(fin|opText, over), tooLarge},
		exchange{"10.4", "one byte over in a last fragment", join(frame(opText, over[:65_536]), frame(fin|opContinuation, "x")), tooLarge},
		exchange{"10.4", "one byte over in fragments of one byte", fragments(1, over), tooLarge},
		exchange{"10.4", "one byte over in fragments of 1000 bytes", fragments(1000, over), tooLarge},
		exchange{"10.4", "80,000 bytes in two fragments", join(frame(opText, over[:40_000]), frame(fin|opContinuation, over[:40_000])), tooLarge},
		exchange{"10.4", "one MiB", frame(fin|opText, strings.Repeat("x", 1<<20)), tooLarge},
		exchange{"10.4", "the header of one MiB", headerOnly(fin|opText, 1<<20), tooLarge},
		exchange{"10.4", "the header of one EiB", headerOnly(fin|opText, 1<<60), tooLarge},
		exchange{"10.4", "the header of the maximum length", headerOnly(fin|opText, 1<<63-1), tooLarge},
		exchange{"10.4", "the header of the maximum length after a fragment", join(frame(opText, "xx"), headerOnly(fin|opContinuation, 1<<63-1)), tooLarge},
	)
}

func TestLimits_MessageSizeIsPerMessage(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{}).dial(t)
	data := strings.Repeat("x", 65_536-len(echoFrame("")))
	for range 5 {
		w.write(message(data))
		w.expect(reply(data))
		w.write(fragments(30_000, echoFrame(data)))
		w.expect(reply(data))
	}
}

func TestLimits_EndlessEmptyFragmentsCloseTheSocket(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{MaxMessage: 100}).dial(t)
	w.write(frame(opText, ""))
	w.write(bytes.Repeat(frame(opContinuation, ""), 200))
	w.expect(closed(realtime.CloseFlood))
}

func TestLimits_MessageRate(t *testing.T) {
	t.Parallel()
	const burst = 10
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"pings":    {frame(fin|opPing, "x"), pong("x")},
		"messages": {message("x"), reply("x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(t, realtime.Limits{MessagesPerSecond: 1, Burst: burst})
			w := e.dial(t)
			w.write(bytes.Repeat(c.send, burst))
			for range burst {
				require.Equal(t, c.want, w.next())
			}
			w = e.dial(t)
			w.write(bytes.Repeat(c.send, 100*burst))
			w.expectClose(closed(realtime.CloseFlood))
		})
	}
}

func TestLimits_EveryMessageCountsTowardsTheRate(t *testing.T) {
	t.Parallel()
	for name, send := range map[string][]byte{
		"pongs":                   frame(fin|opPong, ""),
		"invalid frames":          frame(fin|opText, "?"),
		"fragmented messages":     fragments(1, "?"),
		"empty messages":          frame(fin|opText, ""),
		"frames without a reply":  frame(fin|opText, `{"type":"ping"}`),
		"pings between fragments": frame(fin|opPing, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEcho(t, realtime.Limits{MessagesPerSecond: 1, Burst: 10}).dial(t)
			if strings.Contains(name, "between") {
				w.write(frame(opText, "{"))
			}
			w.write(bytes.Repeat(send, 1000))
			w.expectClose(closed(realtime.CloseFlood))
		})
	}
}

func TestLimits_SilentClientIsClosed(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{PingEvery: 50 * time.Millisecond, PongWithin: 50 * time.Millisecond})
	for name, last := range map[string][]byte{
		"before any frame":  nil,
		"within a frame":    message("truncated")[:12],
		"between fragments": frame(opText, echoFrame("x")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(last)
			w.expectClose(closed(realtime.CloseSilent))
		})
	}
}

// TestLimits_EndlessMessageIsClosed sends a fragment, and then only pongs.
func TestLimits_EndlessMessageIsClosed(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{
		PingEvery: 50 * time.Millisecond, PongWithin: 50 * time.Millisecond, MessageWithin: 150 * time.Millisecond,
	}).dial(t)
	w.write(frame(opText, echoFrame("x")))

	b0, payload := w.read()
	for ; b0 == fin|opPing; b0, payload = w.read() {
		w.write(frame(fin|opPong, string(payload)))
	}
	require.Equal(t, byte(fin|opClose), b0)
	require.Equal(t, uint16(realtime.CloseSilent), binary.BigEndian.Uint16(payload))
}

func TestLimits_FramesInFlight(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{MaxInFlight: 3})
	w := e.dial(t)
	want := map[string]int{}
	for i := range 3 {
		w.write(frame(fin|opText, fmt.Sprintf(`{"type":"block","requestId":"b%d"}`, i)))
		<-e.blocked
		want[fmt.Sprintf("reply b%d {}", i)] = 1
	}
	for i := range 5 {
		w.write(frame(fin|opText, fmt.Sprintf(`{"type":"block","requestId":"b%d"}`, 3+i)))
		require.Equal(t, refused(fmt.Sprintf("b%d", 3+i), "rate_limited"), w.next())
	}
	close(e.unblock)
	got := map[string]int{}
	for range 3 {
		got[w.next()]++
	}
	require.Equal(t, want, got)
	w.write(message("served"))
	w.expect(reply("served"))
}
