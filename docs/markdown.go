package docs

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Document is a Markdown document with its rendered HTML.
type Document struct {
	Name     string // path below /docs/
	Title    string // text of the first heading
	Summary  string // text of the first paragraph
	HTML     template.HTML
	Contents []Heading
}

// Heading is a heading of the second level, which the contents of a page list.
type Heading struct{ Text, Anchor string }

// markdown renders Markdown, including tables. It omits raw HTML, so that documents may
// contain HTML comments.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(
		parser.WithAutoHeadingID(),
		parser.WithASTTransformers(util.Prioritized(linkTransformer{}, 100)),
	),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(blockRenderer{}, 100))),
)

// Render renders a guide as HTML. The headings get the same anchors as on GitHub. A link to a document
// or a file of the repository that is served becomes a link to its page. A link to any other file of the
// repository becomes plain text.
func Render(name string, source []byte) (Document, error) {
	library, err := newLibrary()
	if err != nil {
		return Document{}, err
	}
	return library.render("docs/guides", name, source)
}

// targetKey is the key of the function that a parser.Context has for the destinations of links.
var targetKey = parser.NewContextKey()

// render renders a document of a directory of the repository.
func (l *library) render(directory, name string, source []byte) (Document, error) {
	pc := parser.NewContext(parser.WithIDs(anchors{}))
	pc.Set(targetKey, func(link string) string { return l.target(directory, link) })
	root := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(pc))
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, source, root); err != nil {
		return Document{}, fmt.Errorf("rendering %s: %w", name, err)
	}
	return Document{
		Name:     name,
		Title:    firstText(root, ast.KindHeading, source),
		Summary:  firstText(root, ast.KindParagraph, source),
		HTML:     template.HTML(out.String()),
		Contents: contents(root, source),
	}, nil
}

// contents returns the headings of the second level.
func contents(root ast.Node, source []byte) (all []Heading) {
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		if heading, ok := block.(*ast.Heading); ok && heading.Level == 2 {
			all = append(all, Heading{Text: allText(heading, source), Anchor: anchorOf(heading)})
		}
	}
	return all
}

// anchorOf returns the id of a heading.
func anchorOf(heading *ast.Heading) string {
	id, _ := heading.AttributeString("id")
	anchor, _ := id.([]byte)
	return string(anchor)
}

// firstText returns the text of the first block of the given kind, or "" if there is none.
func firstText(root ast.Node, kind ast.NodeKind, source []byte) string {
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		if block.Kind() == kind {
			return plainText(block, source)
		}
	}
	return ""
}

// plainText returns the text of a block without markup.
func plainText(block ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(block, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if piece, ok := node.(*ast.Text); ok && entering {
			out.Write(piece.Segment.Value(source))
			if piece.SoftLineBreak() {
				out.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// linkTransformer replaces the destination of each link with its target, and a link without a target
// with its text.
type linkTransformer struct{}

// Transform implements parser.ASTTransformer.
func (linkTransformer) Transform(document *ast.Document, _ text.Reader, pc parser.Context) {
	target, ok := pc.Get(targetKey).(func(string) string)
	if !ok {
		return // only the text is read
	}
	var links []*ast.Link
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := node.(*ast.Link); ok && entering {
			links = append(links, link)
		}
		return ast.WalkContinue, nil
	})
	for _, link := range links {
		if destination := target(string(link.Destination)); destination != "" {
			link.Destination = []byte(destination)
		} else {
			unlink(link)
		}
	}
}

// unlink replaces a link with its text.
func unlink(link *ast.Link) {
	parent := link.Parent()
	for child := link.FirstChild(); child != nil; child = link.FirstChild() {
		parent.InsertBefore(parent, link, child)
	}
	parent.RemoveChild(parent, link)
}

// anchors generates the same anchors for headings as GitHub. It maps each anchor to the number
// of headings that have this anchor.
type anchors map[string]int

// Generate implements parser.IDs.
func (a anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	anchor := strings.Map(func(r rune) rune {
		switch {
		case r == ' ', r == '-':
			return '-'
		case r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(value)))
	n := a[anchor]
	a[anchor]++
	if n > 0 {
		anchor = fmt.Sprintf("%s-%d", anchor, n)
	}
	return []byte(anchor)
}

// Put implements parser.IDs.
func (a anchors) Put(value []byte) { a[string(value)]++ }
