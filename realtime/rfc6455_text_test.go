package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldgate/fieldgate/realtime"
)

func TestTextOfEveryAlphabetArrivesAsItWas(t *testing.T) {
	t.Parallel()
	var cases []exchange
	for name, text := range map[string]string{
		"ASCII":                              "Hello-world",
		"Latin":                              "Hello-µ@ßöäüàá-UTF-8!!",
		"Greek with an accent of two bytes":  "κόσμε",
		"Chinese":                            "現場閘道",
		"four bytes a character":             "𝔉𝔦𝔢𝔩𝔡 🛠🚪",
		"the last of one byte":               "\u007f",
		"the first of two bytes":             "\u0080",
		"the last of two bytes":              "\u07ff",
		"the first of three bytes":           "\u0800",
		"the last before the surrogates":     "\ud7ff",
		"the first after the surrogates":     "\ue000",
		"the replacement character":          "\ufffd",
		"a character that is none":           "\ufffe",
		"the last of three bytes":            "\uffff",
		"the first of four bytes":            "\U00010000",
		"a character that is none, of four":  "\U0001fffe",
		"the last of all":                    "\U0010ffff",
		"a byte order mark inside":           "a\ufeffb",
		"the private use area":               "\U000f0000\U00100000",
		"a combining character at the start": "\u0301a",
	} {
		cases = append(cases, exchange{"8.1", name, message(text), []string{reply(text)}})
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestACharacterMayBeCutByAFragment(t *testing.T) {
	t.Parallel()
	text := said("κ€𝔉")
	var cases []exchange
	for at := strings.Index(text, "κ"); at <= strings.Index(text, "𝔉")+4; at++ {
		cut := join(frame(opText, text[:at]), frame(fin|opContinuation, text[at:]))
		apart := join(frame(opText, text[:at]), frame(fin|opPing, "cut"), frame(opContinuation, ""), frame(fin|opContinuation, text[at:]))
		cases = append(cases,
			exchange{"5.6", fmt.Sprintf("a cut before byte %d", at), cut, []string{reply("κ€𝔉")}},
			exchange{"5.6", fmt.Sprintf("a cut before byte %d, with a ping in it", at), apart, []string{pong("cut"), reply("κ€𝔉")}},
		)
	}
	cases = append(cases, exchange{"5.6", "a part for each byte", parts(1, text), []string{reply("κ€𝔉")}})
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

// notUTF8 are the ways not to be UTF-8 (RFC 3629).
var notUTF8 = map[string]string{
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
	"one without the last before another":        "\xe2\x82\xf0\x9d\x94",
	"a second byte that is none":                 "\xe2\x28\xa1",
	"a third byte that is none":                  "\xe2\x82\x28",
	"a fourth byte that is none":                 "\xf0\x9d\x94\x28",
	"bytes that never are, fe":                   "\xfe",
	"bytes that never are, ff":                   "\xff",
	"bytes that never are, fe fe ff ff":          "\xfe\xfe\xff\xff",
	"NUL overlong in two bytes":                  "\xc0\x80",
	"a slash overlong in two bytes":              "\xc0\xaf",
	"a slash overlong in three bytes":            "\xe0\x80\xaf",
	"a slash overlong in four bytes":             "\xf0\x80\x80\xaf",
	"a slash overlong in five bytes":             "\xf8\x80\x80\x80\xaf",
	"a slash overlong in six bytes":              "\xfc\x80\x80\x80\x80\xaf",
	"the highest overlong of two bytes":          "\xc1\xbf",
	"the highest overlong of three bytes":        "\xe0\x9f\xbf",
	"the highest overlong of four bytes":         "\xf0\x8f\xbf\xbf",
	"the first surrogate":                        "\xed\xa0\x80",
	"the last high surrogate":                    "\xed\xaf\xbf",
	"the first low surrogate":                    "\xed\xb0\x80",
	"the last surrogate":                         "\xed\xbf\xbf",
	"a pair of surrogates":                       "\xed\xa0\x81\xed\xb0\x80",
	"the first beyond Unicode":                   "\xf4\x90\x80\x80",
	"the last of four bytes, beyond Unicode":     "\xf7\xbf\xbf\xbf",
	"the first of five bytes":                    "\xf8\x88\x80\x80\x80",
	"the last of six bytes":                      "\xfd\xbf\xbf\xbf\xbf\xbf",
	"Latin-1":                                    "gr\xfc\xdf Gott",
	"UTF-16":                                     "\xff\xfeh\x00i\x00",
	"good text, a surrogate and good text":       "κόσμε\xed\xa0\x80edited",
	"good text, one beyond Unicode and the rest": "κόσμε\xf4\x90\x80\x80edited",
}

func TestTextThatIsNotUTF8EndsTheSocket(t *testing.T) {
	t.Parallel()
	wrong := []string{closed(realtime.CloseNotUTF8)}
	var cases []exchange
	for name, text := range notUTF8 {
		cases = append(cases,
			exchange{"8.1", name, message(text), wrong},
			exchange{"8.1", name + ", in parts of a byte", parts(1, said(text)), wrong},
		)
	}
	newEcho(t, realtime.Limits{}).play(t, cases...)
}

func TestTextMustBeUTF8WhereverItEnds(t *testing.T) {
	t.Parallel()
	wrong := []string{closed(realtime.CloseNotUTF8)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"8.1", "the message ends in a character", frame(fin|opText, "κόσμ\xce"), wrong},
		exchange{"8.1", "the last part ends in a character", join(frame(opText, "κόσμ"), frame(fin|opContinuation, "\xce")), wrong},
		exchange{"8.1", "the rest of a character never comes", join(frame(opText, "κόσμ\xce"), frame(fin|opContinuation, "")), wrong},
		exchange{"8.1", "the rest of a character is another", join(frame(opText, "κόσμ\xce"), frame(fin|opContinuation, "\xce\xb5")), wrong},
		exchange{"8.1", "the wrong part is in the middle", join(frame(opText, "{"), frame(opContinuation, "\xff"), frame(fin|opContinuation, "}")), wrong},
		exchange{"8.1", "a byte alone", frame(fin|opText, "\x80"), wrong},
		exchange{"8.1", "64 KiB of which the last byte is wrong", frame(fin|opText, strings.Repeat("x", 65_535)+"\xc3"), wrong},
		exchange{"8.1", "nothing is UTF-8, though no frame of ours", frame(fin|opText, ""), []string{refused("", "validation_failed")}},
		exchange{"8.1", "NUL is UTF-8, though no JSON", message("\x00"), []string{refused("", "validation_failed")}},
		exchange{"8.1", "a byte order mark is UTF-8, though no JSON", frame(fin|opText, "\ufeff"+said("x")), []string{refused("", "validation_failed")}},
		exchange{"8.1", "what a ping carries is no text", join(frame(opText, said("x")), frame(fin|opPing, "\xff\xfe"), frame(fin|opContinuation, "")),
			[]string{pong("\xff\xfe"), reply("x")}},
	)
}

func TestBinaryMessagesEndTheSocket(t *testing.T) {
	t.Parallel()
	binary := []string{closed(realtime.CloseBinary)}
	newEcho(t, realtime.Limits{}).play(t,
		exchange{"7.4.1", "an empty binary", frame(fin|opBinary, ""), binary},
		exchange{"7.4.1", "a binary that would be a frame", frame(fin|opBinary, said("x")), binary},
		exchange{"7.4.1", "a binary of bytes", frame(fin|opBinary, "\x00\xff\xfe\x80"), binary},
		exchange{"7.4.1", "a binary of 64 KiB", frame(fin|opBinary, strings.Repeat("\xff", 65_536)), binary},
		exchange{"7.4.1", "a binary in parts", join(frame(opBinary, said("x")), frame(fin|opContinuation, "")), binary},
		exchange{"7.4.1", "the beginning of a binary", frame(opBinary, "x"), binary},
		exchange{"7.4.1", "a binary before a text", join(frame(fin|opBinary, "x"), message("x")), binary},
		exchange{"7.4.1", "a binary before a ping", join(frame(fin|opBinary, "x"), frame(fin|opPing, "x")), binary},
		exchange{"7.4.1", "a binary before a goodbye", join(frame(fin|opBinary, "x"), closing(1000, "")), binary},
	)
}
