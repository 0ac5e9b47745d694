package docs

import (
	"encoding/json"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// entry is one section of a guide in the search index, /docs/search.json.
type entry struct {
	Guide string `json:"guide"` // title of the guide
	Title string `json:"title"` // heading of the section
	Path  string `json:"path"`  // path of the page, with the anchor of the section
	Text  string `json:"text"`  // text of the section, including code
}

// addIndex adds the search index.
func (s *site) addIndex() error {
	index, err := json.Marshal(s.index)
	if err != nil {
		return err
	}
	s.pages["/docs/search.json"] = Page{ContentType: typeJSON, Content: index}
	return nil
}

// sections returns the sections of a guide. A section ends at the next heading of any level.
func sections(name string, source []byte) (entries []entry) {
	root := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	title := firstText(root, ast.KindHeading, source)
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		if heading, ok := block.(*ast.Heading); ok {
			entries = append(entries, entry{Guide: title, Title: allText(heading, source), Path: sectionPath(name, heading)})
		} else if last := len(entries) - 1; last >= 0 {
			entries[last].Text = strings.TrimSpace(entries[last].Text + " " + allText(block, source))
		}
	}
	return entries
}

// sectionPath returns the path at which a section is served. The section of a problem code has
// a separate page.
func sectionPath(name string, heading *ast.Heading) string {
	if name == "guides/errors" && heading.Level == 3 {
		return "/docs/errors/" + anchorOf(heading)
	}
	return "/docs/" + name + "#" + anchorOf(heading)
}

// allText returns the text of a block and of all nested blocks, including code. It replaces
// each sequence of white space with one space.
func allText(block ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(block, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		switch node := node.(type) {
		case *ast.Text:
			if entering {
				out.Write(node.Segment.Value(source))
				if node.SoftLineBreak() {
					out.WriteByte(' ')
				}
			}
		case *ast.FencedCodeBlock:
			if entering {
				out.Write(node.Lines().Value(source))
			}
		default:
			if node.Type() == ast.TypeBlock {
				out.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(out.String()), " ")
}
