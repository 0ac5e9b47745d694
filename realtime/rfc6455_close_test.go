package realtime_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/realtime"
)

func TestClose_IsAnsweredWithTheSameCode(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for _, code := range []realtime.CloseCode{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4001, 4500, 4999,
	} {
		cases = append(cases, exchange{"7.4", fmt.Sprintf("code %d", code), closeFrame(code, "bye"), []string{closed(code)}})
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestClose_InvalidCodeIsAProtocolError(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	var cases []exchange
	for _, code := range []realtime.CloseCode{
		0, 1, 100, 500, 999, // not used by RFC 6455
		1004, 1005, 1006, 1015, // reserved: must not be sent
		1014, 1016, 1017, 1099, 1100, 1500, 2000, 2999, // reserved for later versions of the protocol
		5000, 5001, 9999, 32_768, 65_535, // not defined by RFC 6455
	} {
		cases = append(cases,
			exchange{"7.4.2", fmt.Sprintf("code %d", code), closeFrame(code, ""), broken},
			exchange{"7.4.2", fmt.Sprintf("code %d with a reason", code), closeFrame(code, "why"), broken},
		)
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestClose_Reason(t *testing.T) {
	t.Parallel()
	normal := []string{closed(1000)}
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.5.1", "an empty close frame", frame(fin|opClose, ""), normal},
		exchange{"5.5.1", "one byte of a code", frame(fin|opClose, "\x03"), broken},
		exchange{"5.5.1", "a code without a reason", closeFrame(1000, ""), normal},
		exchange{"5.5.1", "a reason", closeFrame(1000, "done"), normal},
		exchange{"5.5.1", "a reason of 123 bytes", closeFrame(1000, strings.Repeat("r", 123)), normal},
		exchange{"5.5.1", "a reason of 124 bytes", closeFrame(1000, strings.Repeat("r", 124)), broken},
		exchange{"5.5.1", "a reason in Greek", closeFrame(1000, "κόσμε"), normal},
		exchange{"5.5.1", "a reason of 41 characters of three bytes", closeFrame(1000, strings.Repeat("€", 41)), normal},
		// Section 8.1 does not say which code to use for an invalid reason. Code 1007 is
		// for messages only.
		exchange{"8.1", "a reason that is not UTF-8", closeFrame(1000, "\xff"), broken},
		exchange{"8.1", "a reason with a surrogate", closeFrame(1000, "κόσμε\xed\xa0\x80edited"), broken},
		exchange{"8.1", "a reason that ends within a character", closeFrame(1000, "κόσμ\xce"), broken},
		exchange{"8.1", "a reason with an overlong encoding", closeFrame(1000, "\xc0\xaf"), broken},
	)
}

func TestClose_FramesAfterItAreIgnored(t *testing.T) {
	t.Parallel()
	normal := []string{closed(1000)}
	last := closeFrame(1000, "")
	text := echoFrame("ignored")
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.5.1", "a text", join(last, message("ignored")), normal},
		exchange{"5.5.1", "a ping", join(last, frame(fin|opPing, "ignored")), normal},
		exchange{"5.5.1", "a second close frame", join(last, closeFrame(4000, "ignored")), normal},
		exchange{"5.5.1", "a binary message", join(last, frame(fin|opBinary, "x")), normal},
		exchange{"5.5.1", "invalid bytes", join(last, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), normal},
		exchange{"7.1.1", "64 KiB", join(last, frame(fin|opText, strings.Repeat("x", 65_536))), normal},
		exchange{"7.1.1", "one MiB", join(last, frame(fin|opText, strings.Repeat("x", 1<<20))), normal},
		exchange{"5.4", "the last fragment of a text", join(frame(opText, text), last, frame(fin|opContinuation, "")), normal},
		exchange{"5.4", "nothing, after the first fragment of a text", join(frame(opText, text), last), normal},
		exchange{"5.5.1", "nothing, after a pong", join(frame(fin|opPong, ""), last), normal},
	)
}

func TestProtocolError_FramesAfterItAreIgnored(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	bad := frame(fin|rsv1|opText, echoFrame("x"))
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"7.1.7", "a text", join(bad, message("ignored")), broken},
		exchange{"7.1.7", "a ping", join(bad, frame(fin|opPing, "ignored")), broken},
		exchange{"7.1.7", "a close frame", join(bad, closeFrame(1000, "")), broken},
		exchange{"7.1.7", "one MiB", join(bad, frame(fin|opText, strings.Repeat("x", 1<<20))), broken},
		exchange{"7.1.7", "a text after a length that is not minimal", join(sized(fin|opText, 8, echoFrame("x")), message("ignored")), broken},
		exchange{"7.1.7", "one MiB after a length that is not minimal",
			join(sized(fin|opText, 8, echoFrame("x")), frame(fin|opText, strings.Repeat("x", 1<<20))), broken},
	)
}

func TestProtocolError_RepliesBeforeItAreSent(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, bad := range map[string][]byte{
		"a reserved bit":               frame(fin|rsv1|opText, echoFrame("x")),
		"a length that is not minimal": sized(fin|opText, 8, echoFrame("x")),
		"one byte of a code":           frame(fin|opClose, "\x03"),
		"a text that is too large":     headerOnly(fin|opText, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(join(message("before"), bad[:1]))
			require.Equal(t, reply("before"), w.next())
			w.write(bad[1:])
			got := w.next()
			require.Contains(t, []string{closed(protocolError), closed(realtime.CloseTooLarge)}, got)
			w.requireEOF()
		})
	}
}

