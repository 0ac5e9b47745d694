package fieldgate_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/fieldgate/fieldgate/refusal"
)

// included matches a line with which a Lua file includes a fragment.
var included = regexp.MustCompile(`(?m)^--@include (\S+)\n`)

// luaFiles returns every Lua file of the repository.
func luaFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/lua/*.lua")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// scripts returns the path of every script, without the extension. A script is a Lua file that
// no other Lua file includes.
func scripts(t *testing.T) []string {
	t.Helper()
	all := map[string]bool{}
	for _, file := range luaFiles(t) {
		all[strings.TrimSuffix(file, ".lua")] = true
	}
	for _, file := range luaFiles(t) {
		for _, fragment := range fragmentsOf(t, file) {
			delete(all, strings.TrimSuffix(fragment, ".lua"))
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// fragmentsOf returns the paths of the fragments that a file includes.
func fragmentsOf(t *testing.T, file string) (fragments []string) {
	t.Helper()
	for _, match := range included.FindAllStringSubmatch(read(t, file), -1) {
		if owner, name, ok := strings.Cut(match[1], "/"); ok {
			fragments = append(fragments, owner+"/lua/"+name+".lua")
		} else {
			fragments = append(fragments, filepath.Join(filepath.Dir(file), match[1]+".lua"))
		}
	}
	return fragments
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func parseLua(t *testing.T, file, text string) []ast.Stmt {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(text), file)
	require.NoError(t, err)
	return chunk
}

// compose returns the statements of a file, after the statements of the fragments that it
// includes.
func compose(t *testing.T, file string, seen map[string]bool) (chunk []ast.Stmt) {
	t.Helper()
	if seen[file] {
		return nil
	}
	seen[file] = true
	for _, fragment := range fragmentsOf(t, file) {
		chunk = append(chunk, compose(t, fragment, seen)...)
	}
	return append(chunk, parseLua(t, file, read(t, file))...)
}

// refusals returns the codes with which a script can refuse. It follows the calls of functions
// in the script and its fragments, and collects the code of every call of refuse.
func refusals(t *testing.T, script string) []string {
	t.Helper()
	chunk := compose(t, script+".lua", map[string]bool{})
	functions := functionsOf(chunk)
	codes, reached := map[string]bool{}, map[string]bool{}
	var follow func(node any)
	follow = func(node any) {
		walk(node, func(node any) bool {
			if _, inner := node.(*ast.FunctionExpr); inner {
				return false // the code of a nested function runs only when the function is called
			}
			call, ok := node.(*ast.FuncCallExpr)
			if !ok {
				return true
			}
			name, ok := call.Func.(*ast.IdentExpr)
			if ok && name.Value == "refuse" {
				codes[literal(t, script, call)] = true
			} else if ok && !reached[name.Value] && functions[name.Value] != nil {
				reached[name.Value] = true
				follow(functions[name.Value].Stmts)
			}
			return true
		})
	}
	follow(chunk)
	return slices.Sorted(maps.Keys(codes))
}

// literal returns the code of a refusal, which must be a string literal in the call of refuse.
func literal(t *testing.T, script string, call *ast.FuncCallExpr) string {
	t.Helper()
	require.NotEmpty(t, call.Args, "%s.lua: refuse without a code", script)
	code, ok := call.Args[0].(*ast.StringExpr)
	require.True(t, ok, "%s.lua, or a fragment of it, line %d: the code of a refusal is not a literal", script, call.Line())
	return code.Value
}

// functionsOf returns all local functions of a chunk, by name.
func functionsOf(chunk []ast.Stmt) map[string]*ast.FunctionExpr {
	functions := map[string]*ast.FunctionExpr{}
	walk(chunk, func(node any) bool {
		if local, ok := node.(*ast.LocalAssignStmt); ok {
			for i, expr := range local.Exprs {
				if function, ok := expr.(*ast.FunctionExpr); ok {
					functions[local.Names[i]] = function
				}
			}
		}
		return true
	})
	return functions
}

// walk visits a node. If visit returns true, walk also visits the children of the node.
func walk(node any, visit func(node any) bool) {
	walkValue(reflect.ValueOf(node), visit)
}

func walkValue(v reflect.Value, visit func(node any) bool) {
	switch v.Kind() {
	case reflect.Interface:
		walkValue(v.Elem(), visit)
	case reflect.Slice:
		for i := range v.Len() {
			walkValue(v.Index(i), visit)
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct && visit(v.Interface()) {
			for i := range v.Elem().NumField() {
				if v.Elem().Type().Field(i).IsExported() {
					walkValue(v.Elem().Field(i), visit)
				}
			}
		}
	}
}

// signature returns the comment at the top of a script, as one line.
func signature(t *testing.T, script string) string {
	t.Helper()
	header := regexp.MustCompile(`^(?:-- .*\n)+`).FindString(read(t, script+".lua"))
	return strings.Join(strings.Fields(strings.ReplaceAll(header, "--", " ")), " ")
}

// tableOfRefusals returns all codes and all markers of package refusal.
func tableOfRefusals() (codes []string) {
	for _, code := range refusal.Codes() {
		codes = append(codes, string(code))
	}
	for _, marker := range refusal.Markers() {
		codes = append(codes, string(marker))
	}
	return codes
}

func isMarker(code string) bool {
	return slices.Contains(refusal.Markers(), refusal.Marker(code))
}

// runs reports whether an operation runs a script.
func runs(op operation, script string) bool {
	for _, name := range runBy[script] {
		if name == op.OperationID || slices.Contains(op.schemes(), name) {
			return true
		}
	}
	return false
}

// codes returns the codes that an operation declares for a status. Each code is the name of an
// example.
func (o operation) codes(status string) []string {
	response := o.Responses.Value(status)
	if response == nil {
		return nil
	}
	media := response.Value.Content["application/problem+json"]
	if media == nil {
		return nil
	}
	return slices.Collect(maps.Keys(media.Examples))
}
