package api

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/fieldgate/fieldgate/api/schema"
)

// validator validates parameters and bodies against the schemas of the contract. It calls parts
// of openapi3filter separately, because ValidateRequest has three faults: it reads the body
// before authentication, accepts trailing data, and encodes the body again to add defaults.
type validator struct {
	parameters *openapi3filter.Options
	times      BodyTimes
}

func newValidator(times BodyTimes) *validator {
	return &validator{times: times.withDefaults(), parameters: &openapi3filter.Options{
		MultiError:              true,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{schema.Formats},
	}}
}

// check refuses a request that violates the contract. It checks the cheapest part first: the
// headers of the body, then the parameters, then the body.
func (v *validator) check(w http.ResponseWriter, r *http.Request, op *operation, held *share) error {
	if op.announces {
		w.Header().Set(acceptEncodingHeader, acceptedEncoding)
	}
	if err := op.body.checkHeaders(w, r); err != nil {
		return err
	}
	if op.lenient {
		return nil
	}
	if fieldErrs := v.checkParameters(r, &op.parameters); len(fieldErrs) > 0 {
		return schema.Invalid(fieldErrs...)
	}
	return bind(w, r, op.body, held, v.times)
}
