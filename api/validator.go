package api

import (
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/fieldgate/fieldgate"
)

// validator holds parameters and bodies against the schemas of the contract. It calls
// the parts of openapi3filter one by one where ValidateRequest would read the body
// before authentication, let trailing data pass, and encode the body again to put the
// defaults into it.
type validator struct {
	parameters *openapi3filter.Options
	bodies     []openapi3.SchemaValidationOption
}

func newValidator() *validator {
	formats := openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
		"date-time": openapi3.NewCallbackValidator(checkDateTime),
	})
	return &validator{
		parameters: &openapi3filter.Options{
			MultiError:              true,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{formats},
		},
		bodies: []openapi3.SchemaValidationOption{
			openapi3.VisitAsRequest(),
			openapi3.MultiErrors(),
			openapi3.DefaultsSet(func() {}), // with a callback, defaults are written into the value
			formats,
		},
	}
}

// checkDateTime refuses what looks like a time and is none, such as the 30th of
// February, here and not in the handler's types, where the place could not be named.
func checkDateTime(s string) error {
	_, err := time.Parse(time.RFC3339, s)
	return err
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
		return invalid(wrong...)
	}
	return v.bind(w, r, op.body)
}

// invalid is the refusal of a request that does not follow the contract.
func invalid(wrong ...fieldgate.FieldError) *fieldgate.Error {
	return &fieldgate.Error{
		Code:   fieldgate.CodeValidationFailed,
		Detail: "The request does not follow the contract.",
		Fields: wrong,
	}
}
