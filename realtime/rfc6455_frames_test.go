package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldgate/fieldgate/realtime"
)

const protocolError realtime.CloseCode = 1002

func TestMessage_AnySizeArrivesWhole(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for _, size := range []int{45, 125, 126, 127, 128, 255, 256, 511, 512, 513, 1024, 4096, 65_535, 65_536} {
		data := strings.Repeat("x", size-len(echoFrame("")))
		cases = append(cases, exchange{"5.2", fmt.Sprintf("a message of %d bytes", size), message(data), []string{reply(data)}})
	}
	for _, size := range []int{1, 2, 64, 125, 126, 1000, 1300, 32_768, 65_535} {
		data := strings.Repeat("y", 65_536-len(echoFrame("")))
		cases = append(cases, exchange{
			"5.4", fmt.Sprintf("64 KiB in fragments of %d bytes", size), fragments(size, echoFrame(data)), []string{reply(data)},
		})
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestFraming_LengthMustBeMinimal(t *testing.T) {
	t.Parallel()
	// Section 5.2 requires only the sender to use the shortest form. The gateway
	// refuses longer forms, because a proxy in front of it may parse them differently.
	hello := echoFrame("hello")
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.2", "a length below 126 in 16 bits", sized(fin|opText, 2, hello), broken},
		exchange{"5.2", "a length below 126 in 64 bits", sized(fin|opText, 8, hello), broken},
		exchange{"5.2", "a length of 125 in 16 bits", sized(fin|opText, 2, strings.Repeat(" ", 125)), broken},
		exchange{"5.2", "a 16-bit length in 64 bits", sized(fin|opText, 8, strings.Repeat(" ", 65_535)), broken},
		exchange{"5.2", "a length of 0 in 16 bits", sized(fin|opText, 2, ""), broken},
		exchange{"5.2", "a length of 0 in 64 bits", sized(fin|opText, 8, ""), broken},
		exchange{"5.2", "a continuation with a length in 16 bits", join(frame(opText, hello), sized(fin|opContinuation, 2, "")), broken},
		exchange{"5.5", "a ping with a length in 16 bits", sized(fin|opPing, 2, "hi"), broken},
		exchange{"5.5", "a close with a length in 64 bits", sized(fin|opClose, 8, "\x03\xe8"), broken},
		exchange{"5.2", "a length with the highest bit set", headerOnly(fin|opText, 1<<63), broken},
		exchange{"5.2", "a length with all bits set", headerOnly(fin|opText, 1<<64-1), broken},
		exchange{"5.2", "a continuation with the highest bit of the length set",
			join(frame(opText, hello), headerOnly(fin|opContinuation, 1<<63)), broken},
	)
}

func TestFraming_ReservedBitsAreAProtocolError(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	var cases []exchange
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		name := fmt.Sprintf("reserved bits %03b", bits>>4)
		cases = append(cases,
			exchange{"5.2", name + " of a text", frame(fin|bits|opText, echoFrame("x")), broken},
			exchange{"5.2", name + " of a ping", frame(fin|bits|opPing, "x"), broken},
			exchange{"5.2", name + " of a close", frame(fin|bits|opClose, "\x03\xe8"), broken},
			exchange{"5.2", name + " of a continuation", join(frame(opText, echoFrame("x")), frame(fin|bits|opContinuation, "")), broken},
		)
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestFraming_ReservedOpcodesAreAProtocolError(t *testing.T) {
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
		"5.2", "a reserved opcode between two fragments",
		join(frame(opText, echoFrame("x")), frame(fin|0x3, ""), frame(fin|opContinuation, "")), broken,
	})
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestFraming_UnmaskedFramesAreAProtocolError(t *testing.T) {
	t.Parallel()
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.1", "an unmasked text", unmasked(fin|opText, echoFrame("x")), broken},
		exchange{"5.1", "an unmasked empty text", unmasked(fin|opText, ""), broken},
		exchange{"5.1", "an unmasked ping", unmasked(fin|opPing, "hi"), broken},
		exchange{"5.1", "an unmasked pong", unmasked(fin|opPong, ""), broken},
		exchange{"5.1", "an unmasked close", unmasked(fin|opClose, "\x03\xe8"), broken},
		exchange{"5.1", "an unmasked continuation", join(frame(opText, echoFrame("x")), unmasked(fin|opContinuation, "")), broken},
		exchange{"5.3", "a mask of zeroes is valid", append([]byte{fin | opText, 0x80 | byte(len(echoFrame("zero"))), 0, 0, 0, 0}, echoFrame("zero")...),
			[]string{reply("zero")}},
	)
}

