package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

// goComments returns the comments of a Go file. The doc comment of a declaration must have the
// declared name as its subject. This does not apply to the doc comment of a group, field or
// package.
func goComments(file, text string) ([]comment, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	documented := map[*ast.CommentGroup][]string{}
	for _, declaration := range parsed.Decls {
		noteDeclaration(declaration, documented)
	}
	var comments []comment
	for _, group := range parsed.Comments {
		if group.Text() == "" {
			continue // the comment contains only directives, such as go:embed
		}
		names, doc := documented[group]
		comments = append(comments, comment{files.Position(group.Pos()).Line, strings.TrimSpace(group.Text()), names, doc})
	}
	return comments, nil
}

func noteDeclaration(declaration ast.Decl, documented map[*ast.CommentGroup][]string) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		documented[d.Doc] = []string{d.Name.Name}
	case *ast.GenDecl:
		documented[d.Doc] = nil
		for _, spec := range d.Specs {
			noteSpec(d, spec, documented)
		}
	}
}

// noteSpec records the names that the doc comments of a type, constant or variable document. If
// the declaration has no parentheses, the comment is before the keyword.
func noteSpec(d *ast.GenDecl, spec ast.Spec, documented map[*ast.CommentGroup][]string) {
	var names []string
	var doc *ast.CommentGroup
	switch s := spec.(type) {
	case *ast.TypeSpec:
		names, doc = []string{s.Name.Name}, s.Doc
	case *ast.ValueSpec:
		doc = s.Doc
		for _, name := range s.Names {
			names = append(names, name.Name)
		}
		if len(names) > 1 || names[0] == "_" {
			names = nil // no name is required in the comment on several names
		}
	default:
		return
	}
	documented[doc] = names
	if !d.Lparen.IsValid() {
		documented[d.Doc] = names
	}
}

var luaFunction = regexp.MustCompile(`^local function ([a-z0-9_]+)|^local ([A-Z0-9_]+) =`)

// luaComments returns the comments of a Lua file, except comments after code on the same line.
// A comment directly before a function or constant must have the declared name as its subject.
func luaComments(text string) []comment {
	return lineComments(text, "--", func(next string) []string {
		if m := luaFunction.FindStringSubmatch(next); m != nil {
			return []string{m[1] + m[2]}
		}
		return nil
	})
}

// tsComments returns the comments of a TypeScript file, except comments after code on the same
// line. A TypeScript comment need not have the declared name as its subject.
func tsComments(text string) []comment {
	text = regexp.MustCompile(`(?m)^(\s*)(/\*\*?|\*/?)( |$)`).ReplaceAllString(text, "$1// ")
	return lineComments(text, "//", func(string) []string { return nil })
}

// lineComments returns the blocks of lines that begin with marker. It passes the line after
// each block to namesIn, which returns the names that the block documents.
func lineComments(text, marker string, namesIn func(line string) []string) (comments []comment) {
	var block []string
	lines := strings.Split(text, "\n")
	for i, line := range append(lines, "") {
		trimmed := strings.TrimSpace(line)
		if content, ok := strings.CutPrefix(trimmed, marker); ok && !strings.HasPrefix(content, "@") {
			block = append(block, strings.TrimSpace(content))
			continue
		}
		if joined := strings.TrimSpace(strings.Join(block, "\n")); joined != "" {
			comments = append(comments, comment{i - len(block) + 1, joined, namesIn(line), true})
		}
		block = nil
	}
	return comments
}
