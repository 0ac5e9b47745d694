package fieldgate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsHidden reports whether a character cannot be seen. Some of those count as graphic: they change the
// form of their neighbour, or are drawn as nothing, so that two names look the same.
func IsHidden(c rune) bool {
	return !unicode.IsGraphic(c) || c == utf8.RuneError || c == brailleBlank ||
		unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// brailleBlank is a character without dots, which looks like a space.
const brailleBlank = '\u2800'

// IsBlank reports whether a text has nothing that a reader can see: only white space, characters that are
// hidden, and marks without a letter.
func IsBlank(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return !IsHidden(c) && !unicode.IsSpace(c) && !unicode.IsMark(c) })
}
