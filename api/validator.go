package api

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/fieldgate/fieldgate/api/schema"
)

// validator holds parameters and bodies against the schemas of the contract. It calls
// the parts of openapi3filter one by one where ValidateRequest would read the body
// before authentication, let trailing data pass, and encode the body again to put the
// defaults into it.
type validator struct {
	parameters *openapi3filter.Options
}

func newValidator() *validator {
	return &validator{parameters: &openapi3filter.Options{
		MultiError:              true,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{schema.Formats},
	}}
}

// check refuses a request that does not follow the contract, cheapest first: what
// the headers tell of the body, then the parameters, then the body itself.
func (v *validator) check(w http.ResponseWriter, r *http.Request, op *operation) error {
	if err := op.body.accept(r); err != nil {
		return err
	}
	if op.lenient {
		return nil
	}
	if wrong := v.checkParameters(r, &op.parameters); len(wrong) > 0 {
		return schema.Invalid(wrong...)
	}
	return bind(w, r, op.body)
}
