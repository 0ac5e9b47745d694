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

func TestAGoodbyeIsAnsweredWithItsOwnCode(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for _, code := range []realtime.CloseCode{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4001, 4500, 4999,
	} {
		cases = append(cases, exchange{"7.4", fmt.Sprintf("code %d", code), closing(code, "bye"), []string{closed(code)}})
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestACodeThatNobodyMaySendEndsTheSocket(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	var cases []exchange
	for _, code := range []realtime.CloseCode{
		0, 1, 100, 500, 999, // not used
		1004, 1005, 1006, 1015, // reserved: they are never on the wire
		1014, 1016, 1017, 1099, 1100, 1500, 2000, 2999, // for later versions of the protocol
		5000, 5001, 9999, 32_768, 65_535, // not used
	} {
		cases = append(cases,
			exchange{"7.4.2", fmt.Sprintf("code %d", code), closing(code, ""), broken},
			exchange{"7.4.2", fmt.Sprintf("code %d with a reason", code), closing(code, "why"), broken},
		)
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestAGoodbyeMayCarryAReason(t *testing.T) {
	t.Parallel()
	bye := []string{closed(1000)}
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.5.1", "nothing at all", frame(fin|opClose, ""), bye},
		exchange{"5.5.1", "half a code", frame(fin|opClose, "\x03"), broken},
		exchange{"5.5.1", "a code alone", closing(1000, ""), bye},
		exchange{"5.5.1", "a reason", closing(1000, "going home"), bye},
		exchange{"5.5.1", "a reason of 123 bytes", closing(1000, strings.Repeat("r", 123)), bye},
		exchange{"5.5.1", "a reason of 124 bytes", closing(1000, strings.Repeat("r", 124)), broken},
		exchange{"5.5.1", "a reason in Greek", closing(1000, "κόσμε"), bye},
		exchange{"5.5.1", "a reason of 41 characters of three bytes", closing(1000, strings.Repeat("€", 41)), bye},
		// Which code says that a reason is no text, section 8.1 leaves open. It is no
		// message, of which 1007 speaks.
		exchange{"8.1", "a reason that is not UTF-8", closing(1000, "\xff"), broken},
		exchange{"8.1", "a reason with a surrogate", closing(1000, "κόσμε\xed\xa0\x80edited"), broken},
		exchange{"8.1", "a reason that ends in a character", closing(1000, "κόσμ\xce"), broken},
		exchange{"8.1", "a reason that is overlong", closing(1000, "\xc0\xaf"), broken},
	)
}

func TestNothingIsSaidAfterAGoodbye(t *testing.T) {
	t.Parallel()
	bye := []string{closed(1000)}
	goodbye := closing(1000, "")
	text := said("too late")
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.5.1", "a text after it", join(goodbye, message("too late")), bye},
		exchange{"5.5.1", "a ping after it", join(goodbye, frame(fin|opPing, "still there?")), bye},
		exchange{"5.5.1", "another after it", join(goodbye, closing(4000, "really")), bye},
		exchange{"5.5.1", "a binary after it", join(goodbye, frame(fin|opBinary, "x")), bye},
		exchange{"5.5.1", "nonsense after it", join(goodbye, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), bye},
		exchange{"7.1.1", "64 KiB after it", join(goodbye, frame(fin|opText, strings.Repeat("x", 65_536))), bye},
		exchange{"7.1.1", "a megabyte after it", join(goodbye, frame(fin|opText, strings.Repeat("x", 1<<20))), bye},
		exchange{"5.4", "between the parts of a text", join(frame(opText, text), goodbye, frame(fin|opContinuation, "")), bye},
		exchange{"5.4", "between the parts of a text, without an end", join(frame(opText, text), goodbye), bye},
		exchange{"5.5.1", "after a ping", join(frame(fin|opPong, ""), goodbye), bye},
	)
}

func TestBytesAfterABrokenRuleAreNotRead(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	bad := frame(fin|rsv1|opText, said("x"))
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"7.1.7", "a text after it", join(bad, message("too late")), broken},
		exchange{"7.1.7", "a ping after it", join(bad, frame(fin|opPing, "still there?")), broken},
		exchange{"7.1.7", "a goodbye after it", join(bad, closing(1000, "")), broken},
		exchange{"7.1.7", "a megabyte after it", join(bad, frame(fin|opText, strings.Repeat("x", 1<<20))), broken},
		exchange{"7.1.7", "a text after a length that is not minimal", join(sized(fin|opText, 8, said("x")), message("too late")), broken},
		exchange{"7.1.7", "a megabyte after a length that is not minimal",
			join(sized(fin|opText, 8, said("x")), frame(fin|opText, strings.Repeat("x", 1<<20))), broken},
	)
}

func TestWhatWasAnsweredBeforeABrokenRuleStands(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, bad := range map[string][]byte{
		"a reserved bit":               frame(fin|rsv1|opText, said("x")),
		"a length that is not minimal": sized(fin|opText, 8, said("x")),
		"half a code":                  frame(fin|opClose, "\x03"),
		"a text that is too large":     announced(fin|opText, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(join(message("before"), bad[:1]))
			require.Equal(t, reply("before"), w.next())
			w.write(bad[1:])
			heard := w.next()
			require.Contains(t, []string{closed(protocolError), closed(realtime.CloseTooLarge)}, heard)
			w.requireEnd()
		})
	}
}

