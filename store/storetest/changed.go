package storetest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ForEachChange calls test with copies of request, a struct. In each copy, another exported field
// has a changed value. A test that requires a response to each change therefore fails for a new
// field that has no effect. The keys of exceptions are fields that stay unchanged, and the values
// are the reasons.
func ForEachChange[T any](t *testing.T, request T, exceptions map[string]string, test func(t *testing.T, field string, changed T)) {
	t.Helper()
	for field := range reflect.TypeFor[T]().Fields() {
		if !field.IsExported() || exceptions[field.Name] != "" {
			continue
		}
		changed := request
		change(t, reflect.ValueOf(&changed).Elem().FieldByIndex(field.Index), field.Name)
		test(t, field.Name, changed)
	}
}

// change sets value to another value of its type.
func change(t testing.TB, value reflect.Value, name string) {
	t.Helper()
	switch typed := value.Interface().(type) {
	case json.RawMessage:
		value.Set(reflect.ValueOf(json.RawMessage(`{"changed":true}`)))
	case time.Duration:
		value.SetInt(int64(typed + time.Second))
	case map[string]string:
		value.Set(reflect.ValueOf(map[string]string{"changed": "yes"}))
	case *string:
		text := "changed"
		value.Set(reflect.ValueOf(&text))
	default:
		switch {
		case value.Kind() == reflect.String:
			value.SetString(value.String() + "x")
		case value.Kind() == reflect.Bool:
			value.SetBool(!value.Bool())
		case value.CanInt():
			value.SetInt(value.Int() + 1)
		default:
			require.Failf(t, "cannot change a field", "%s of type %s: add its type to change", name, value.Type())
		}
	}
}