func TestFraming_FragmentsFormOneMessage(t *testing.T) {
	t.Parallel()
	text := echoFrame("in fragments")
	whole := []string{reply("in fragments")}
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.4", "two fragments", join(frame(opText, text[:9]), frame(fin|opContinuation, text[9:])), whole},
		exchange{"5.4", "fragments of one byte", fragments(1, text), whole},
		exchange{"5.4", "fragments of seven bytes", fragments(7, text), whole},
		exchange{"5.4", "an empty first fragment", join(frame(opText, ""), frame(fin|opContinuation, text)), whole},
		exchange{"5.4", "empty fragments in the middle",
			join(frame(opText, text[:9]), frame(opContinuation, ""), frame(opContinuation, ""), frame(fin|opContinuation, text[9:])), whole},
		exchange{"5.4", "a continuation without a first fragment", frame(fin|opContinuation, text), broken},
		exchange{"5.4", "an empty continuation without a first fragment", frame(fin|opContinuation, ""), broken},
		exchange{"5.4", "an unfinished continuation without a first fragment", frame(opContinuation, text), broken},
		exchange{"5.4", "a continuation without a first fragment, after a pong", join(frame(fin|opPong, ""), frame(fin|opContinuation, text)), broken},
		exchange{"5.4", "a text before the last fragment of another", join(frame(opText, text[:9]), frame(fin|opText, text)), broken},
		exchange{"5.4", "a binary message before the last fragment of a text", join(frame(opText, text[:9]), frame(fin|opBinary, text)), broken},
		exchange{"5.4", "the first fragment of a text before the last one of another", join(frame(opText, text[:9]), frame(opText, text[9:])), broken},
		exchange{"5.4", "three fragments, of which the last starts a new text",
			join(frame(opText, text[:3]), frame(opContinuation, text[3:9]), frame(fin|opText, text[9:])), broken},
	)
}

func TestFraming_ControlFramesAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("p", 125)
	text := echoFrame("around a ping")
	broken := []string{closed(protocolError)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"5.5.2", "an empty ping", frame(fin|opPing, ""), []string{pong("")}},
		exchange{"5.5.3", "a ping with a text", frame(fin|opPing, "hello"), []string{pong("hello")}},
		exchange{"5.5.3", "a ping with bytes that are not UTF-8", frame(fin|opPing, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), []string{pong("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
		exchange{"5.5", "a ping of 125 bytes", frame(fin|opPing, long), []string{pong(long)}},
		exchange{"5.5", "a ping of 126 bytes", frame(fin|opPing, long+"p"), broken},
		exchange{"5.5", "a ping of 64 KiB", frame(fin|opPing, strings.Repeat("p", 65_536)), broken},
		exchange{"5.5", "a ping with a length of 2^62 bytes", headerOnly(fin|opPing, 1<<62), broken},
		exchange{"5.5", "a pong of 126 bytes", frame(fin|opPong, long+"p"), broken},
		exchange{"5.5", "a close of 126 bytes", closeFrame(1000, long[:124]), broken},
		exchange{"5.5", "a fragmented ping", join(frame(opPing, "in"), frame(fin|opContinuation, " fragments")), broken},
		exchange{"5.5", "a fragmented pong", join(frame(opPong, "in"), frame(fin|opContinuation, " fragments")), broken},
		exchange{"5.5", "a fragmented close", join(frame(opClose, "\x03"), frame(fin|opContinuation, "\xe8")), broken},
		exchange{"5.4", "a fragmented ping between two fragments of a text",
			join(frame(opText, text[:9]), frame(opPing, "in"), frame(fin|opContinuation, text[9:])), broken},
		exchange{"5.5.3", "an unsolicited pong", frame(fin|opPong, ""), nil},
		exchange{"5.5.3", "an unsolicited pong with a payload", frame(fin|opPong, "unsolicited"), nil},
		exchange{"5.5.3", "pongs between other frames", join(frame(fin|opPong, "1"), frame(fin|opPing, "a"), frame(fin|opPong, ""), frame(fin|opPong, "2"), message("b"),
			frame(fin|opPong, long[:125])), []string{pong("a"), reply("b")}},
		exchange{"5.5.3", "pongs, then a ping", join(frame(fin|opPong, "1"), frame(fin|opPong, "2"), frame(fin|opPing, "3")), []string{pong("3")}},
		exchange{"5.5.3", "ten pings", join(frame(fin|opPing, "0"), frame(fin|opPing, "1"), frame(fin|opPing, "2"), frame(fin|opPing, "3"),
			frame(fin|opPing, "4"), frame(fin|opPing, "5"), frame(fin|opPing, "6"), frame(fin|opPing, "7"), frame(fin|opPing, "8"), frame(fin|opPing, "9")),
			[]string{pong("0"), pong("1"), pong("2"), pong("3"), pong("4"), pong("5"), pong("6"), pong("7"), pong("8"), pong("9")}},
		exchange{"5.4", "a ping between two fragments of a text",
			join(frame(opText, text[:9]), frame(fin|opPing, "now"), frame(fin|opContinuation, text[9:])),
			[]string{pong("now"), reply("around a ping")}},
		exchange{"5.4", "pings between all fragments of a text",
			join(frame(opText, text[:9]), frame(fin|opPing, "1"), frame(opContinuation, text[9:20]), frame(fin|opPing, "2"),
				frame(opContinuation, ""), frame(fin|opPing, "3"), frame(fin|opContinuation, text[20:])),
			[]string{pong("1"), pong("2"), pong("3"), reply("around a ping")}},
		exchange{"5.4", "a pong between two fragments of a text",
			join(frame(opText, text[:9]), frame(fin|opPong, "now"), frame(fin|opContinuation, text[9:])), []string{reply("around a ping")}},
	)
}
