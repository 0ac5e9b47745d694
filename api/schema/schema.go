// Package schema validates JSON against the schemas of the contract, for both request bodies
// and socket frames. Its errors contain only words of the contract and never quote the input.
package schema

import (
	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
)

// Schema is a schema of the contract. It is safe for concurrent use.
type Schema struct {
	Bounds Bounds // limits on a JSON text that Decode accepts

	schema *openapi3.Schema
	names  map[string]bool // all property names in the schema
}

// New returns a Schema that validates against s.
func New(s *openapi3.Schema) *Schema {
	names := map[string]bool{}
	collectNames(s, names, make(map[*openapi3.Schema]bool))
	return &Schema{Bounds: BoundsOf(s), schema: s, names: names}
}

var options = []openapi3.SchemaValidationOption{
	openapi3.VisitAsRequest(),
	openapi3.MultiErrors(),
	openapi3.DefaultsSet(func() {}), // the validator adds defaults to the value only if a callback is set
	Formats,
}

// Formats checks string formats that the validator does not check by default.
var Formats = openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
	"date-time": openapi3.NewCallbackValidator(checkDateTime),
})

// checkDateTime refuses texts that look like a time but are not one, such as February 30.
// Binding would refuse them too, but its error has no pointer to the field.
func checkDateTime(s string) error {
	_, err := fieldgate.ParseTime(s)
	return err
}

// Validate validates a value that Decode returned, and adds the defaults to the value. Its
// error has the code validation_failed.
func (s *Schema) Validate(value any) error {
	if found := nulls(s.schema, value, ""); len(found) > 0 {
		return Invalid(found...)
	}
	if err := s.schema.VisitJSON(value, options...); err != nil {
		return Invalid(FieldErrors(err, "", s.names)...)
	}
	return nil
}

// nulls returns an error for each property that is null although the schema does not allow
// null. The validator treats such a property as absent if the schema has a default.
func nulls(s *openapi3.Schema, value any, pointer string) (found []fieldgate.FieldError) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for name, property := range s.Properties {
		member, present := object[name]
		switch at := pointer + "/" + name; {
		case !present:
		case member != nil:
			found = append(found, nulls(property.Value, member, at)...)
		case !property.Value.Nullable && property.Value.Default != nil:
			found = append(found, fieldgate.FieldError{Pointer: at, Keyword: "nullable", Reason: "must not be null"})
		}
	}
	return found
}

// Invalid returns the refusal of a request that does not follow the contract.
func Invalid(fields ...fieldgate.FieldError) *fieldgate.Error {
	return &fieldgate.Error{
		Code:   fieldgate.CodeValidationFailed,
		Detail: "The request does not follow the contract: see errors.",
		Fields: fields,
	}
}
