package docs

import (
	"fmt"
	"regexp"
)

// codeHeading begins the section of a code in the guide to errors. A section ends where
// the next one, or the next chapter, begins.
var (
	codeHeading = regexp.MustCompile("(?m)^### `([a-z_]+)`.*$")
	heading     = regexp.MustCompile("(?m)^##[# ]")
)

// addErrors adds the guide to errors once more as /docs/errors, and each of its sections
// as the page of its code, which is what the type of a problem names.
func (s *site) addErrors() error {
	source, err := guideFiles.ReadFile("guides/errors.md")
	if err != nil {
		return err
	}
	s.pages["/docs/errors"] = s.pages["/docs/guides/errors"]
	for _, at := range codeHeading.FindAllSubmatchIndex(source, -1) {
		code := string(source[at[2]:at[3]])
		// What is a section there is all of the page here: its heading is of the first rank.
		document, err := Render(code, source[at[0]+len("##"):sectionEnd(source, at[1])])
		if err != nil {
			return err
		}
		document.Title = code
		if err := s.add("/docs/errors/"+code, "error.html", document); err != nil {
			return fmt.Errorf("the page of %s: %w", code, err)
		}
	}
	return nil
}

// sectionEnd is where the section ends whose heading ends at begin.
func sectionEnd(source []byte, begin int) int {
	if next := heading.FindIndex(source[begin:]); next != nil {
		return begin + next[0]
	}
	return len(source)
}
