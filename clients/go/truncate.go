package fieldgate

import (
	"fmt"
	"unicode/utf8"
)

// The limits on the texts of a result, in characters.
const (
	MaxOutput = 262_144
	MaxError  = 16_384
)

// maxEncoded is the maximum size of one text in JSON, in bytes. The gateway accepts a body
// of 1 MiB, so even an output of NUL bytes, each of which takes six bytes in JSON, leaves
// room for the other fields.
const maxEncoded = 768 << 10

// TruncateResult returns a result whose Output and Error are within the limits, as
// [DeviceClient.SubmitResult] sends it. A program that stores results until it can send
// them needs to store no more than that.
func TruncateResult(result ResultRequest) ResultRequest {
	result.Output = truncate(result.Output, MaxOutput)
	result.Error = truncate(result.Error, MaxError)
	return result
}

// truncate returns a text of at most limit characters. It always shortens the same text in
// the same way, so that a repeated result stays the same result.
func truncate(text string, limit int) string {
	if prefixLen(text, limit) == len(text) {
		return text
	}
	mark := fmt.Sprintf("\n[cut, %d characters in all]", utf8.RuneCountInString(text))
	return text[:prefixLen(text, limit-len(mark))] + mark
}

// prefixLen returns the length in bytes of the longest prefix that is within the limits.
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

// encodedLen returns the maximum number of bytes that encoding/json writes for a character.
func encodedLen(r rune) int {
	switch {
	case r == '\n', r == '\r', r == '\t', r == '"', r == '\\':
		return 2
	case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return 6
	}
	return utf8.RuneLen(r)
}
