package api

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// parameters are what an operation takes beside its body.
type parameters struct {
	all     openapi3.Parameters
	query   map[string]bool // the names in the query; true for one that may be repeated
	headers []string        // in canonical form
	inPath  bool            // whether there are any in the path
}

// newParameters joins the parameters of a path with those of one operation on it,
// which win.
func newParameters(ofPath, ofOperation openapi3.Parameters) parameters {
	p := parameters{all: slices.Clone(ofOperation), query: make(map[string]bool)}
	for _, shared := range ofPath {
		if ofOperation.GetByInAndName(shared.Value.In, shared.Value.Name) == nil {
			p.all = append(p.all, shared)
		}
	}
	for _, parameter := range p.all {
		p.add(parameter.Value)
	}
	return p
}

func (p *parameters) add(parameter *openapi3.Parameter) {
	switch parameter.In {
	case openapi3.ParameterInQuery:
		p.query[parameter.Name] = parameter.Schema.Value.Type.Is("array")
	case openapi3.ParameterInHeader:
		p.headers = append(p.headers, http.CanonicalHeaderKey(parameter.Name))
	case openapi3.ParameterInPath:
		p.inPath = true
	}
}

// checkParameters tells what is wrong with the path, the query and the headers, and
// writes defaults into the query, where the generated code finds them.
func (v *validator) checkParameters(r *http.Request, p *parameters) []fieldgate.FieldError {
	query, wrong := p.readQuery(r.URL.RawQuery)
	wrong = append(wrong, p.repeatedHeaders(r.Header)...)
	if len(wrong) > 0 {
		return wrong
	}
	input := &openapi3filter.RequestValidationInput{
		Request:     r,
		PathParams:  p.readPath(r),
		QueryParams: query,
		Options:     v.parameters,
	}
	for _, parameter := range p.all {
		if err := openapi3filter.ValidateParameter(r.Context(), input, parameter.Value); err != nil {
			wrong = append(wrong, wrongParameter(parameter.Value, err)...)
		}
	}
	return wrong
}

var malformedQuery = fieldgate.FieldError{Pointer: "/query", Keyword: "syntax", Reason: "is not well-formed"}

// readQuery refuses names that the operation does not take, because a misspelt filter
// would otherwise list everything, and repeated values, of which one would be
// validated and all be bound.
func (p *parameters) readQuery(raw string) (url.Values, []fieldgate.FieldError) {
	if raw == "" {
		return url.Values{}, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, []fieldgate.FieldError{malformedQuery}
	}
	var wrong []fieldgate.FieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		repeatable, known := p.query[name]
		switch {
		case !known:
			wrong = schema.AppendOnce(wrong, fieldgate.FieldError{
				Pointer: "/query",
				Keyword: "unknown",
				Reason:  "has a parameter that this operation does not take; it takes " + schema.Listed(maps.Keys(p.query)),
			})
		case len(query[name]) > 1 && !repeatable:
			wrong = append(wrong, repeated("/query/"+name))
		}
	}
	return query, wrong
}

func (p *parameters) repeatedHeaders(header http.Header) (wrong []fieldgate.FieldError) {
	for _, name := range p.headers {
		if len(header[name]) > 1 {
			wrong = append(wrong, repeated("/header/"+name))
		}
	}
	return wrong
}

func repeated(pointer string) fieldgate.FieldError {
	return fieldgate.FieldError{Pointer: pointer, Keyword: "repeated", Reason: "must be given once"}
}

// readPath gives the parameters in the path as their handler will get them: the
// router matches an encoded path as it came, and the generated code decodes after it.
func (p *parameters) readPath(r *http.Request) map[string]string {
	if !p.inPath {
		return nil
	}
	found := chi.RouteContext(r.Context()).URLParams
	values := make(map[string]string, len(found.Keys))
	for i, name := range found.Keys {
		values[name] = found.Values[i]
		if decoded, err := url.PathUnescape(found.Values[i]); err == nil && r.URL.RawPath != "" {
			values[name] = decoded
		}
	}
	return values
}

// wrongParameter says what is wrong with one parameter.
func wrongParameter(parameter *openapi3.Parameter, err error) []fieldgate.FieldError {
	wrong := fieldgate.FieldError{Pointer: "/" + parameter.In + "/" + parameter.Name}
	var schemaError *openapi3.SchemaError
	switch {
	case errors.As(err, &schemaError):
		return schema.Explain(err, wrong.Pointer, nil)
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		wrong.Keyword, wrong.Reason = "required", "is required"
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		wrong.Keyword, wrong.Reason = "minLength", "must not be empty"
	default:
		wrong.Keyword, wrong.Reason = "type", schema.MustBeOfType(parameter.Schema.Value)
	}
	return []fieldgate.FieldError{wrong}
}