func TestSocket_IsRemovedWhenTheConnectionEnds(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, last := range map[string][]byte{
		"before any frame":                 nil,
		"within a header":                  {fin | opText},
		"within a length":                  {fin | opText, 0x80 | 126, 1},
		"within a mask":                    {fin | opText, 0x80 | 5, 1, 2},
		"within a payload":                 message("truncated")[:12],
		"between fragments":                frame(opText, echoFrame("x")),
		"after the header of 60,000 bytes": headerOnly(opText, 60_000),
	} {
		w := e.dial(t)
		w.write(last)
		require.NoError(t, w.Close(), name)
	}
	requireNoSockets(t, e.hub)
}

func requireNoSockets(t *testing.T, h *realtime.Hub) {
	t.Helper()
	require.Eventually(t, func() bool {
		devices, customers := h.Count()
		return devices+customers == 0
	}, timeout, 5*time.Millisecond)
}

func TestClose_ClientThatNeverAnswersIsDisconnected(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	started := time.Now()
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	w.requireEOF()
	require.GreaterOrEqual(t, time.Since(started), time.Second, "the client had too little time to answer")
	requireNoSockets(t, e.hub)
}

func TestClose_NoFrameIsServedAfterIt(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	w.write(bytes.Repeat(frame(fin|opText, `{"type":"block"}`), 20))
	w.write(closeFrame(realtime.CloseBinary, ""))
	w.requireEOF()
	requireNoSockets(t, e.hub)
	require.Empty(t, e.blocked)
}

func TestClose_ClientThatKeepsSendingIsDisconnected(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	go func() {
		for _, err := w.Write(message("more")); err == nil; {
			_, err = w.Write(message("more"))
		}
	}()
	_, err := w.r.ReadByte()
	require.Error(t, err, "the server must reset the connection of a client that keeps sending")
	requireNoSockets(t, e.hub)
}

func TestClose_CodeArrivesWhileRepliesArePending(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	requests := bytes.Repeat(message("x"), 20)
	rest := frame(fin|opText, strings.Repeat("x", 1<<20))
	for range 10 {
		w := e.dial(t)
		go w.write(join(requests, frame(fin|rsv1|opText, "x"), rest))
		w.expectClose(closed(protocolError))
		w = e.dial(t)
		go w.write(join(requests, closeFrame(4000, "bye"), rest))
		w.expectClose(closed(4000))
	}
}

func TestClose_UnreadBytesAreDrained(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for code, last := range map[realtime.CloseCode][]byte{
		1000: closeFrame(1000, ""), 1002: frame(fin|rsv1|opText, ""), 1009: headerOnly(fin|opText, 2<<20),
	} {
		w := e.dial(t)
		require.NoError(t, w.Conn.(*net.TCPConn).SetWriteBuffer(16<<10))
		w.write(last)
		require.Equal(t, closed(code), w.next())
		w.requireEOF()
		_, err := w.Write(make([]byte, 2<<20))
		require.NoError(t, err, "the connection was reset after code %d", code)
	}
}

func TestMetrics_ClosesAreCountedByCode(t *testing.T) {
	t.Parallel()
	for code, last := range map[realtime.CloseCode][]byte{
		1000: closeFrame(1000, ""),
		1001: closeFrame(1001, ""),
		1002: frame(fin|rsv1|opText, "x"),
		1003: frame(fin|opBinary, "x"),
		1006: {fin | opText}, // incomplete: the test then ends the connection
		1007: frame(fin|opText, "\xff"),
		1008: join(frame(opText, ""), bytes.Repeat(frame(opContinuation, ""), 70_000)),
		1009: headerOnly(fin|opText, 1<<20),
	} {
		t.Run(closed(code), func(t *testing.T) {
			t.Parallel()
			e := newEcho(t, realtime.Limits{})
			w := e.dial(t)
			w.write(last)
			if code != 1006 {
				w.expect(closed(code))
			}
			require.NoError(t, w.Close())
			require.Eventually(t, func() bool { return e.closes(t)[strconv.Itoa(int(code))] == 1 }, timeout, 5*time.Millisecond)
		})
	}
}

func TestMetrics_ClientCodesShareOneSeries(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for _, code := range []realtime.CloseCode{3000, 4000, 4999} {
		w := e.dial(t)
		w.write(closeFrame(code, ""))
		w.expect(closed(code))
	}
	require.Eventually(t, func() bool { return e.closes(t)["other"] == 3 }, timeout, 5*time.Millisecond)
	require.Len(t, e.closes(t), 1)
}

// closes returns how many sockets were closed with each close code, according to the
// metrics.
func (e *echo) closes(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := e.metrics.Gather()
	require.NoError(t, err)
	byCode := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "fieldgate_socket_closes_total" {
			continue
		}
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if label.GetName() == "code" {
					byCode[label.GetValue()] = series.GetCounter().GetValue()
				}
			}
		}
	}
	return byCode
}

func TestSocket_RandomBytesAffectNoOtherSocket(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	other := e.dial(t)
	random := rand.New(rand.NewPCG(6455, 1))
	for range 100 {
		w := e.dial(t)
		sent := make([]byte, random.IntN(2000))
		for i := range sent {
			sent[i] = byte(random.Uint32())
		}
		w.write(sent)
		require.NoError(t, w.Close())
	}
	other.write(message("open"))
	other.expect(reply("open"))
	require.NoError(t, other.Close())
	requireNoSockets(t, e.hub)
}
