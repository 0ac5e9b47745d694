package docs

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// repository is the base URL of links to files of the repository that are not guides.
const repository = "https://github.com/fieldgate/fieldgate/blob/main/"

// Document is a Markdown document with its rendered HTML.
type Document struct {
	Name    string // file name without .md
	Title   string // text of the first heading
	Summary string // text of the first paragraph
	HTML    template.HTML
}

// markdown renders Markdown, including tables. It omits raw HTML, so that documents may
// contain HTML comments.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(
		parser.WithAutoHeadingID(),
		parser.WithASTTransformers(util.Prioritized(linkTransformer{}, 100)),
	),
)

// Render renders a guide as HTML. The headings get the same anchors as on GitHub. A link to
// another guide becomes a link to its served page. A link to another file of the repository
// becomes a link to GitHub.
func Render(name string, source []byte) (Document, error) {
	root := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, source, root); err != nil {
		return Document{}, fmt.Errorf("rendering %s: %w", name, err)
	}
	return Document{
		Name:    name,
		Title:   firstText(root, ast.KindHeading, source),
		Summary: firstText(root, ast.KindParagraph, source),
		HTML:    template.HTML(out.String()),
	}, nil
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

// linkTransformer replaces the destination of each link with the result of the function target.
type linkTransformer struct{}

// Transform implements parser.ASTTransformer.
func (linkTransformer) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := node.(*ast.Link); ok && entering {
			link.Destination = []byte(target(string(link.Destination)))
		}
		return ast.WalkContinue, nil
	})
}

// target converts the destination of a link in docs/guides to its destination on the served
// pages.
func target(link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "#") {
		return link
	}
	file, anchor, found := strings.Cut(link, "#")
	if found {
		anchor = "#" + anchor
	}
	if guide, ok := strings.CutSuffix(file, ".md"); ok && !strings.Contains(guide, "/") {
		return "/docs/guides/" + guide + anchor
	}
	return repository + path.Join("docs/guides", file) + anchor
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
