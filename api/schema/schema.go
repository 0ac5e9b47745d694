// Package schema holds JSON against the schemas of the contract, wherever it came
// from: the body of a request or a frame of a socket. Its refusals are made of the
// contract's words alone and never quote what was sent.
package schema

import (
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fieldgate/fieldgate"
)

// Schema is a schema of the contract. It is safe for concurrent use.
type Schema struct {
	schema *openapi3.Schema
	names  map[string]bool // of all properties in it
}

// New prepares a schema.
func New(s *openapi3.Schema) *Schema {
	names := map[string]bool{}
	collectNames(s, names, make(map[*openapi3.Schema]bool))
	return &Schema{schema: s, names: names}
}

var options = []openapi3.SchemaValidationOption{
	openapi3.VisitAsRequest(),
	openapi3.MultiErrors(),
	openapi3.DefaultsSet(func() {}), // with a callback, defaults are written into the value
	Formats,
}

// Formats checks the formats that the validator does not look at by itself.
var Formats = openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
	"date-time": openapi3.NewCallbackValidator(checkDateTime),
})

// checkDateTime refuses what looks like a time and is none, such as the 30th of
// February, here and not in the handler's types, where the place could not be named.
func checkDateTime(s string) error {
	_, err := time.Parse(time.RFC3339, s)
	return err
}

// Validate holds a value, as Decode gives it, against the schema and writes the
// defaults into it. The error is validation_failed.
func (s *Schema) Validate(value any) error {
	if err := s.schema.VisitJSON(value, options...); err != nil {
		return Invalid(Explain(err, "", s.names)...)
	}
	return nil
}

// Invalid is the refusal of a request that does not follow the contract.
func Invalid(wrong ...fieldgate.FieldError) *fieldgate.Error {
	return &fieldgate.Error{
		Code:   fieldgate.CodeValidationFailed,
		Detail: "The request does not follow the contract.",
		Fields: wrong,
	}
}
