package fieldgate

import (
	"fmt"
	"unicode/utf8"
)

// The maximum lengths of Output and Error in a result, in characters.
const (
	MaxOutput = 262_144
	MaxError  = 16_384
)

// maxEncoded is the maximum size in bytes of one text that is encoded as JSON. The gateway
// accepts a body of 1 MiB. The limit leaves room for the other fields even if the output
// consists of NUL bytes, each of which takes six bytes in JSON.
const maxEncoded = 768 << 10

// TruncateResult returns result with Output and Error cut to the limits.
// [DeviceClient.SubmitResult] cuts a result in the same way. A program that stores results
// before sending them can store the truncated result.
func TruncateResult(result ResultRequest) ResultRequest {
	result.Output = truncate(result.Output, MaxOutput)
	result.Error = truncate(result.Error, MaxError)
	return result
}

// truncate cuts text to at most limit characters. Equal texts are cut equally, so that a
// repeated result does not differ.
func truncate(text string, limit int) string {
	if prefixLen(text, limit) == len(text) {
		return text
	}
	mark := fmt.Sprintf("\n[cut, %d characters in all]", utf8.RuneCountInString(text))
	return text[:prefixLen(text, limit-len(mark))] + mark
}

// prefixLen returns the length in bytes of the longest prefix of text that has at most the given
// number of characters, and takes at most maxEncoded bytes in JSON.
func prefixLen(text string, characters int) int {
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

// encodedLen returns the maximum number of bytes that encoding/json writes for r.
func encodedLen(r rune) int {
	switch {
	case r == '\n', r == '\r', r == '\t', r == '"', r == '\\':
		return 2
	case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return 6
	}
	return utf8.RuneLen(r)
}
