package fieldgate_test

import (
	"bytes"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const packagePath = "github.com/fieldgate/fieldgate/clients/go"

// withoutExample maps each exported name that no example uses to the reason why it needs none.
var withoutExample = map[string]string{
	"DefaultTimeout":          "WithTimeout documents it",
	"DefaultMinRate":          "WithMinRate documents it",
	"DefaultMaxResponseBytes": "WithMaxResponseBytes documents it",
	"DefaultUserAgent":        "WithUserAgent documents it",
	"APIError.Error":          "it implements error",
	"APIError.Unwrap":         "errors.Is and errors.As call it",
	"CloseError.Error":        "it implements error",

	"DeviceMetadata.MarshalJSON":   "encoding/json calls it",
	"DeviceMetadata.UnmarshalJSON": "encoding/json calls it",
}

// TestExamples_ReachEachExportedName requires that an example uses each exported name. A name
// also counts as used if it is in the signature or the fields of a used name. A constant counts
// as used if its type is used.
func TestExamples_ReachEachExportedName(t *testing.T) {
	t.Parallel()
	pkg, used := typeCheckExamples(t)
	reached := reachFrom(used)
	var missing []string
	needless := map[string]string{}
	for name, object := range exportedObjects(pkg) {
		_, excepted := withoutExample[name]
		switch {
		case reached[object] && excepted:
			needless[name] = withoutExample[name]
		case !reached[object] && !excepted:
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	require.Empty(t, missing, "show these in an example, or do not export them")
	require.Empty(t, needless, "an example reaches these: remove them from withoutExample")
}

// TestExported_HasNoAliasOfAScalar requires that a scalar field has a plain Go type, as
// generated/overlay.yaml specifies.
func TestExported_HasNoAliasOfAScalar(t *testing.T) {
	t.Parallel()
	pkg, _ := typeCheckExamples(t)
	for name, object := range exportedObjects(pkg) {
		if typeName, ok := object.(*types.TypeName); ok && typeName.IsAlias() {
			require.Equal(t, "ProblemCode", name, "only the alias of the codes has a use of its own")
		}
	}
}

// typeCheckExamples type-checks the package with its examples. It returns the package and the
// objects that the bodies of the examples use.
func typeCheckExamples(t *testing.T) (pkg *types.Package, used []types.Object) {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var parsed []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(files, name, nil, 0)
		require.NoError(t, err)
		parsed = append(parsed, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	imports := importer.ForCompiler(files, "gc", openExportData(t))
	_, err = (&types.Config{Importer: imports}).Check(packagePath+"_test", files, parsed, info)
	require.NoError(t, err)
	pkg, err = imports.Import(packagePath)
	require.NoError(t, err)
	for _, file := range parsed {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Example") {
				used = append(used, objectsIn(f.Body, info, pkg)...)
			}
		}
	}
	return pkg, used
}

// openExportData returns a function that opens the export data of a package. It supports the
// packages that the tests depend on.
func openExportData(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-test", "-export", "-f", "{{.ImportPath}}={{.Export}}", ".").Output()
	require.NoError(t, err)
	paths := map[string]string{}
	for line := range bytes.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		paths[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(paths[path]) }
}

func objectsIn(body ast.Node, info *types.Info, pkg *types.Package) (objects []types.Object) {
	ast.Inspect(body, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok && info.Uses[name] != nil && info.Uses[name].Pkg() == pkg {
			objects = append(objects, info.Uses[name])
		}
		return true
	})
	return objects
}

// reachFrom returns the given objects, and all objects to which their types refer.
func reachFrom(objects []types.Object) map[types.Object]bool {
	reached := map[types.Object]bool{}
	for len(objects) > 0 {
		next := objects[0]
		objects = objects[1:]
		if reached[next] {
			continue
		}
		reached[next] = true
		objects = append(objects, typeNamesIn(next.Type())...)
		if name, ok := next.(*types.TypeName); ok {
			objects = append(objects, typeNamesIn(name.Type().Underlying())...)
			objects = append(objects, constantsOf(name)...)
		}
	}
	return reached
}

// typeNamesIn returns the names of the types of which t is composed.
func typeNamesIn(t types.Type) (names []types.Object) {
	switch t := t.(type) {
	case *types.Alias:
		return []types.Object{t.Obj()}
	case *types.Named:
		names = append(names, t.Obj())
		for argument := range t.TypeArgs().Types() {
			names = append(names, typeNamesIn(argument)...)
		}
	case *types.Signature:
		for parameter := range t.Params().Variables() {
			names = append(names, typeNamesIn(parameter.Type())...)
		}
		for result := range t.Results().Variables() {
			names = append(names, typeNamesIn(result.Type())...)
		}
	case *types.Struct:
		for field := range t.Fields() {
			if field.Exported() {
				names = append(names, typeNamesIn(field.Type())...)
			}
		}
	case *types.Map:
		return append(typeNamesIn(t.Key()), typeNamesIn(t.Elem())...)
	case interface{ Elem() types.Type }: // pointers, slices and channels
		return typeNamesIn(t.Elem())
	}
	return names
}

func constantsOf(name *types.TypeName) (constants []types.Object) {
	if name.Pkg() == nil || name.Pkg().Path() != packagePath {
		return nil
	}
	for _, other := range name.Pkg().Scope().Names() {
		if c, ok := name.Pkg().Scope().Lookup(other).(*types.Const); ok && slices.Contains(typeNamesIn(c.Type()), types.Object(name)) {
			constants = append(constants, c)
		}
	}
	return constants
}

// exportedObjects returns the exported names of a package and the exported methods of its
// types, as Type.Method.
func exportedObjects(pkg *types.Package) map[string]types.Object {
	exported := map[string]types.Object{}
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		exported[name] = object
		if named, ok := object.Type().(*types.Named); ok && object == types.Object(named.Obj()) {
			for method := range named.Methods() {
				if method.Exported() {
					exported[name+"."+method.Name()] = method
				}
			}
		}
	}
	return exported
}
