package fieldgate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestContract_ExampleDetailsAreInSource requires that the gateway can return every `detail`
// in the example problems of the contracts.
func TestContract_ExampleDetailsAreInSource(t *testing.T) {
	t.Parallel()
	sentences := sentencesInSource(t)
	require.Greater(t, len(sentences), 50)
	for name, detail := range exampleDetails(t) {
		require.True(t, matchesAny(sentences, detail), "the source has no detail %q, as in the example %s", detail, name)
	}
}

// exampleDetails returns the `detail` of each example problem. The key is a name that the test
// reports for the example.
func exampleDetails(t *testing.T) map[string]string {
	t.Helper()
	details := map[string]string{}
	for name, response := range contract(t).Components.Responses {
		if media := response.Value.Content["application/problem+json"]; media != nil {
			for code, example := range media.Examples {
				details[name+" "+code] = example.Value.Value.(map[string]any)["detail"].(string)
			}
		}
	}
	for _, example := range sockets(t).Components.Messages["error"].Examples {
		details["error "+example.Name] = example.Payload.(map[string]any)["data"].(map[string]any)["detail"].(string)
	}
	return details
}

func matchesAny(patterns []*regexp.Regexp, text string) bool {
	for _, pattern := range patterns {
		if pattern.MatchString(text) {
			return true
		}
	}
	return false
}

// sentencesInSource returns a pattern for each string in the gateway's source that looks like
// a sentence.
func sentencesInSource(t *testing.T) (patterns []*regexp.Regexp) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && (path == "clients" || path == "cmd" || strings.HasPrefix(path, ".") && path != ".") {
			return filepath.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			if expr, ok := node.(ast.Expr); ok {
				if pattern := patternOf(expr); strings.HasSuffix(pattern, `\.`) && strings.Contains(pattern, " ") {
					patterns = append(patterns, regexp.MustCompile("^"+pattern+"$"))
				}
			}
			return true
		})
		return nil
	}))
	return patterns
}

// verb matches a formatting verb of package fmt, such as %s.
var verb = regexp.MustCompile(`%[dqsv]`)

// patternOf returns a pattern that matches the values of a string expression. Its fmt verbs
// and its variable parts match any text.
func patternOf(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(expr.Value); err == nil && expr.Kind == token.STRING {
			return verb.ReplaceAllString(regexp.QuoteMeta(text), ".+")
		}
	case *ast.BinaryExpr:
		if expr.Op == token.ADD {
			return patternOf(expr.X) + patternOf(expr.Y)
		}
	}
	return ".+"
}
