package realtime_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/realtime"
)

func TestAMessageThatIsTooLargeEndsTheSocket(t *testing.T) {
	t.Parallel()
	tooLarge := []string{closed(realtime.CloseTooLarge)}
	over := strings.Repeat("x", 65_537)
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"10.4", "one byte more", frame(fin|opText, over), tooLarge},
		exchange{"10.4", "one byte more in a last part", join(frame(opText, over[:65_536]), frame(fin|opContinuation, "x")), tooLarge},
		exchange{"10.4", "one byte more in parts of a byte", parts(1, over), tooLarge},
		exchange{"10.4", "one byte more in parts of 1000", parts(1000, over), tooLarge},
		exchange{"10.4", "one byte more of a binary in parts", join(frame(opText, over[:40_000]), frame(fin|opContinuation, over[:40_000])), tooLarge},
		exchange{"10.4", "a megabyte", frame(fin|opText, strings.Repeat("x", 1<<20)), tooLarge},
		exchange{"10.4", "a megabyte announced", announced(fin|opText, 1<<20), tooLarge},
		exchange{"10.4", "an exabyte announced", announced(fin|opText, 1<<60), tooLarge},
		exchange{"10.4", "the most that can be announced", announced(fin|opText, 1<<63-1), tooLarge},
		exchange{"10.4", "the most that can be announced after a part", join(frame(opText, "xx"), announced(fin|opContinuation, 1<<63-1)), tooLarge},
	)
}

func TestTheLimitIsOneOfTheMessageNotOfTheSocket(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{}).dial(t)
	data := strings.Repeat("x", 65_536-len(said("")))
	for range 5 {
		w.write(message(data))
		w.hear(reply(data))
		w.write(parts(30_000, said(data)))
		w.hear(reply(data))
	}
}

func TestAMessageOfEndlessEmptyPartsEndsTheSocket(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{MaxMessage: 100}).dial(t)
	w.write(frame(opText, ""))
	w.write(bytes.Repeat(frame(opContinuation, ""), 200))
	w.hear(closed(realtime.CloseFlood))
}

func TestMessagesMayComeInABurstAndNoFaster(t *testing.T) {
	t.Parallel()
	const burst = 10
	for name, sign := range map[string]struct {
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
			w.write(bytes.Repeat(sign.send, burst))
			for range burst {
				require.Equal(t, sign.want, w.next())
			}
			w = e.dial(t)
			w.write(bytes.Repeat(sign.send, 100*burst))
			w.untilClose(closed(realtime.CloseFlood))
		})
	}
}

func TestPongsAndRefusedFramesCountToo(t *testing.T) {
	t.Parallel()
	for name, send := range map[string][]byte{
		"pongs":                         frame(fin|opPong, ""),
		"messages that are no frames":   frame(fin|opText, "?"),
		"messages in parts":             parts(1, "?"),
		"empty messages":                frame(fin|opText, ""),
		"messages that nobody answers":  frame(fin|opText, `{"type":"ping"}`),
		"pings in the middle of a text": frame(fin|opPing, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEcho(t, realtime.Limits{MessagesPerSecond: 1, Burst: 10}).dial(t)
			if strings.Contains(name, "middle") {
				w.write(frame(opText, "{"))
			}
			w.write(bytes.Repeat(send, 1000))
			w.untilClose(closed(realtime.CloseFlood))
		})
	}
}

func TestASilentClientIsLetGo(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{PingEvery: 50 * time.Millisecond, PongWithin: 50 * time.Millisecond})
	for name, last := range map[string][]byte{
		"after nothing":               nil,
		"in a frame":                  message("cut off")[:12],
		"between the parts of a text": frame(opText, said("x")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(last)
			w.untilClose(closed(realtime.CloseSilent))
		})
	}
}

func TestAFrameIsAnsweredOnceHoweverManyWait(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{MaxAnswering: 3})
	w := e.dial(t)
	want := map[string]int{}
	for i := range 3 {
		w.write(frame(fin|opText, fmt.Sprintf(`{"type":"hold","requestId":"h%d"}`, i)))
		<-e.held
		want[fmt.Sprintf("reply h%d {}", i)] = 1
	}
	for i := range 5 {
		w.write(frame(fin|opText, fmt.Sprintf(`{"type":"hold","requestId":"h%d"}`, 3+i)))
		require.Equal(t, refused(fmt.Sprintf("h%d", 3+i), "rate_limited"), w.next())
	}
	close(e.free)
	got := map[string]int{}
	for range 3 {
		got[w.next()]++
	}
	require.Equal(t, want, got)
	w.write(message("free again"))
	w.hear(reply("free again"))
}
