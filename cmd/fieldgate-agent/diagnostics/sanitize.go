package diagnostics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the maximum size, in bytes, of each reported text that a remote system has
// written: a header, a name in a certificate, or an error that quotes them.
const maxText = 300

// sanitize returns text for use in a report: without control characters, which a terminal
// could obey, and truncated to maxText bytes.
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

// sanitizeAll sanitizes the first texts, at most limit of them.
func sanitizeAll(texts []string, limit int) (sanitized []string) {
	for _, text := range texts[:min(len(texts), limit)] {
		sanitized = append(sanitized, sanitize(text))
	}
	return sanitized
}
