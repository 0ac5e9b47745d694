package docs

import (
	"fmt"
	"regexp"
)

var (
	// codeHeading matches the heading of a code's section in the guide to errors.
	codeHeading = regexp.MustCompile("(?m)^### `([a-z_]+)`.*$")

	// sectionHeading matches the headings that end a section.
	sectionHeading = regexp.MustCompile("(?m)^##[# ]")
)

// addErrors adds the guide to errors at /docs/errors, and each of its sections as the page
// of its code. The type of a problem document is the path of that page.
func (s *site) addErrors() error {
	source, err := guideFiles.ReadFile("guides/errors.md")
	if err != nil {
		return err
	}
	s.pages["/docs/errors"] = s.pages["/docs/guides/errors"]
	for _, at := range codeHeading.FindAllSubmatchIndex(source, -1) {
		code := string(source[at[2]:at[3]])
		// The heading of level 3 becomes the heading of level 1 of the page.
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

// sectionEnd returns the offset of the end of the section whose heading ends at begin.
func sectionEnd(source []byte, begin int) int {
	if next := sectionHeading.FindIndex(source[begin:]); next != nil {
		return begin + next[0]
	}
	return len(source)
}
