package docs

import (
	"encoding/json"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// entry is a section of a guide, as the search of the pages reads it from
// /docs/search.json.
type entry struct {
	Guide string `json:"guide"` // title of the guide
	Title string `json:"title"` // heading of the section
	Path  string `json:"path"`  // where it is served, with its anchor
	Text  string `json:"text"`  // its words, code included
}

// addIndex adds what the search searches.
func (s *site) addIndex() error {
	index, err := json.Marshal(s.index)
	if err != nil {
		return err
	}
	s.pages["/docs/search.json"] = Page{ContentType: typeJSON, Content: index}
	return nil
}

// sections are the parts of a guide, each from a heading to the next.
func sections(name string, source []byte) (entries []entry) {
	root := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	title := firstText(root, ast.KindHeading, source)
	for block := root.FirstChild(); block != nil; block = block.NextSibling() {
		if heading, ok := block.(*ast.Heading); ok {
			entries = append(entries, entry{Guide: title, Title: words(heading, source), Path: address(name, heading)})
		} else if last := len(entries) - 1; last >= 0 {
			entries[last].Text = strings.TrimSpace(entries[last].Text + " " + words(block, source))
		}
	}
	return entries
}

// address is where a section is served. Codes have pages of their own.
func address(guide string, heading *ast.Heading) string {
	id, _ := heading.AttributeString("id")
	anchor, _ := id.([]byte)
	if guide == "errors" && heading.Level == 3 {
		return "/docs/errors/" + string(anchor)
	}
	return "/docs/guides/" + guide + "#" + string(anchor)
}

// words are those of a block and what is in it, between single spaces.
func words(block ast.Node, source []byte) string {
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
