// Package docs is the documentation that the gateway serves: the reference, which shows
// the contract, the guides, and a page for each code of a problem. All of it is in the
// binary, so it can be read where no other host can be reached.
package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

var (
	//go:embed guides/*.md
	guideFiles embed.FS
	//go:embed pages
	pageFiles embed.FS
	//go:embed scalar/api-reference.js.gz
	referenceScript []byte
)

// order is that in which the guides are listed; one that is not in it comes after.
var order = []string{"quick-start", "devices", "sessions-and-approvals", "console", "sockets", "typescript", "errors", "operations", "upgrading"}

// Page is something to read, ready to be sent.
type Page struct {
	ContentType string
	Content     []byte
	Gzipped     bool // Content is compressed with gzip
}

// The types of the pages.
const (
	typeHTML   = "text/html; charset=utf-8"
	typeScript = "text/javascript; charset=utf-8"
	typeStyle  = "text/css; charset=utf-8"
	typeIcon   = "image/svg+xml"
	typeJSON   = "application/json"
)

// Pages makes all pages, by the path at which they are served. The reference loads the
// contract from /openapi.json.
func Pages() (map[string]Page, error) {
	s := &site{pages: map[string]Page{"/docs/api-reference.js": {typeScript, referenceScript, true}}}
	var err error
	if s.templates, err = template.ParseFS(pageFiles, "pages/*.html"); err != nil {
		return nil, err
	}
	for _, add := range []func() error{s.addFiles, s.addGuides, s.addErrors, s.addIndex} {
		if err := add(); err != nil {
			return nil, fmt.Errorf("making the pages: %w", err)
		}
	}
	return s.pages, nil
}

// site is the documentation while it is made.
type site struct {
	templates *template.Template
	pages     map[string]Page
	guides    []Document
	index     []entry
}

// addFiles adds what is served as it is, and the reference.
func (s *site) addFiles() error {
	for name, contentType := range map[string]string{"start.js": typeScript, "search.js": typeScript, "style.css": typeStyle, "icon.svg": typeIcon} {
		content, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			return err
		}
		s.pages["/docs/"+name] = Page{ContentType: contentType, Content: content}
	}
	return s.add("/docs", "reference.html", nil)
}

// addGuides adds the guides, and the list of them.
func (s *site) addGuides() error {
	names, err := fs.Glob(guideFiles, "guides/*.md")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := guideFiles.ReadFile(name)
		if err != nil {
			return err
		}
		guide, err := Render(strings.TrimSuffix(path.Base(name), ".md"), text)
		if err != nil {
			return err
		}
		s.guides = append(s.guides, guide)
		s.index = append(s.index, sections(guide.Name, text)...)
		if err := s.add("/docs/guides/"+guide.Name, "guide.html", guide); err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.guides, func(a, b Document) int { return place(a.Name) - place(b.Name) })
	return s.add("/docs/guides", "guides.html", s.guides)
}

func place(name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// add makes a page from a template.
func (s *site) add(path, name string, data any) error {
	var page bytes.Buffer
	if err := s.templates.ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	s.pages[path] = Page{ContentType: typeHTML, Content: page.Bytes()}
	return nil
}
