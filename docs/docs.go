// Package docs contains the documentation that the gateway serves: the API reference, the
// guides, and one page for each problem code. All pages are embedded in the binary, so that
// they can be read without access to other hosts.
package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"path"
	"sync"
)

var (
	// guideFiles contains the guides, in Markdown.
	//go:embed guides/*.md
	guideFiles embed.FS

	// goClientText is a copy of the README of the Go client.
	//go:embed clients/go.md
	goClientText []byte

	// pageFiles contains the templates, scripts and styles of the pages.
	//go:embed pages
	pageFiles embed.FS

	// referenceScript is the renderer of the API reference, compressed with gzip.
	//go:embed scalar/api-reference.js.gz
	referenceScript []byte
)

// Page is a rendered document as the gateway serves it.
type Page struct {
	ContentType string
	Content     []byte
	Gzipped     bool // Content is compressed with gzip
}

// The media types of the pages.
const (
	typeHTML   = "text/html; charset=utf-8"
	typeText   = "text/plain; charset=utf-8"
	typeScript = "text/javascript; charset=utf-8"
	typeStyle  = "text/css; charset=utf-8"
	typeIcon   = "image/svg+xml"
	typeJSON   = "application/json"
)

// Pages returns all pages by path. They are rendered once in a process, so the map must not be changed. The
// page of the API reference loads the contract from /openapi.json.
var Pages = sync.OnceValues(func() (map[string]Page, error) {
	library, err := newLibrary()
	if err != nil {
		return nil, fmt.Errorf("reading the documents: %w", err)
	}
	s := &site{library: library, pages: map[string]Page{"/docs/api-reference.js": {typeScript, referenceScript, true}}}
	if s.templates, err = template.ParseFS(pageFiles, "pages/*.html"); err != nil {
		return nil, err
	}
	for _, add := range []func() error{s.addFiles, s.addTexts, s.addFilePages, s.addErrors, s.addReference, s.addIndex} {
		if err := add(); err != nil {
			return nil, fmt.Errorf("rendering the pages: %w", err)
		}
	}
	return s.pages, nil
})

// site collects the rendered pages.
type site struct {
	templates *template.Template
	library   *library
	pages     map[string]Page
	groups    []group
	index     []entry
}

// addFiles adds the static files, and the page of the API reference.
func (s *site) addFiles() error {
	for name, contentType := range map[string]string{
		"start.js": typeScript, "search.js": typeScript, "copy.js": typeScript, "style.css": typeStyle, "icon.svg": typeIcon,
	} {
		content, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			return err
		}
		s.pages["/docs/"+name] = Page{ContentType: contentType, Content: content}
	}
	return s.add("/docs", "reference.html", nil)
}

// addTexts adds a page for each document, and a page with the list of all guides.
func (s *site) addTexts() error {
	var rendered []Document
	for file, article := range s.library.texts {
		document, err := s.library.render(path.Dir(file), article.name, article.source)
		if err != nil {
			return err
		}
		rendered = append(rendered, document)
		s.index = append(s.index, sections(article.name, article.source)...)
	}
	s.groups = grouped(rendered)
	for _, document := range rendered {
		if err := s.addText("/docs/"+document.Name, document); err != nil {
			return err
		}
	}
	return s.add("/docs/guides", "guides.html", s.groups)
}

// view is the data of the template of a document.
type view struct {
	Document
	Path           string
	Groups         []group
	Previous, Next *Document
}

// addText adds the page of a document with the navigation.
func (s *site) addText(path string, document Document) error {
	previous, next := around(s.groups, document.Name)
	return s.add(path, "text.html", view{Document: document, Path: path, Groups: s.groups, Previous: previous, Next: next})
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