func TestAClientThatJustGoesIsForgotten(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, last := range map[string][]byte{
		"after nothing":                 nil,
		"in the head of a frame":        {fin | opText},
		"in a length":                   {fin | opText, 0x80 | 126, 1},
		"in a key":                      {fin | opText, 0x80 | 5, 1, 2},
		"in a payload":                  message("cut off")[:12],
		"between the parts of a text":   frame(opText, said("x")),
		"with more announced than ever": announced(opText, 60_000),
	} {
		w := e.dial(t)
		w.write(last)
		require.NoError(t, w.Close(), name)
	}
	requireNobody(t, e.hub)
}

func requireNobody(t *testing.T, h *realtime.Hub) {
	t.Helper()
	require.Eventually(t, func() bool {
		devices, customers := h.Count()
		return devices+customers == 0
	}, patience, 5*time.Millisecond)
}

func TestAClientThatNeverAnswersAGoodbyeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	begun := time.Now()
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	w.requireEnd()
	require.GreaterOrEqual(t, time.Since(begun), time.Second, "the client was not given time")
	requireNobody(t, e.hub)
}

func TestNothingIsDoneForAClientAfterAGoodbye(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	w.write(bytes.Repeat(frame(fin|opText, `{"type":"hold"}`), 20))
	w.write(closing(realtime.CloseBinary, ""))
	w.requireEnd()
	requireNobody(t, e.hub)
	require.Empty(t, e.held)
}

func TestAClientThatTalksOnAfterAGoodbyeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	w := e.dial(t)
	w.write(frame(fin|opBinary, "x"))
	require.Equal(t, closed(realtime.CloseBinary), w.next())
	go func() {
		for _, err := w.Write(message("and another thing")); err == nil; {
			_, err = w.Write(message("and another thing"))
		}
	}()
	_, err := w.r.ReadByte()
	require.Error(t, err) // a reset by now, since the client leaves no other way
	requireNobody(t, e.hub)
}

func TestAnswersThatComeTooLateTakeNoCloseAway(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	asked := bytes.Repeat(message("too late"), 20)
	rest := frame(fin|opText, strings.Repeat("x", 1<<20))
	for range 10 {
		w := e.dial(t)
		go w.write(join(asked, frame(fin|rsv1|opText, "x"), rest))
		w.untilClose(closed(protocolError))
		w = e.dial(t)
		go w.write(join(asked, closing(4000, "bye"), rest))
		w.untilClose(closed(4000))
	}
}

func TestWhatAClientIsStillSayingIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for code, last := range map[realtime.CloseCode][]byte{
		1000: closing(1000, ""), 1002: frame(fin|rsv1|opText, ""), 1009: announced(fin|opText, 2<<20),
	} {
		w := e.dial(t)
		require.NoError(t, w.Conn.(*net.TCPConn).SetWriteBuffer(16<<10))
		w.write(last)
		require.Equal(t, closed(code), w.next())
		w.requireEnd()
		_, err := w.Write(make([]byte, 2<<20)) // a reset would break it off
		require.NoError(t, err, "%d", code)
	}
}

func TestAnEndIsCountedUnderItsCode(t *testing.T) {
	t.Parallel()
	for code, last := range map[realtime.CloseCode][]byte{
		1000: closing(1000, ""),
		1001: closing(1001, ""),
		1002: frame(fin|rsv1|opText, "x"),
		1003: frame(fin|opBinary, "x"),
		1006: {fin | opText}, // and goes
		1007: frame(fin|opText, "\xff"),
		1008: join(frame(opText, ""), bytes.Repeat(frame(opContinuation, ""), 70_000)),
		1009: announced(fin|opText, 1<<20),
	} {
		t.Run(closed(code), func(t *testing.T) {
			t.Parallel()
			e := newEcho(t, realtime.Limits{})
			w := e.dial(t)
			w.write(last)
			if code != 1006 {
				w.hear(closed(code))
			}
			require.NoError(t, w.Close())
			require.Eventually(t, func() bool { return e.ended(t)[strconv.Itoa(int(code))] == 1 }, patience, 5*time.Millisecond)
		})
	}
}

func TestCodesOfAClientsOwnAreCountedTogether(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for _, code := range []realtime.CloseCode{3000, 4000, 4999} {
		w := e.dial(t)
		w.write(closing(code, ""))
		w.hear(closed(code))
	}
	require.Eventually(t, func() bool { return e.ended(t)["other"] == 3 }, patience, 5*time.Millisecond)
	require.Len(t, e.ended(t), 1)
}

// ended counts the sockets that have ended, by code.
func (e *echo) ended(t *testing.T) map[string]float64 {
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

func TestNoiseEndsNothingButItsOwnSocket(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	good := e.dial(t)
	noise := rand.New(rand.NewPCG(6455, 1))
	for range 100 {
		w := e.dial(t)
		sent := make([]byte, noise.IntN(2000))
		for i := range sent {
			sent[i] = byte(noise.Uint32())
		}
		w.write(sent)
		require.NoError(t, w.Close())
	}
	good.write(message("still here"))
	good.hear(reply("still here"))
	require.NoError(t, good.Close())
	requireNobody(t, e.hub)
}
