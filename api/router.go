package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/schema"
	"github.com/fieldgate/fieldgate/generated"
)

// handler puts the middlewares around the operations that mount adds.
//
// The contract stands in a group, so it runs when the route is known and there is
// one router, not two that may disagree. It does not stand among the middlewares of
// the generated code: those run after the parameters were bound, so that a caller
// without credentials would be told what is wrong with its parameters.
func (e *edge) handler(mount func(chi.Router)) http.Handler {
	r := chi.NewRouter()
	r.Use(e.identify, e.observe, recoverPanic, secure, e.origins.share)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed)
	e.docs.mount(r)
	e.console.mount(r)
	r.Group(func(r chi.Router) {
		r.Use(e.contract.middleware)
		mount(r)
	})
	return r
}

// strictOptions maps the errors of the generated code.
func (e *edge) strictOptions() generated.StrictHTTPServerOptions {
	return generated.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  refuseBinding,
		ResponseErrorHandlerFunc: problem.Write,
	}
}

// refuseBinding answers for what the contract lets through and Go's types do not
// hold, such as 1.0 for an integer. The message of the error may quote the value.
func refuseBinding(w http.ResponseWriter, r *http.Request, err error) {
	refusal := schema.Invalid(fieldgate.FieldError{
		Keyword: "type",
		Reason:  "a value does not fit its type, such as an integer that is written with a fraction",
	})
	refusal.Cause = err
	problem.Write(w, r, refusal)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, fieldgate.Refuse(fieldgate.CodeNotFound, "There is no such path."))
}

// methodNotAllowed also answers HEAD and OPTIONS, unless it is a preflight, since the
// contract does not have them: an operation is served as described or not at all.
// The router comes here with every method that it does not know, also where there is
// no such path.
func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	methods := allowed(r)
	if len(methods) == 0 {
		notFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	problem.Write(w, r, fieldgate.Refuse(fieldgate.CodeMethodNotAllowed, "The path does not have this method."))
}

// allowed asks the router itself which methods the path has, because a handler of
// one's own loses the list that chi had.
func allowed(r *http.Request) []string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	routes := chi.RouteContext(r.Context()).Routes
	var methods []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		if routes.Match(chi.NewRouteContext(), method, path) {
			methods = append(methods, method)
		}
	}
	return methods
}
