package docs

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fieldgate/fieldgate"
)

// groups lists the pages in the order in which they are shown, by the names below /docs/. Guides that are
// not listed come last.
var groups = []struct {
	title string
	names []string
}{
	{"Start here", []string{"guides/quick-start", "guides/concepts", "guides/faq", "guides/testing", "guides/troubleshooting"}},
	{"Users and commands", []string{"guides/sessions-and-approvals", "guides/digest", "guides/receipts", "guides/passkeys", "guides/policy", "guides/console"}},
	{"Devices", []string{"guides/devices", "guides/firmware", "agent"}},
	{"API", []string{"guides/pagination-and-idempotency", "guides/rate-limits", "guides/sockets", "guides/webhooks", "guides/errors", "guides/typescript", "clients/typescript", "clients/go"}},
	{"Operation", []string{"guides/supabase", "guides/deploying", "guides/operations", "guides/scale", "load", "guides/listeners", "guides/observability", "guides/runbook", "guides/stores", "guides/upgrading"}},
	{"Security and design", []string{"guides/security", "guarantees", "performance", "architecture", "security-policy"}},
	{"Project", []string{"changelog", "readme"}},
}

// moreTexts maps the documents that are not guides to their names below /docs/.
var moreTexts = map[string]string{
	"README.md":                     "readme",
	"CHANGELOG.md":                  "changelog",
	"SECURITY.md":                   "security-policy",
	"ARCHITECTURE.md":               "architecture",
	"docs/performance.md":           "performance",
	"docs/guarantees.md":            "guarantees",
	"cmd/fieldgate-agent/README.md": "agent",
	"cmd/fieldgate-load/README.md":  "load",
	"clients/typescript/README.md":  "clients/typescript",
}

// goClient is the path of the README of the Go client. It is in another module, so docs/clients has a
// copy of it.
const goClient = "clients/go/README.md"

// A library is the set of the documents to which a page can link.
type library struct {
	texts map[string]article // by the path in the repository
	files map[string]bool    // the other files, and their directories
}

// article is a Markdown document and the path below /docs/ at which it is served.
type article struct {
	name   string
	source []byte
}

// newLibrary reads all documents.
func newLibrary() (*library, error) {
	l := &library{texts: map[string]article{}, files: map[string]bool{}}
	if err := l.addGuides(); err != nil {
		return nil, err
	}
	return l, fs.WalkDir(fieldgate.Files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == "." {
			return err
		}
		return l.addFile(file, entry)
	})
}

func (l *library) addGuides() error {
	names, err := fs.Glob(guideFiles, "guides/*.md")
	if err != nil {
		return err
	}
	for _, name := range names {
		source, err := guideFiles.ReadFile(name)
		if err != nil {
			return err
		}
		l.texts["docs/"+name] = article{strings.TrimSuffix(name, ".md"), source}
	}
	l.texts[goClient] = article{"clients/go", goClientText}
	return nil
}

// addFile adds a file of the repository, as a page if it is Markdown.
func (l *library) addFile(file string, entry fs.DirEntry) error {
	if entry.IsDir() || path.Ext(file) != ".md" {
		l.files[file] = entry.IsDir()
		return nil
	}
	source, err := fieldgate.Files.ReadFile(file)
	if err != nil {
		return err
	}
	name, named := moreTexts[file]
	if !named {
		name = strings.TrimPrefix(strings.TrimSuffix(file, ".md"), "docs/") // a decision in docs/adr
	}
	l.texts[file] = article{name, source}
	return nil
}

// target returns the path at which the destination of a link in a document of the directory is served. It
// returns "" for a file that is not served.
func (l *library) target(directory, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "#") || strings.HasPrefix(link, "/") {
		return link
	}
	file, anchor, found := strings.Cut(link, "#")
	if found {
		anchor = "#" + anchor
	}
	file = path.Join(directory, file)
	for _, known := range []string{file, path.Join(file, "README.md")} {
		if found, ok := l.texts[known]; ok {
			return "/docs/" + found.name + anchor
		}
	}
	if file == "docs/guides" {
		return "/docs/guides"
	}
	if file == "openapi.yaml" || file == "asyncapi.yaml" {
		return "/" + file
	}
	if _, ok := l.files[file]; ok {
		return "/docs/files/" + file
	}
	return ""
}

// addFilePages adds the files of the repository as plain text, and a page with the list of each directory.
func (s *site) addFilePages() error {
	for file, isDirectory := range s.library.files {
		if isDirectory {
			if err := s.addDirectory(file); err != nil {
				return err
			}
			continue
		}
		content, err := fieldgate.Files.ReadFile(file)
		if err != nil {
			return err
		}
		s.pages["/docs/files/"+file] = Page{ContentType: typeText, Content: content}
	}
	return nil
}

func (s *site) addDirectory(directory string) error {
	var items []string
	for file := range s.library.files {
		if path.Dir(file) == directory {
			items = append(items, fmt.Sprintf("<li><a href=%q>%s</a></li>\n", "/docs/files/"+file, path.Base(file)))
		}
	}
	slices.Sort(items)
	list := fmt.Sprintf("<h1>%s</h1>\n<ul>\n%s</ul>\n", directory, strings.Join(items, ""))
	return s.addText("/docs/files/"+directory, Document{Title: directory, HTML: template.HTML(list)})
}
