package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// contract describes the expected responses. It is parsed without code of the edge, so that
// the checks also find faults in the edge's own parser.
type contract struct {
	document *openapi3.T
	routes   *chi.Mux
}

// published parses the published contract once for all tests in a package.
var published = sync.OnceValues(func() (*contract, error) { return parse(fieldgate.Spec) })

func read(spec []byte) (*contract, error) {
	if bytes.Equal(spec, fieldgate.Spec) {
		return published()
	}
	return parse(spec)
}

func parse(spec []byte) (*contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, err
	}
	c := &contract{document: document, routes: chi.NewRouter()}
	for pattern, item := range document.Paths.Map() {
		for method := range item.Operations() {
			c.routes.Method(method, pattern, http.NotFoundHandler()) // c.routes only finds routes and never calls the handler
		}
	}
	return c, nil
}

// find returns the operation of a request, or nil if the contract has none.
func (c *contract) find(r *http.Request) *routers.Route {
	match := chi.NewRouteContext()
	if !c.routes.Match(match, r.Method, r.URL.EscapedPath()) {
		return nil
	}
	item := c.document.Paths.Value(match.RoutePattern())
	return &routers.Route{Spec: c.document, PathItem: item, Operation: item.GetOperation(r.Method)}
}

// check returns the differences between a response and the contract.
func (c *contract) check(r *http.Request, response *http.Response, body []byte) []error {
	deviations := []error{checkRequestID(r, response)}
	route := c.find(r)
	if route != nil {
		deviations = append(deviations, checkResponse(r, route, response, body))
	}
	if !isReport(route, response) {
		deviations = append(deviations, checkProblem(r, response, body))
	}
	return nonNil(deviations)
}

func checkRequestID(r *http.Request, response *http.Response) error {
	ids := response.Header.Values("X-Request-ID")
	sent := r.Header.Get("X-Request-ID")
	switch {
	case len(ids) != 1 || !request.ValidID(ids[0]):
		return fmt.Errorf("X-Request-ID is %q instead of one id", ids)
	case request.ValidID(sent) && ids[0] != sent:
		return fmt.Errorf("X-Request-ID is %q instead of the caller's %q", ids[0], sent)
	}
	return nil
}

// checkProblem checks that a problem document fits the response that contains it.
func checkProblem(r *http.Request, response *http.Response, body []byte) error {
	if r.Method == http.MethodHead || response.StatusCode < http.StatusBadRequest {
		return nil
	}
	if mediaType := mediaTypeOf(response); mediaType != problem.ContentType {
		return fmt.Errorf("a refusal is %q instead of a problem document", mediaType)
	}
	var document problem.Document
	if err := json.Unmarshal(body, &document); err != nil {
		return fmt.Errorf("the problem document does not decode: %w", err)
	}
	return consistent(document, response)
}

func consistent(document problem.Document, response *http.Response) error {
	header := response.Header
	switch {
	case !problem.Known(document.Code):
		return fmt.Errorf("the code %q is none of the contract", document.Code)
	case document.Status != response.StatusCode || problem.Status(document.Code) != response.StatusCode:
		return fmt.Errorf("the problem %s says %d", document.Code, document.Status)
	case document.RequestID != header.Get("X-Request-ID"):
		return fmt.Errorf("the problem has the request id %q", document.RequestID)
	case response.StatusCode == http.StatusMethodNotAllowed && header.Get("Allow") == "":
		return errors.New("there is no Allow")
	case response.StatusCode == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "":
		return errors.New("there is no WWW-Authenticate")
	case response.StatusCode == http.StatusTooManyRequests && header.Get("Retry-After") == "",
		response.StatusCode == http.StatusServiceUnavailable && header.Get("Retry-After") == "":
		return errors.New("there is no Retry-After")
	}
	return nil
}

// checkResponse checks the status, headers and body against the operation. If the body is not
// JSON, only its media type is checked.
func checkResponse(r *http.Request, route *routers.Route, response *http.Response, body []byte) error {
	mediaType := mediaTypeOf(response)
	isJSON := strings.HasSuffix(mediaType, "json")
	if len(body) > 0 && !isJSON && !declared(route, response.StatusCode, mediaType) {
		return fmt.Errorf("the media type %q is not in the contract", mediaType)
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
		Status:                 response.StatusCode,
		Header:                 response.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			MultiError:            true,
			ExcludeResponseBody:   !isJSON,
		},
	})
}

// isReport reports whether the contract describes an error response that is no problem document,
// such as the report of readiness.
func isReport(route *routers.Route, response *http.Response) bool {
	mediaType := mediaTypeOf(response)
	return route != nil && mediaType != problem.ContentType && declared(route, response.StatusCode, mediaType)
}

func declared(route *routers.Route, status int, mediaType string) bool {
	response := route.Operation.Responses.Status(status)
	return response != nil && response.Value.Content.Get(mediaType) != nil
}

func mediaTypeOf(response *http.Response) string {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return mediaType
}

func nonNil(errs []error) (found []error) {
	for _, err := range errs {
		if err != nil {
			found = append(found, err)
		}
	}
	return found
}
