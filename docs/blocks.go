package docs

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// blockRenderer renders headings with a link to themselves, and blocks of code with highlighting.
type blockRenderer struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (blockRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindFencedCodeBlock, renderCode)
}

func renderHeading(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	heading := node.(*ast.Heading)
	if entering {
		_, err := fmt.Fprintf(w, "<h%d id=%q>", heading.Level, anchorOf(heading))
		return ast.WalkContinue, err
	}
	if heading.Level > 1 {
		_, _ = fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to this section">#</a>`, anchorOf(heading))
	}
	_, err := fmt.Fprintf(w, "</h%d>\n", heading.Level)
	return ast.WalkContinue, err
}

func renderCode(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := node.(*ast.FencedCodeBlock)
	// A block that is wider than the page scrolls, so it must be reached with the keyboard.
	_, err := fmt.Fprintf(w, "<pre tabindex=\"0\"><code>%s</code></pre>\n", highlight(string(block.Language(source)), block.Lines().Value(source)))
	return ast.WalkSkipChildren, err
}

// tokens matches comments, strings and words of the languages of the guides. Its groups are the classes of
// the style sheet, in the order of classes.
var tokens = map[bool]*regexp.Regexp{
	true:  regexp.MustCompile("(//[^\n]*|/\\*(?s:.*?)\\*/)|(`[^`]*`|\"(?:\\\\.|[^\"\\\\\n])*\"|'(?:\\\\.|[^'\\\\\n])*')|\\b(" + keywords + ")\\b"),
	false: regexp.MustCompile("((?m:(?:^|[ \t])#[^\n]*|^--[^\n]*))|(\"(?:\\\\.|[^\"\\\\])*\"|'[^']*')|\\b(" + keywords + ")\\b"),
}

const keywords = "async|await|break|case|class|const|continue|def|defer|do|done|elif|else|esac|except|export|false|fi|finally|for|func|function|" +
	"if|import|in|interface|let|new|nil|None|null|package|raise|range|return|static|struct|switch|then|throw|true|True|False|try|type|typedef|var|void|while|with"

// classes are the classes of comments, strings and keywords.
var classes = [...]string{"comment", "string", "keyword"}

// highlight returns the code as HTML, with spans around the tokens that have a class.
func highlight(language string, code []byte) []byte {
	var out bytes.Buffer
	slashes := language == "go" || language == "ts" || language == "c" || language == "json"
	end := 0
	if language != "text" && language != "" {
		for _, at := range tokens[slashes].FindAllSubmatchIndex(code, -1) {
			for i, class := range classes {
				if from, to := at[2*i+2], at[2*i+3]; from >= 0 {
					out.Write(util.EscapeHTML(code[end:from]))
					fmt.Fprintf(&out, `<span class="%s">%s</span>`, class, util.EscapeHTML(code[from:to]))
					end = to
				}
			}
		}
	}
	out.Write(util.EscapeHTML(code[end:]))
	return out.Bytes()
}
