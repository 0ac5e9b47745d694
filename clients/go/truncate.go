package fieldgate

import (
	"fmt"
	"strings"
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

// TruncateText returns text cut to at most the given number of bytes, counted as they are
// encoded in JSON. The last line of a cut text says so. Use it to submit less of an output over
// a link that does not carry all of it.
func TruncateText(text string, bytes int) string { return cut(text, MaxOutput, bytes) }

// truncate cuts text to at most limit characters.
func truncate(text string, limit int) string { return cut(text, limit, maxEncoded) }

// cut cuts text to at most the given number of characters, and of bytes in JSON. Equal texts are
// cut equally, so that a repeated result does not differ. A text that was cut before keeps its
// last line.
func cut(text string, characters, bytes int) string {
	if prefixLen(text, characters, bytes) == len(text) {
		return text
	}
	mark := earlierMark(text)
	if mark == "" {
		mark = fmt.Sprintf("%s%d%s", markStart, utf8.RuneCountInString(text), markEnd)
	}
	return text[:prefixLen(text, characters-len(mark), bytes-len(mark))] + mark
}

// The last line of a cut text. It has the number of characters between its start and its end.
const (
	markStart = "\n[cut, "
	markEnd   = " characters in all]"
)

// earlierMark returns the last line of a text that was cut, or "" if the text was not cut.
func earlierMark(text string) string {
	end := text[max(len(text)-len(markStart)-20-len(markEnd), 0):]
	at := strings.LastIndex(end, markStart)
	if at < 0 || !strings.HasSuffix(end, markEnd) {
		return ""
	}
	return end[at:]
}

// prefixLen returns the length in bytes of the longest prefix of text that has at most the given
// number of characters, and of bytes in JSON.
func prefixLen(text string, characters, bytes int) int {
	for i, r := range text {
		bytes -= encodedLen(r)
		if characters <= 0 || bytes < 0 {
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
