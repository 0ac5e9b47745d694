package fieldgate

import (
	"fmt"
	"unicode/utf8"
)

// How much text a result may carry, in characters.
const (
	MaxOutput = 262_144
	MaxError  = 16_384
)

// maxEncoded is how many bytes of JSON one text may become. The gateway takes 1 MiB in
// all, so that even a dump of zeros, of six bytes each, leaves room for the rest.
const maxEncoded = 768 << 10

// Fit cuts the texts of a result as [DeviceClient.SubmitResult] does, for who keeps results until
// they can be sent: a longer one need not be kept.
func Fit(outcome ResultRequest) ResultRequest {
	outcome.Output = cut(outcome.Output, MaxOutput)
	outcome.Error = cut(outcome.Error, MaxError)
	return outcome
}

// cut makes a text fit a limit in characters. The same text is always cut in the same
// way, so that a repeated result stays the same result.
func cut(text string, limit int) string {
	if fitting(text, limit) == len(text) {
		return text
	}
	mark := fmt.Sprintf("\n[cut, %d characters in all]", utf8.RuneCountInString(text))
	return text[:fitting(text, limit-len(mark))] + mark
}

// fitting gives the length of the longest beginning that fits, in bytes.
func fitting(text string, characters int) int {
	encoded := 0
	for i, r := range text {
		encoded += encodedLen(r)
		if characters == 0 || encoded > maxEncoded {
			return i
		}
		characters--
	}
	return len(text)
}

// encodedLen is how many bytes encoding/json makes of a character at most.
func encodedLen(r rune) int {
	switch {
	case r == '\n', r == '\r', r == '\t', r == '"', r == '\\':
		return 2
	case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return 6
	}
	return utf8.RuneLen(r)
}
