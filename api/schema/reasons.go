package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
)

// MaxFieldErrors is the maximum number of errors in one refusal. The contract allows 100.
const MaxFieldErrors = 20

// FieldErrors converts an error of the validator. The reasons use only words of the contract,
// because some messages of the validator quote the input. names holds all property names of the
// contract. Any other name in a pointer comes from the caller, so the pointer ends before it.
func FieldErrors(err error, base string, names map[string]bool) (fieldErrs []fieldgate.FieldError) {
	for schemaErr := range leafErrors(err) {
		if len(fieldErrs) == MaxFieldErrors {
			break
		}
		fieldErrs = AppendUnique(fieldErrs, fieldgate.FieldError{
			Pointer: base + pointer(schemaErr, names),
			Keyword: keyword(schemaErr),
			Reason:  reason(schemaErr),
		})
	}
	return fieldErrs
}

// leafErrors returns the innermost errors. A value fails a composed schema because it fails a
// part of the schema, and the error for the part is more precise.
func leafErrors(err error) iter.Seq[*openapi3.SchemaError] {
	return func(yield func(*openapi3.SchemaError) bool) { walk(err, yield) }
}

func walk(err error, yield func(*openapi3.SchemaError) bool) bool {
	var errs openapi3.MultiError
	schemaErr, single := err.(*openapi3.SchemaError)
	switch {
	case single && !isComposed(schemaErr):
		return yield(schemaErr)
	case single:
		err = schemaErr.Origin
	}
	if errors.As(err, &errs) {
		for _, inner := range errs {
			if !walk(inner, yield) {
				return false
			}
		}
		return true
	}
	return !errors.As(err, &schemaErr) || yield(schemaErr)
}

// isComposed reports whether the cause of the error is in an inner schema. This is always so for
// allOf. For oneOf it is so if the discriminator selected one branch. Otherwise the intended
// branch is not known.
func isComposed(schemaErr *openapi3.SchemaError) bool {
	var branches openapi3.MultiError
	if !errors.As(schemaErr.Origin, &branches) {
		return false
	}
	return schemaErr.SchemaField == "allOf" || schemaErr.SchemaField == "oneOf" && len(branches) == 1
}

func pointer(schemaErr *openapi3.SchemaError, names map[string]bool) string {
	var path strings.Builder
	for _, token := range schemaErr.JSONPointer() {
		if _, err := strconv.Atoi(token); err != nil && !names[token] {
			break
		}
		path.WriteString("/" + token)
	}
	return path.String()
}

// keyword returns the JSON Schema keyword of the violated rule.
func keyword(schemaErr *openapi3.SchemaError) string {
	if schemaErr.SchemaField == "properties" {
		return "additionalProperties"
	}
	return schemaErr.SchemaField
}

func reason(schemaErr *openapi3.SchemaError) string {
	if reason := reasons[schemaErr.SchemaField]; reason != nil {
		return reason(schemaErr.Schema)
	}
	return "does not follow the contract"
}

// reasons maps a JSON Schema keyword to a function that describes the rule.
var reasons = map[string]func(*openapi3.Schema) string{
	"type":     TypeReason,
	"nullable": func(*openapi3.Schema) string { return "must not be null" },
	"required": func(*openapi3.Schema) string { return "is required" },
	"readOnly": func(*openapi3.Schema) string { return "must not be sent" },
	"enum":     func(s *openapi3.Schema) string { return "must be one of " + toJSON(s.Enum) },
	"pattern":  func(s *openapi3.Schema) string { return "must match " + s.Pattern },
	"format":   func(s *openapi3.Schema) string { return "must be a valid " + s.Format },

	"minimum":          func(s *openapi3.Schema) string { return "must be at least " + number(s.Min) },
	"maximum":          func(s *openapi3.Schema) string { return "must be at most " + number(s.Max) },
	"exclusiveMinimum": func(s *openapi3.Schema) string { return "must be more than " + number(s.Min) },
	"exclusiveMaximum": func(s *openapi3.Schema) string { return "must be less than " + number(s.Max) },
	"multipleOf":       func(s *openapi3.Schema) string { return "must be a multiple of " + number(s.MultipleOf) },

	"minLength":     func(s *openapi3.Schema) string { return atLeast(s.MinLength, "character") },
	"maxLength":     func(s *openapi3.Schema) string { return atMost(s.MaxLength, "character") },
	"minItems":      func(s *openapi3.Schema) string { return atLeast(s.MinItems, "item") },
	"maxItems":      func(s *openapi3.Schema) string { return atMost(s.MaxItems, "item") },
	"uniqueItems":   func(*openapi3.Schema) string { return "must not have the same item twice" },
	"minProperties": func(s *openapi3.Schema) string { return atLeast(s.MinProps, "field") },
	"maxProperties": func(s *openapi3.Schema) string { return atMost(s.MaxProps, "field") },
	"properties": func(s *openapi3.Schema) string {
		return "has an unknown field; allowed are " + JoinSorted(maps.Keys(s.Properties))
	},
}

// TypeReason returns the reason for refusing a value whose type the schema does not allow.
func TypeReason(s *openapi3.Schema) string {
	return "must be of type " + strings.Join(s.Type.Slice(), " or ")
}

func atLeast(n uint64, thing string) string { return "must have at least " + count(n, thing) }

func atMost(n *uint64, thing string) string { return "must have at most " + count(*n, thing) }

func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// number formats a number without an exponent: 3600000, not 3.6e+06.
func number(n *float64) string { return strconv.FormatFloat(*n, 'f', -1, 64) }

func toJSON(values []any) string {
	text, _ := json.Marshal(values) // the values were decoded from JSON, so this cannot fail
	return string(text)
}

// JoinSorted joins names in alphabetical order, or returns "none".
func JoinSorted(names iter.Seq[string]) string {
	if list := strings.Join(slices.Sorted(names), ", "); list != "" {
		return list
	}
	return "none"
}

// AppendUnique appends an error unless it is in the list already.
func AppendUnique(fieldErrs []fieldgate.FieldError, fieldErr fieldgate.FieldError) []fieldgate.FieldError {
	if slices.Contains(fieldErrs, fieldErr) {
		return fieldErrs
	}
	return append(fieldErrs, fieldErr)
}

// collectNames adds the property names of a schema and of all schemas in it to names.
func collectNames(s *openapi3.Schema, names map[string]bool, seen map[*openapi3.Schema]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	for name, property := range s.Properties {
		names[name] = true
		collectNames(property.Value, names, seen)
	}
	for _, inner := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf, openapi3.SchemaRefs{s.Items, s.Not, s.AdditionalProperties.Schema}) {
		if inner != nil {
			collectNames(inner.Value, names, seen)
		}
	}
}
