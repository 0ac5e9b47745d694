package problem_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
)

// declared returns the codes that the source declares, so that the tests cover all of
// them.
func declared(t testing.TB) (codes []fieldgate.Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../errors.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(node ast.Node) bool {
		value, ok := node.(*ast.ValueSpec)
		if typeName, named := typeOf(value); !ok || !named || typeName != "Code" {
			return true
		}
		code, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		codes = append(codes, fieldgate.Code(code))
		return true
	})
	return codes
}

func typeOf(value *ast.ValueSpec) (string, bool) {
	if value == nil {
		return "", false
	}
	name, ok := value.Type.(*ast.Ident)
	if !ok {
		return "", false
	}
	return name.Name, true
}

func TestCodes_HaveStatusAndTitle(t *testing.T) {
	t.Parallel()
	codes := declared(t)

	require.Greater(t, len(codes), 30)
	require.ElementsMatch(t, codes, problem.Codes())
	for _, code := range codes {
		document := problem.Of(fieldgate.Refuse(code, ""), "r-1")
		require.NotEmpty(t, document.Title, code)
		require.NotEmpty(t, http.StatusText(document.Status), code)
	}
}

// row matches a row of the table of codes in openapi.yaml.
var row = regexp.MustCompile("(?m)^ +\\| `([a-z_]+)` \\| (\\d{3}) \\|")

func TestCodes_HaveStatusOfContract(t *testing.T) {
	t.Parallel()
	published := make(map[fieldgate.Code]int)
	for _, match := range row.FindAllStringSubmatch(string(fieldgate.Spec), -1) {
		status, err := strconv.Atoi(match[2])
		require.NoError(t, err)
		published[fieldgate.Code(match[1])] = status
	}

	for _, code := range problem.Codes() {
		require.Equal(t, published[code], problem.Status(code), code)
	}
	require.Len(t, published, len(problem.Codes()))
}

// example matches the start of an example of a problem in openapi.yaml.
var example = regexp.MustCompile(`type: (\S+)\n +title: (.+)\n +status: (\d+)\n(?: +detail: .*\n)? +code: (\S+)\n`)

func TestCodes_MatchExamplesOfContract(t *testing.T) {
	t.Parallel()
	examples := example.FindAllStringSubmatch(string(fieldgate.Spec), -1)

	require.Greater(t, len(examples), 30)
	for _, match := range examples {
		sent := problem.Of(fieldgate.Refuse(fieldgate.Code(match[4]), ""), "r-1")
		require.Equal(t, match[1], sent.Type)
		require.Equal(t, match[2], sent.Title)
		require.Equal(t, match[3], strconv.Itoa(sent.Status))
	}
}
