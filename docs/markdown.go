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

// repository is where links lead that leave the guides.
const repository = "https://github.com/fieldgate/fieldgate/blob/main/"

// Document is a Markdown text that was made into HTML.
type Document struct {
	Name    string // of the file, without .md
	Title   string // the first heading
	Summary string // the text of the first paragraph
	HTML    template.HTML
}

// markdown knows tables. HTML in a text is left out, so comments may stand there.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(
		parser.WithAutoHeadingID(),
		parser.WithASTTransformers(util.Prioritized(served{}, 100)),
	),
)

// Render makes HTML of a guide. Its headings have the same anchors as on GitHub, and its
// links lead to what is served.
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

// firstText is the text of the first block of a kind.
func firstText(root ast.Node, kind ast.NodeKind, source []byte) string {
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		if block.Kind() == kind {
			return plain(block, source)
		}
	}
	return ""
}

// plain is the text of a block without its marks.
func plain(block ast.Node, source []byte) string {
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

// served is the transformation of links to what is served.
type served struct{}

// Transform implements parser.ASTTransformer.
func (served) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := node.(*ast.Link); ok && entering {
			link.Destination = []byte(target(string(link.Destination)))
		}
		return ast.WalkContinue, nil
	})
}

// target is where a link of a file in docs/guides leads in what is served.
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

// anchors gives headings the anchors that GitHub gives them.
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
