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

// MaxReasons is how many faults of one request are told; the contract allows 100.
const MaxReasons = 20

// Explain says what is wrong in words made of the contract alone. The validator's own
// messages are not used, because some of them quote what was sent. Names are all the
// property names of the contract: a name that is not among them is the caller's own,
// and the pointer ends before it.
func Explain(err error, base string, names map[string]bool) (wrong []fieldgate.FieldError) {
	for fault := range faults(err) {
		if len(wrong) == MaxReasons {
			break
		}
		wrong = AppendOnce(wrong, fieldgate.FieldError{
			Pointer: base + pointer(fault, names),
			Keyword: keyword(fault),
			Reason:  reason(fault),
		})
	}
	return wrong
}

// faults walks the innermost errors: a schema that is put together of others is not
// matched because one of those is not.
func faults(err error) iter.Seq[*openapi3.SchemaError] {
	return func(yield func(*openapi3.SchemaError) bool) { walk(err, yield) }
}

func walk(err error, yield func(*openapi3.SchemaError) bool) bool {
	var several openapi3.MultiError
	fault, single := err.(*openapi3.SchemaError)
	switch {
	case single && !composed(fault):
		return yield(fault)
	case single:
		err = fault.Origin
	}
	if errors.As(err, &several) {
		for _, inner := range several {
			if !walk(inner, yield) {
				return false
			}
		}
		return true
	}
	return !errors.As(err, &fault) || yield(fault)
}

// composed reports whether the cause lies deeper: with allOf always, with oneOf where
// a discriminator left one branch, since with more of them nobody knows which was meant.
func composed(fault *openapi3.SchemaError) bool {
	var branches openapi3.MultiError
	if !errors.As(fault.Origin, &branches) {
		return false
	}
	return fault.SchemaField == "allOf" || fault.SchemaField == "oneOf" && len(branches) == 1
}

func pointer(fault *openapi3.SchemaError, names map[string]bool) string {
	var path strings.Builder
	for _, token := range fault.JSONPointer() {
		if _, err := strconv.Atoi(token); err != nil && !names[token] {
			break
		}
		path.WriteString("/" + token)
	}
	return path.String()
}

// keyword gives the rule the name that JSON Schema has for it.
func keyword(fault *openapi3.SchemaError) string {
	if fault.SchemaField == "properties" {
		return "additionalProperties"
	}
	return fault.SchemaField
}

func reason(fault *openapi3.SchemaError) string {
	if say := sentences[fault.SchemaField]; say != nil {
		return say(fault.Schema)
	}
	return "does not follow the contract"
}

// sentences put the keywords of a schema into words.
var sentences = map[string]func(*openapi3.Schema) string{
	"type":     MustBeOfType,
	"nullable": func(*openapi3.Schema) string { return "must not be null" },
	"required": func(*openapi3.Schema) string { return "is required" },
	"readOnly": func(*openapi3.Schema) string { return "must not be sent" },
	"enum":     func(s *openapi3.Schema) string { return "must be one of " + inJSON(s.Enum) },
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
		return "has a field that the contract does not know; it knows " + Listed(maps.Keys(s.Properties))
	},
}

// MustBeOfType says which types a schema takes.
func MustBeOfType(s *openapi3.Schema) string {
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

// number writes a bound as people do: 3600000, not 3.6e+06.
func number(n *float64) string { return strconv.FormatFloat(*n, 'f', -1, 64) }

func inJSON(values []any) string {
	text, _ := json.Marshal(values) // they came from a JSON document
	return string(text)
}

// Listed names things in a stable order.
func Listed(names iter.Seq[string]) string {
	if list := strings.Join(slices.Sorted(names), ", "); list != "" {
		return list
	}
	return "none"
}

// AppendOnce adds a fault unless it was told already.
func AppendOnce(wrong []fieldgate.FieldError, one fieldgate.FieldError) []fieldgate.FieldError {
	if slices.Contains(wrong, one) {
		return wrong
	}
	return append(wrong, one)
}

// collectNames gathers the property names of a schema and of all within it.
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
