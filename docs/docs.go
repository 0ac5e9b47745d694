// Package docs contains the documentation that the gateway serves: the API reference, the
// guides, and one page for each problem code. All pages are embedded in the binary, so that
// they can be read without access to other hosts.
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
	// guideFiles contains the guides, in Markdown.
	//go:embed guides/*.md
	guideFiles embed.FS

	// pageFiles contains the templates, scripts and styles of the pages.
	//go:embed pages
	pageFiles embed.FS

	// referenceScript is the renderer of the API reference, compressed with gzip.
	//go:embed scalar/api-reference.js.gz
	referenceScript []byte
)

// order lists the guides in the order in which they are shown. Guides that are not listed come
// last.
var order = []string{"quick-start", "devices", "firmware", "sessions-and-approvals", "console", "sockets", "typescript", "errors", "supabase", "deploying", "operations", "scale", "listeners", "observability", "runbook", "stores", "upgrading"}

// Page is a rendered document as the gateway serves it.
type Page struct {
	ContentType string
	Content     []byte
	Gzipped     bool // Content is compressed with gzip
}

// The media types of the pages.
const (
	typeHTML   = "text/html; charset=utf-8"
	typeScript = "text/javascript; charset=utf-8"
	typeStyle  = "text/css; charset=utf-8"
	typeIcon   = "image/svg+xml"
	typeJSON   = "application/json"
)

// Pages renders all pages and returns them by path. The page of the API reference loads the
// contract from /openapi.json.
func Pages() (map[string]Page, error) {
	s := &site{pages: map[string]Page{"/docs/api-reference.js": {typeScript, referenceScript, true}}}
	var err error
	if s.templates, err = template.ParseFS(pageFiles, "pages/*.html"); err != nil {
		return nil, err
	}
	for _, add := range []func() error{s.addFiles, s.addGuides, s.addErrors, s.addIndex} {
		if err := add(); err != nil {
			return nil, fmt.Errorf("rendering the pages: %w", err)
		}
	}
	return s.pages, nil
}

// site collects the rendered pages.
type site struct {
	templates *template.Template
	pages     map[string]Page
	guides    []Document
	index     []entry
}

// addFiles adds the static files, and the page of the API reference.
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

// addGuides adds a page for each guide, and a page with the list of guides.
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
	slices.SortStableFunc(s.guides, func(a, b Document) int { return position(a.Name) - position(b.Name) })
	return s.add("/docs/guides", "guides.html", s.guides)
}

// position returns the position of a guide in the list of guides.
func position(name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// add renders a page with the template templateName and stores it under path.
func (s *site) add(path, templateName string, data any) error {
	var page bytes.Buffer
	if err := s.templates.ExecuteTemplate(&page, templateName, data); err != nil {
		return err
	}
	s.pages[path] = Page{ContentType: typeHTML, Content: page.Bytes()}
	return nil
}
