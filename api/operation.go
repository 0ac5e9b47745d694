package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
)

// route identifies an operation both in chi and in the contract. The generated chi patterns are
// exactly the paths of the contract.
type route struct {
	method  string
	pattern string
}

// operation describes an operation of the contract. It is created once, when the gateway starts.
type operation struct {
	id         string
	scheme     string // the security scheme; empty if no authentication is required
	leastRole  string // empty if every principal may call the operation
	cost       int    // weight of a call in the rate limit; at least 1
	parameters parameters
	body       *body // nil if the operation has no request body
	socket     bool  // the operation opens a socket, so it has a 101 response
	announces  bool  // the response says which content codings a body may have
	lenient    bool  // a query is ignored, because the operation has no parameters, no body and no 400 response
}

// index returns the operations of the contract, keyed by route.
func index(document *openapi3.T, maxBodyBytes int64) (map[route]*operation, error) {
	operations := make(map[route]*operation)
	for pattern, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			op, err := newOperation(document, item, described, maxBodyBytes)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, pattern, err)
			}
			operations[route{method, pattern}] = op
		}
	}
	return operations, nil
}

func newOperation(document *openapi3.T, item *openapi3.PathItem, described *openapi3.Operation, maxBodyBytes int64) (*operation, error) {
	scheme, err := schemeOf(document, described)
	if err != nil {
		return nil, err
	}
	leastRole, _ := described.Extensions["x-least-role"].(string)
	if leastRole != "" && scheme == "" {
		return nil, errors.New("x-least-role on an operation that everyone may call")
	}
	body, err := newBody(described, maxBodyBytes)
	if err != nil {
		return nil, err
	}
	cost, err := costOf(described)
	if err != nil {
		return nil, err
	}
	parameters := newParameters(item.Parameters, described.Parameters)
	return &operation{
		id:         described.OperationID,
		scheme:     scheme,
		leastRole:  leastRole,
		cost:       cost,
		parameters: parameters,
		body:       body,
		socket:     described.Responses.Status(http.StatusSwitchingProtocols) != nil,
		announces:  body != nil && announcesEncoding(described),
		lenient:    len(parameters.all) == 0 && body == nil && described.Responses.Status(http.StatusBadRequest) == nil,
	}, nil
}

// announcesEncoding reports whether the successful response of an operation has the header
// Accept-Encoding.
func announcesEncoding(described *openapi3.Operation) bool {
	ok := described.Responses.Status(http.StatusOK)
	return ok != nil && ok.Value.Headers[acceptEncodingHeader] != nil
}

// costOf returns the x-cost of an operation, or 1 if it has none.
func costOf(described *openapi3.Operation) (int, error) {
	declared, found := described.Extensions["x-cost"]
	if !found {
		return 1, nil
	}
	cost, ok := declared.(float64)
	if !ok || cost < 1 || cost != math.Trunc(cost) {
		return 0, fmt.Errorf("x-cost is %v instead of a positive integer", declared)
	}
	return int(cost), nil
}

// schemeOf returns the one security scheme of an operation, or "" if it has none. It returns an
// error for alternatives and combinations of schemes, which the contract does not have.
func schemeOf(document *openapi3.T, described *openapi3.Operation) (string, error) {
	requirements := described.Security
	if requirements == nil {
		requirements = &document.Security
	}
	switch len(*requirements) {
	case 0:
		return "", nil
	case 1:
		return schemeIn(document, (*requirements)[0])
	}
	return "", errors.New("more than one security requirement")
}

func schemeIn(document *openapi3.T, requirement openapi3.SecurityRequirement) (string, error) {
	if len(requirement) != 1 {
		return "", fmt.Errorf("a security requirement of %d schemes instead of 1", len(requirement))
	}
	for name := range requirement {
		scheme := document.Components.SecuritySchemes[name].Value
		if scheme.Type != "http" || scheme.Scheme != "bearer" {
			return "", fmt.Errorf("security scheme %s is not a bearer token", name)
		}
		return name, nil
	}
	return "", nil
}
