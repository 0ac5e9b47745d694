package storetest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RequireFilled fails the test unless every exported field of value, a struct, is set. A
// test stores a value with all fields set, reads it back and passes it to RequireFilled.
// The test therefore fails for a new field that is not written or not read.
//
// The keys of exceptions are the paths of fields that must be zero, such as
// "LastHeartbeat.Status". The values are the reasons.
func RequireFilled(t testing.TB, value any, exceptions map[string]string) {
	t.Helper()
	require.Empty(t, Unfilled(value, exceptions), "%T", value)
}

// Unfilled returns a line for each exported field that is zero and not an exception. It
// also returns a line for each exception that does not name a zero field. It descends
// into structs, and into the first element of a slice of structs.
func Unfilled(value any, exceptions map[string]string) (problems []string) {
	zero := map[string]bool{}
	noteZeroFields(reflect.ValueOf(value), "", zero)
	for _, path := range slices.Sorted(maps.Keys(zero)) {
		if exceptions[path] == "" {
			problems = append(problems, fmt.Sprintf("%s is not set", path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(exceptions)) {
		if !zero[path] {
			problems = append(problems, fmt.Sprintf("%s is an exception but not a field that is zero", path))
		}
	}
	return problems
}

// noteZeroFields adds the paths of a struct's zero fields to the set zero. Each path
// begins with prefix.
func noteZeroFields(value reflect.Value, prefix string, zero map[string]bool) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		path := prefix + field.Name
		if isZero(value.Field(i)) {
			zero[path] = true
		} else if inner, ok := structIn(value.Field(i)); ok {
			noteZeroFields(inner, path+".", zero)
		}
	}
}

// isZero reports whether a value is zero or an empty slice or map.
func isZero(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() == 0
	default:
		return value.IsZero()
	}
}

// structIn returns value if it is a struct, the struct to which value points, or the
// struct that is value's first element. It returns false for other values and for times.
func structIn(value reflect.Value) (reflect.Value, bool) {
	switch value.Kind() {
	case reflect.Pointer:
		return structIn(value.Elem())
	case reflect.Slice:
		return structIn(value.Index(0))
	default:
		return value, value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[time.Time]()
	}
}
