package api

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/schema"
)

// parameters are the path, query and header parameters of an operation.
type parameters struct {
	all     openapi3.Parameters
	query   map[string]bool // maps a parameter's name to whether it may be repeated
	times   []string        // names of the query parameters that are times
	headers []string        // names in canonical form
	inPath  bool            // true if there is a path parameter
}

// newParameters merges the parameters of a path and of an operation on that path. If both
// define the same parameter, the operation's definition is used.
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
		if parameter.Schema.Value.Format == "date-time" {
			p.times = append(p.times, parameter.Name)
		}
	case openapi3.ParameterInHeader:
		p.headers = append(p.headers, http.CanonicalHeaderKey(parameter.Name))
	case openapi3.ParameterInPath:
		p.inPath = true
	}
}

// checkParameters returns the errors in the path, the query and the headers. It adds defaults
// to the query, because the generated code reads the query.
func (v *validator) checkParameters(r *http.Request, p *parameters) []fieldgate.FieldError {
	query, fieldErrs := p.readQuery(r.URL.RawQuery)
	fieldErrs = append(fieldErrs, p.repeatedHeaders(r.Header)...)
	if len(fieldErrs) > 0 {
		return fieldErrs
	}
	p.splitLists(r.URL, query)
	input := &openapi3filter.RequestValidationInput{
		Request:     r,
		PathParams:  p.readPath(r),
		QueryParams: query,
		Options:     v.parameters,
	}
	for _, parameter := range p.all {
		if !isWellFormed(parameter.Value, query[parameter.Value.Name]) {
			fieldErrs = append(fieldErrs, typeError(parameter.Value))
			continue
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, parameter.Value); err != nil {
			fieldErrs = append(fieldErrs, parameterErrors(parameter.Value, err)...)
		}
	}
	if len(fieldErrs) == 0 {
		p.normalizeTimes(r.URL)
	}
	return fieldErrs
}

// splitLists writes a repeatable parameter whose values are separated by commas as the contract has it:
// repeated. No value of such a parameter contains a comma.
func (p *parameters) splitLists(u *url.URL, query url.Values) {
	split := false
	for name, isList := range p.query {
		if all := strings.Join(query[name], ","); isList && strings.Count(all, ",") >= len(query[name]) && all != "" {
			query[name], split = strings.Split(all, ","), true
		}
	}
	if split {
		u.RawQuery = query.Encode()
	}
}

// normalizeTimes rewrites the times in a valid query. The generated code parses them with
// time.Parse, which refuses some times of RFC 3339.
func (p *parameters) normalizeTimes(u *url.URL) {
	if len(p.times) == 0 || u.RawQuery == "" {
		return
	}
	query := u.Query()
	for _, name := range p.times {
		if t, err := fieldgate.ParseTime(query.Get(name)); err == nil {
			query.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	u.RawQuery = query.Encode()
}

// integer matches integers in the form that JSON requires. The validator alone would also
// accept 05 and +5, and would treat an empty value as absent.
var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// isWellFormed reports whether the values of a query parameter have the form that the parameter's
// type requires.
func isWellFormed(parameter *openapi3.Parameter, values []string) bool {
	if parameter.In != openapi3.ParameterInQuery || !parameter.Schema.Value.Type.Is(openapi3.TypeInteger) {
		return true
	}
	return !slices.ContainsFunc(values, func(value string) bool { return !integer.MatchString(value) })
}

func typeError(parameter *openapi3.Parameter) fieldgate.FieldError {
	return fieldgate.FieldError{
		Pointer: "/" + parameter.In + "/" + parameter.Name, Keyword: "type", Reason: schema.TypeReason(parameter.Schema.Value),
	}
}

var malformedQuery = fieldgate.FieldError{Pointer: "/query", Keyword: "syntax", Reason: "is not well-formed"}

// readQuery parses the query. It refuses unknown parameters, because with a misspelled filter
// the response would list everything. It refuses repeated parameters, because the validator
// checks only one value and the generated code binds all values.
func (p *parameters) readQuery(raw string) (url.Values, []fieldgate.FieldError) {
	if raw == "" {
		return url.Values{}, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, []fieldgate.FieldError{malformedQuery}
	}
	var fieldErrs []fieldgate.FieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		repeatable, known := p.query[name]
		switch {
		case !utf8.ValidString(name + strings.Join(query[name], "")):
			fieldErrs = schema.AppendUnique(fieldErrs, malformedQuery)
		case !known:
			fieldErrs = schema.AppendUnique(fieldErrs, fieldgate.FieldError{
				Pointer: "/query",
				Keyword: "unknown",
				Reason:  "has an unknown parameter; this operation accepts " + schema.JoinSorted(maps.Keys(p.query)),
			})
		case len(query[name]) > 1 && !repeatable:
			fieldErrs = append(fieldErrs, repeatedError("/query/"+name))
		}
	}
	return query, fieldErrs
}

func (p *parameters) repeatedHeaders(header http.Header) (fieldErrs []fieldgate.FieldError) {
	for _, name := range p.headers {
		if len(header[name]) > 1 {
			fieldErrs = append(fieldErrs, repeatedError("/header/"+name))
		}
	}
	return fieldErrs
}

func repeatedError(pointer string) fieldgate.FieldError {
	return fieldgate.FieldError{Pointer: pointer, Keyword: "repeated", Reason: "must not be repeated"}
}

// readPath returns the path parameters as the handler receives them. The router matches the
// path before decoding, and the generated code decodes the parameters later.
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

// parameterErrors converts the error of one parameter.
func parameterErrors(parameter *openapi3.Parameter, err error) []fieldgate.FieldError {
	fieldErr := fieldgate.FieldError{Pointer: "/" + parameter.In + "/" + parameter.Name}
	var schemaError *openapi3.SchemaError
	switch {
	case errors.As(err, &schemaError):
		return schema.FieldErrors(err, fieldErr.Pointer, nil)
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		fieldErr.Keyword, fieldErr.Reason = "required", "is required"
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		fieldErr.Keyword, fieldErr.Reason = "minLength", "must not be empty"
	default:
		return []fieldgate.FieldError{typeError(parameter)}
	}
	return []fieldgate.FieldError{fieldErr}
}
