package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldgate/fieldgate/realtime"
)

const protocolError realtime.CloseCode = 1002

func TestMessagesOfEverySizeArriveWhole(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for _, size := range []int{45, 125, 126, 127, 128, 255, 256, 511, 512, 513, 1024, 4096, 65_535, 65_536} {
		data := strings.Repeat("x", size-len(said("")))
		cases = append(cases, exchange{"5.2", fmt.Sprintf("a message of %d bytes", size), message(data), []string{reply(data)}})
	}
	for _, size := range []int{1, 2, 64, 125, 126, 1000, 1300, 32_768, 65_535} {
		data := strings.Repeat("y", 65_536-len(said("")))
		cases = append(cases, exchange{
			"5.4", fmt.Sprintf("64 KiB in parts of %d bytes", size), parts(size, said(data)), []string{reply(data)},
		})
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestALengthIsWrittenInTheFewestBytes(t *testing.T) {
	t.Parallel()
	// Section 5.2 obliges the sender. A receiver that let it pass would read what
	// something in front of it may have read otherwise, so it is a protocol error.
	hello := said("hello")
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.2", "a short length in 16 bits", sized(fin|opText, 2, hello), broken},
		exchange{"5.2", "a short length in 64 bits", sized(fin|opText, 8, hello), broken},
		exchange{"5.2", "a length of 125 in 16 bits", sized(fin|opText, 2, strings.Repeat(" ", 125)), broken},
		exchange{"5.2", "a 16-bit length in 64 bits", sized(fin|opText, 8, strings.Repeat(" ", 65_535)), broken},
		exchange{"5.2", "no length in 16 bits", sized(fin|opText, 2, ""), broken},
		exchange{"5.2", "no length in 64 bits", sized(fin|opText, 8, ""), broken},
		exchange{"5.2", "a continuation with a length in 16 bits", join(frame(opText, hello), sized(fin|opContinuation, 2, "")), broken},
		exchange{"5.5", "a ping with a length in 16 bits", sized(fin|opPing, 2, "hi"), broken},
		exchange{"5.5", "a close with a length in 64 bits", sized(fin|opClose, 8, "\x03\xe8"), broken},
		exchange{"5.2", "the highest bit of the length", announced(fin|opText, 1<<63), broken},
		exchange{"5.2", "all bits of the length", announced(fin|opText, 1<<64-1), broken},
		exchange{"5.2", "the highest bit of the length of a continuation",
			join(frame(opText, hello), announced(fin|opContinuation, 1<<63)), broken},
	)
}

func TestReservedBitsEndTheSocket(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	var cases []exchange
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		name := fmt.Sprintf("reserved bits %03b", bits>>4)
		cases = append(cases,
			exchange{"5.2", name + " of a text", frame(fin|bits|opText, said("x")), broken},
			exchange{"5.2", name + " of a ping", frame(fin|bits|opPing, "x"), broken},
			exchange{"5.2", name + " of a close", frame(fin|bits|opClose, "\x03\xe8"), broken},
			exchange{"5.2", name + " of a continuation", join(frame(opText, said("x")), frame(fin|bits|opContinuation, "")), broken},
		)
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestReservedOpcodesEndTheSocket(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	var cases []exchange
	for _, op := range []byte{0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases = append(cases,
			exchange{"5.2", fmt.Sprintf("opcode %x", op), frame(fin|op, ""), broken},
			exchange{"5.2", fmt.Sprintf("opcode %x with a payload", op), frame(fin|op, "reserved"), broken},
			exchange{"5.2", fmt.Sprintf("opcode %x, not final", op), frame(op, "reserved"), broken},
		)
	}
	cases = append(cases, exchange{
		"5.2", "a reserved opcode between the parts of a message",
		join(frame(opText, said("x")), frame(fin|0x3, ""), frame(fin|opContinuation, "")), broken,
	})
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestWhatIsNotMaskedEndsTheSocket(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.1", "an unmasked text", unmasked(fin|opText, said("x")), broken},
		exchange{"5.1", "an unmasked empty text", unmasked(fin|opText, ""), broken},
		exchange{"5.1", "an unmasked ping", unmasked(fin|opPing, "hi"), broken},
		exchange{"5.1", "an unmasked pong", unmasked(fin|opPong, ""), broken},
		exchange{"5.1", "an unmasked close", unmasked(fin|opClose, "\x03\xe8"), broken},
		exchange{"5.1", "an unmasked continuation", join(frame(opText, said("x")), unmasked(fin|opContinuation, "")), broken},
		exchange{"5.3", "a key of zeroes is a key", append([]byte{fin | opText, 0x80 | byte(len(said("zero"))), 0, 0, 0, 0}, said("zero")...),
			[]string{reply("zero")}},
	)
}

func TestFragmentsMakeOneMessage(t *testing.T) {
	t.Parallel()
	text := said("cut into pieces")
	whole := []string{reply("cut into pieces")}
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.4", "two parts", join(frame(opText, text[:9]), frame(fin|opContinuation, text[9:])), whole},
		exchange{"5.4", "parts of one byte", parts(1, text), whole},
		exchange{"5.4", "parts of seven bytes", parts(7, text), whole},
		exchange{"5.4", "an empty first part", join(frame(opText, ""), frame(fin|opContinuation, text)), whole},
		exchange{"5.4", "empty parts in the middle",
			join(frame(opText, text[:9]), frame(opContinuation, ""), frame(opContinuation, ""), frame(fin|opContinuation, text[9:])), whole},
		exchange{"5.4", "a continuation of nothing", frame(fin|opContinuation, text), broken},
		exchange{"5.4", "an empty continuation of nothing", frame(fin|opContinuation, ""), broken},
		exchange{"5.4", "a continuation of nothing that goes on", frame(opContinuation, text), broken},
		exchange{"5.4", "a continuation of nothing after a pong", join(frame(fin|opPong, ""), frame(fin|opContinuation, text)), broken},
		exchange{"5.4", "a text before the last part of another", join(frame(opText, text[:9]), frame(fin|opText, text)), broken},
		exchange{"5.4", "a binary before the last part of a text", join(frame(opText, text[:9]), frame(fin|opBinary, text)), broken},
		exchange{"5.4", "the beginning of a text before the last part of another", join(frame(opText, text[:9]), frame(opText, text[9:])), broken},
		exchange{"5.4", "three parts, of which the last begins anew",
			join(frame(opText, text[:3]), frame(opContinuation, text[3:9]), frame(fin|opText, text[9:])), broken},
	)
}

func TestControlFramesAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("p", 125)
	text := said("around a ping")
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"5.5.2", "an empty ping", frame(fin|opPing, ""), []string{pong("")}},
		exchange{"5.5.3", "a ping with a text", frame(fin|opPing, "hello"), []string{pong("hello")}},
		exchange{"5.5.3", "a ping with bytes that are no text", frame(fin|opPing, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), []string{pong("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
		exchange{"5.5", "a ping of 125 bytes", frame(fin|opPing, long), []string{pong(long)}},
		exchange{"5.5", "a ping of 126 bytes", frame(fin|opPing, long+"p"), broken},
		exchange{"5.5", "a ping of 64 KiB", frame(fin|opPing, strings.Repeat("p", 65_536)), broken},
		exchange{"5.5", "a ping that announces more than there is", announced(fin|opPing, 1<<62), broken},
		exchange{"5.5", "a pong of 126 bytes", frame(fin|opPong, long+"p"), broken},
		exchange{"5.5", "a close of 126 bytes", closing(1000, long[:124]), broken},
		exchange{"5.5", "a ping in parts", join(frame(opPing, "in"), frame(fin|opContinuation, " parts")), broken},
		exchange{"5.5", "a pong in parts", join(frame(opPong, "in"), frame(fin|opContinuation, " parts")), broken},
		exchange{"5.5", "a close in parts", join(frame(opClose, "\x03"), frame(fin|opContinuation, "\xe8")), broken},
		exchange{"5.4", "a ping in parts between the parts of a text",
			join(frame(opText, text[:9]), frame(opPing, "in"), frame(fin|opContinuation, text[9:])), broken},
		exchange{"5.5.3", "a pong that nobody asked for", frame(fin|opPong, ""), nil},
		exchange{"5.5.3", "a pong with a payload that nobody asked for", frame(fin|opPong, "unsolicited"), nil},
		exchange{"5.5.3", "pongs between other frames", join(frame(fin|opPong, "1"), frame(fin|opPing, "a"), frame(fin|opPong, ""), frame(fin|opPong, "2"), message("b"),
			frame(fin|opPong, long[:125])), []string{pong("a"), reply("b")}},
		exchange{"5.5.3", "pongs, then a ping", join(frame(fin|opPong, "1"), frame(fin|opPong, "2"), frame(fin|opPing, "3")), []string{pong("3")}},
		exchange{"5.5.3", "ten pings", join(frame(fin|opPing, "0"), frame(fin|opPing, "1"), frame(fin|opPing, "2"), frame(fin|opPing, "3"),
			frame(fin|opPing, "4"), frame(fin|opPing, "5"), frame(fin|opPing, "6"), frame(fin|opPing, "7"), frame(fin|opPing, "8"), frame(fin|opPing, "9")),
			[]string{pong("0"), pong("1"), pong("2"), pong("3"), pong("4"), pong("5"), pong("6"), pong("7"), pong("8"), pong("9")}},
		exchange{"5.4", "a ping between the parts of a text",
			join(frame(opText, text[:9]), frame(fin|opPing, "now"), frame(fin|opContinuation, text[9:])),
			[]string{pong("now"), reply("around a ping")}},
		exchange{"5.4", "pings between all parts of a text",
			join(frame(opText, text[:9]), frame(fin|opPing, "1"), frame(opContinuation, text[9:20]), frame(fin|opPing, "2"),
				frame(opContinuation, ""), frame(fin|opPing, "3"), frame(fin|opContinuation, text[20:])),
			[]string{pong("1"), pong("2"), pong("3"), reply("around a ping")}},
		exchange{"5.4", "a pong between the parts of a text",
			join(frame(opText, text[:9]), frame(fin|opPong, "now"), frame(fin|opContinuation, text[9:])), []string{reply("around a ping")}},
	)
}
