package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldgate/fieldgate/realtime"
)

func TestText_ArrivesUnchanged(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for name, text := range map[string]string{
		"ASCII":                              "Hello-world",
		"Latin":                              "Hello-µ@ßöäüàá-UTF-8!!",
		"Greek with a two-byte accent":       "κόσμε",
		"Chinese":                            "現場閘道",
		"characters of four bytes":           "𝔉𝔦𝔢𝔩𝔡 🛠🚪",
		"the last of one byte":               "\u007f",
		"the first of two bytes":             "\u0080",
		"the last of two bytes":              "\u07ff",
		"the first of three bytes":           "\u0800",
		"the last before the surrogates":     "\ud7ff",
		"the first after the surrogates":     "\ue000",
		"the replacement character":          "\ufffd",
		"a noncharacter of three bytes":      "\ufffe",
		"the last of three bytes":            "\uffff",
		"the first of four bytes":            "\U00010000",
		"a noncharacter of four bytes":       "\U0001fffe",
		"the last code point":                "\U0010ffff",
		"a byte order mark inside":           "a\ufeffb",
		"the private use area":               "\U000f0000\U00100000",
		"a combining character at the start": "\u0301a",
	} {
		cases = append(cases, exchange{"8.1", name, message(text), []string{reply(text)}})
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestText_CharacterMaySpanFragments(t *testing.T) {
	t.Parallel()
	text := echoFrame("κ€𝔉")
	var cases []exchange
	for at := strings.Index(text, "κ"); at <= strings.Index(text, "𝔉")+4; at++ {
		split := join(frame(opText, text[:at]), frame(fin|opContinuation, text[at:]))
		pinged := join(frame(opText, text[:at]), frame(fin|opPing, "split"), frame(opContinuation, ""), frame(fin|opContinuation, text[at:]))
		cases = append(cases,
			exchange{"5.6", fmt.Sprintf("split before byte %d", at), split, []string{reply("κ€𝔉")}},
			exchange{"5.6", fmt.Sprintf("split before byte %d, with a ping between", at), pinged, []string{pong("split"), reply("κ€𝔉")}},
		)
	}
	cases = append(cases, exchange{"5.6", "fragments of one byte", fragments(1, text), []string{reply("κ€𝔉")}})
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

// invalidUTF8 holds strings that are not valid UTF-8 (RFC 3629).
var invalidUTF8 = map[string]string{
	"a continuation byte alone, the first":       "\x80",
	"a continuation byte alone, the last":        "\xbf",
	"two continuation bytes":                     "\x80\xbf",
	"seven continuation bytes":                   "\x80\xbf\x80\xbf\x80\xbf\x80",
	"a start of two bytes alone":                 "\xc3 ",
	"all starts of two bytes":                    "\xc2 \xc3 \xd0 \xdf ",
	"a start of three bytes alone":               "\xe2 ",
	"a start of four bytes alone":                "\xf0 ",
	"two bytes without the last":                 "\xce",
	"three bytes without the last":               "\xe2\x82",
	"four bytes without the last":                "\xf0\x9d\x94",
	"four bytes without the last two":            "\xf0\x9d",
	"two incomplete characters":                  "\xe2\x82\xf0\x9d\x94",
	"an invalid second byte":                     "\xe2\x28\xa1",
	"an invalid third byte":                      "\xe2\x82\x28",
	"an invalid fourth byte":                     "\xf0\x9d\x94\x28",
	"the unused byte fe":                         "\xfe",
	"the unused byte ff":                         "\xff",
	"the unused bytes fe fe ff ff":               "\xfe\xfe\xff\xff",
	"NUL in two bytes (overlong)":                "\xc0\x80",
	"a slash in two bytes (overlong)":            "\xc0\xaf",
	"a slash in three bytes (overlong)":          "\xe0\x80\xaf",
	"a slash in four bytes (overlong)":           "\xf0\x80\x80\xaf",
	"a slash in five bytes (overlong)":           "\xf8\x80\x80\x80\xaf",
	"a slash in six bytes (overlong)":            "\xfc\x80\x80\x80\x80\xaf",
	"the highest overlong form of two bytes":     "\xc1\xbf",
	"the highest overlong form of three bytes":   "\xe0\x9f\xbf",
	"the highest overlong form of four bytes":    "\xf0\x8f\xbf\xbf",
	"the first surrogate":                        "\xed\xa0\x80",
	"the last high surrogate":                    "\xed\xaf\xbf",
	"the first low surrogate":                    "\xed\xb0\x80",
	"the last surrogate":                         "\xed\xbf\xbf",
	"a pair of surrogates":                       "\xed\xa0\x81\xed\xb0\x80",
	"the first value beyond Unicode":             "\xf4\x90\x80\x80",
	"the last of four bytes, beyond Unicode":     "\xf7\xbf\xbf\xbf",
	"the first of five bytes":                    "\xf8\x88\x80\x80\x80",
	"the last of six bytes":                      "\xfd\xbf\xbf\xbf\xbf\xbf",
	"Latin-1":                                    "gr\xfc\xdf Gott",
	"UTF-16":                                     "\xff\xfeh\x00i\x00",
	"a surrogate between valid texts":            "κόσμε\xed\xa0\x80edited",
	"a value beyond Unicode between valid texts": "κόσμε\xf4\x90\x80\x80edited",
}

func TestText_InvalidUTF8ClosesTheSocket(t *testing.T) {
	t.Parallel()
	wrong := []string{closed(realtime.CloseNotUTF8)}
	var cases []exchange
	for name, text := range invalidUTF8 {
		cases = append(cases,
			exchange{"8.1", name, message(text), wrong},
			exchange{"8.1", name + ", in fragments of one byte", fragments(1, echoFrame(text)), wrong},
		)
	}
	newEcho(t, realtime.Limits{}).run(t, cases...)
}

func TestText_InvalidUTF8AtAnyPosition(t *testing.T) {
	t.Parallel()
	wrong := []string{closed(realtime.CloseNotUTF8)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"8.1", "the message ends within a character", frame(fin|opText, "κόσμ\xce"), wrong},
		exchange{"8.1", "the last fragment ends within a character", join(frame(opText, "κόσμ"), frame(fin|opContinuation, "\xce")), wrong},
		exchange{"8.1", "the rest of a character is missing", join(frame(opText, "κόσμ\xce"), frame(fin|opContinuation, "")), wrong},
		exchange{"8.1", "another character follows instead of the rest", join(frame(opText, "κόσμ\xce"), frame(fin|opContinuation, "\xce\xb5")), wrong},
		exchange{"8.1", "the invalid fragment is in the middle", join(frame(opText, "{"), frame(opContinuation, "\xff"), frame(fin|opContinuation, "}")), wrong},
		exchange{"8.1", "a single byte", frame(fin|opText, "\x80"), wrong},
		exchange{"8.1", "64 KiB with an invalid last byte", frame(fin|opText, strings.Repeat("x", 65_535)+"\xc3"), wrong},
		exchange{"8.1", "an empty text is UTF-8, but not a frame", frame(fin|opText, ""), []string{refused("", "validation_failed")}},
		exchange{"8.1", "NUL is UTF-8, but not JSON", message("\x00"), []string{refused("", "validation_failed")}},
		exchange{"8.1", "a byte order mark is UTF-8, but not JSON", frame(fin|opText, "\ufeff"+echoFrame("x")), []string{refused("", "validation_failed")}},
		exchange{"8.1", "the payload of a ping is not text", join(frame(opText, echoFrame("x")), frame(fin|opPing, "\xff\xfe"), frame(fin|opContinuation, "")),
			[]string{pong("\xff\xfe"), reply("x")}},
	)
}

func TestBinaryMessage_ClosesTheSocket(t *testing.T) {
	t.Parallel()
	binary := []string{closed(realtime.CloseBinary)}
	newEcho(t, realtime.Limits{}).run(t,
		exchange{"7.4.1", "an empty message", frame(fin|opBinary, ""), binary},
		exchange{"7.4.1", "a frame as a binary message", frame(fin|opBinary, echoFrame("x")), binary},
		exchange{"7.4.1", "bytes that are not UTF-8", frame(fin|opBinary, "\x00\xff\xfe\x80"), binary},
		exchange{"7.4.1", "64 KiB", frame(fin|opBinary, strings.Repeat("\xff", 65_536)), binary},
		exchange{"7.4.1", "a fragmented message", join(frame(opBinary, echoFrame("x")), frame(fin|opContinuation, "")), binary},
		exchange{"7.4.1", "the first fragment", frame(opBinary, "x"), binary},
		exchange{"7.4.1", "before a text", join(frame(fin|opBinary, "x"), message("x")), binary},
		exchange{"7.4.1", "before a ping", join(frame(fin|opBinary, "x"), frame(fin|opPing, "x")), binary},
		exchange{"7.4.1", "before a close frame", join(frame(fin|opBinary, "x"), closeFrame(1000, "")), binary},
	)
}
