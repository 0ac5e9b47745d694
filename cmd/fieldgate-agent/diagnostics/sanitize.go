package diagnostics

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how many bytes are told of each thing that a stranger has written: a header, a
// name in a certificate, an error that quotes them.
const maxText = 300

// cut bounds what a stranger has written, and takes the power over a terminal from it.
func cut(text string) string {
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

// cutAll cuts each text of the first few.
func cutAll(texts []string, most int) (short []string) {
	for _, text := range texts[:min(len(texts), most)] {
		short = append(short, cut(text))
	}
	return short
}
