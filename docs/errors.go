package docs

import (
	"fmt"
	"regexp"
)

var (
	// codeHeading matches the heading of a problem code in the guide errors.md.
	codeHeading = regexp.MustCompile("(?m)^### `([a-z_]+)`.*$")

	// sectionHeading matches a heading that ends the section of a problem code.
	sectionHeading = regexp.MustCompile("(?m)^##[# ]")
)

// addErrors adds the guide to errors at /docs/errors. It also adds one page for each problem
// code. The page contains the section of the guide about that code. The `type` member of a
// problem document is the path of the page.
func (s *site) addErrors() error {
	source, err := guideFiles.ReadFile("guides/errors.md")
	if err != nil {
		return err
	}
	s.pages["/docs/errors"] = s.pages["/docs/guides/errors"]
	for _, at := range codeHeading.FindAllSubmatchIndex(source, -1) {
		code := string(source[at[2]:at[3]])
		// On the page, the section's level 3 heading becomes the level 1 heading.
		document, err := s.library.render("docs/guides", "errors/"+code, source[at[0]+len("##"):sectionEnd(source, at[1])])
		if err != nil {
			return err
		}
		document.Title = code
		document.HTML += `<p>See <a href="/docs/errors">all codes</a>.</p>`
		if err := s.addText("/docs/errors/"+code, document); err != nil {
			return fmt.Errorf("the page of %s: %w", code, err)
		}
	}
	return nil
}

// sectionEnd returns the offset at which a section ends. The section's own heading ends at
// begin.
func sectionEnd(source []byte, begin int) int {
	if next := sectionHeading.FindIndex(source[begin:]); next != nil {
		return begin + next[0]
	}
	return len(source)
}
