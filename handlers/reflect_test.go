package handlers

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled returns a value whose exported fields are all set. Two calls for one type return equal
// values.
func filled[T any]() T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), &n)
	return v
}

// fillBase is a time before all times that fill sets. It is in the future, so that leases in
// filled values have not expired.
var fillBase = time.Now().Add(time.Hour).UTC().Truncate(time.Second)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawType      = reflect.TypeFor[json.RawMessage]()
)

// fill sets all exported fields of a value. The counter n makes the values differ.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(fillBase.Add(time.Duration(*n) * time.Second)))
		return
	case durationType:
		v.SetInt(int64(*n) * int64(time.Second))
		return
	case rawType:
		v.SetBytes(fmt.Appendf(nil, `{"n":%d}`, *n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n))
	default:
		fillComposite(v, n)
	}
}

func fillComposite(v reflect.Value, n *int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), nil))
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprintf("value-%d", *n)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.Map:
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(element, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, element)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), n)
			}
		}
	default:
		panic("fill does not know the kind of " + v.Type().String())
	}
}

// visitLeaves calls f with each leaf of a value and its path, such as "Items[].ID". A
// leaf is a scalar, a time, raw JSON, a map, a nil pointer or an empty slice.
func visitLeaves(v reflect.Value, path string, f func(path string, leaf reflect.Value)) {
	switch {
	case v.Type() == timeType, v.Type() == rawType, v.Kind() == reflect.Map, !composite(v):
		f(path, v)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			visitLeaves(v.Index(i), path+"[]", f)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				visitLeaves(v.Field(i), strings.TrimPrefix(path+"."+field.Name, "."), f)
			}
		}
	default:
		visitLeaves(v.Elem(), path, f)
	}
}

// composite reports whether a value has parts. Nil pointers and empty slices have none.
func composite(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil()
	case reflect.Slice:
		return v.Len() > 0
	case reflect.Struct:
		return true
	}
	return false
}

// leavesOf returns the paths of all leaves in values. A path maps to true if its leaf is set in
// at least one of the values.
func leavesOf(values ...any) map[string]bool {
	set := map[string]bool{}
	for _, value := range values {
		visitLeaves(reflect.ValueOf(value), "", func(path string, leaf reflect.Value) {
			set[path] = set[path] || !leaf.IsZero() && (leaf.Kind() != reflect.Map || leaf.Len() > 0)
		})
	}
	return set
}

// requireAllSet fails the test unless each leaf is set in at least one of the values. The keys of
// exceptions are the paths that may be zero, and the values are the reasons. The test also fails
// for an exception that is set or that names no leaf.
func requireAllSet(t *testing.T, exceptions map[string]string, values ...any) {
	t.Helper()
	leaves := leavesOf(values...)
	for path, set := range leaves {
		switch _, excepted := exceptions[path]; {
		case !set && !excepted:
			t.Errorf("%s is never set: the converter leaves it out", path)
		case set && excepted:
			t.Errorf("%s is set: remove the exception", path)
		}
	}
	for path := range exceptions {
		require.Contains(t, leaves, path, "there is no such field: remove the exception")
	}
}

// changed returns a map from the path of each leaf to a filled value in which only that leaf is
// changed.
func changed[T any]() map[string]T {
	values := map[string]T{}
	for path := range leavesOf(filled[T]()) {
		value := filled[T]()
		visitLeaves(reflect.ValueOf(&value), "", func(other string, leaf reflect.Value) {
			if other == path {
				changeLeaf(leaf)
			}
		})
		values[path] = value
	}
	return values
}

func changeLeaf(leaf reflect.Value) {
	switch {
	case leaf.Type() == timeType:
		leaf.Set(reflect.ValueOf(leaf.Interface().(time.Time).Add(time.Hour)))
	case leaf.Type() == rawType:
		leaf.SetBytes([]byte(`{"changed":true}`))
	case leaf.Kind() == reflect.String:
		leaf.SetString(leaf.String() + "-changed")
	case leaf.Kind() == reflect.Bool:
		leaf.SetBool(!leaf.Bool())
	case leaf.CanInt():
		leaf.SetInt(leaf.Int() + 1000)
	case leaf.CanFloat():
		leaf.SetFloat(leaf.Float() + 1000)
	case leaf.Kind() == reflect.Map:
		element := reflect.New(leaf.Type().Elem()).Elem()
		element.Set(leaf.MapIndex(leaf.MapKeys()[0]))
		changeLeaf(element)
		leaf.SetMapIndex(leaf.MapKeys()[0], element)
	default:
		panic("changeLeaf does not know the kind of " + leaf.Type().String())
	}
}

// generatedTypes calls matches with each type of the generated server. It returns the names of
// the types for which matches returned true.
func generatedTypes(t *testing.T, matches func(name string, spec *ast.TypeSpec) bool) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../generated/server.gen.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && matches(spec.Name.Name, spec) {
			names = append(names, spec.Name.Name)
		}
		return true
	})
	slices.Sort(names)
	return names
}

// hasField reports whether a type is a struct with at least one of the named fields.
func hasField(spec *ast.TypeSpec, fields ...string) bool {
	structure, ok := spec.Type.(*ast.StructType)
	return ok && slices.ContainsFunc(structure.Fields.List, func(f *ast.Field) bool {
		return len(f.Names) == 1 && slices.Contains(fields, f.Names[0].Name)
	})
}
