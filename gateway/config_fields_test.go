package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
)

// fieldsOfConfigOnly are the fields of Config that only config.go reads.
var fieldsOfConfigOnly = map[string]string{
	"Embedded":            "the store is embedded if RedisURL is empty, which is an error unless Embedded is set",
	"BalancerIdleTimeout": "it is compared with IdleTimeout; the balancer has it",
}

// TestConfig_EachFieldIsUsed requires that the gateway uses each field of Config. A test of
// cmd/fieldgate checks that each setting sets its field.
func TestConfig_EachFieldIsUsed(t *testing.T) {
	t.Parallel()
	used := configFieldsRead(t)
	for field := range reflect.TypeFor[gateway.Config]().Fields() {
		require.NotEqual(t, fieldsOfConfigOnly[field.Name] != "", used[field.Name],
			"Config.%s must be read by the gateway, or have a reason in fieldsOfConfigOnly", field.Name)
	}
}

// configFieldsRead returns the fields X that the gateway reads as cfg.X outside of config.go.
func configFieldsRead(t testing.TB) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	read := map[string]bool{}
	for _, name := range files {
		if name == "config.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && isConfig(selector.X) {
				read[selector.Sel.Name] = true
			}
			return true
		})
	}
	return read
}

// isConfig reports whether an expression is cfg or ends with .cfg.
func isConfig(expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name == "cfg"
	case *ast.SelectorExpr:
		return e.Sel.Name == "cfg"
	}
	return false
}
