package agent

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// These bound the output that is not reported yet, in bytes.
const (
	maxPendingOutput = 64 << 10
	maxReportOutput  = 32<<10 - 64 // of one report; with a line about dropped output, it has at most the characters that the contract allows
)

// pendingOutput holds the newest output of a command that is not reported yet.
type pendingOutput struct {
	bytes   []byte
	dropped int // number of bytes that were dropped before bytes
}

// add appends p, and drops the oldest bytes if there are too many.
func (o *pendingOutput) add(p []byte) {
	if more := len(p) - maxPendingOutput; more > 0 {
		o.dropped += more
		p = p[more:]
	}
	if more := len(o.bytes) + len(p) - maxPendingOutput; more > 0 {
		o.dropped += more
		o.bytes = append(o.bytes[:0], o.bytes[more:]...)
	}
	o.bytes = append(o.bytes, p...)
}

// take removes and returns the oldest output as UTF-8, for one report. A line in it stands for output
// that was dropped. A character that is not complete yet is taken only if all is set.
func (o *pendingOutput) take(all bool) string {
	n := min(len(o.bytes), maxReportOutput)
	if !all || n < len(o.bytes) {
		n = lengthOfWhole(o.bytes[:n])
	}
	if n == 0 {
		return ""
	}
	text := strings.ToValidUTF8(string(o.bytes[:n]), string(utf8.RuneError))
	if o.dropped > 0 {
		text = fmt.Sprintf("\n[cut, %d bytes are left out]\n%s", o.dropped, text)
	}
	o.bytes, o.dropped = append(o.bytes[:0], o.bytes[n:]...), 0
	if len(o.bytes) == 0 {
		o.bytes = nil
	}
	return text
}

// lengthOfWhole returns the length of p without an incomplete character at its end.
func lengthOfWhole(p []byte) int {
	for i := len(p) - 1; i >= 0 && i >= len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return i
			}
			break
		}
	}
	return len(p)
}
