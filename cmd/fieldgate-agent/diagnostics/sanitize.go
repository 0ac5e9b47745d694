package diagnostics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the maximum size in bytes of each text in a report that a remote system controls.
// Examples are a header, a name in a certificate, and an error that quotes one of them.
const maxText = 300

// sanitize prepares text for a report. It removes control characters, which a terminal could
// interpret, and cuts the text to maxText bytes.
func sanitize(text string) string {
	text = strings.Map(printable, text)
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText-len("...")], "") + "..."
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// sanitizeAll sanitizes at most the first limit texts and drops the others.
func sanitizeAll(texts []string, limit int) (sanitized []string) {
	for _, text := range texts[:min(len(texts), limit)] {
		sanitized = append(sanitized, sanitize(text))
	}
	return sanitized
}
