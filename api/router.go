package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
	"github.com/fieldgate/fieldgate/api/schema"
	"github.com/fieldgate/fieldgate/generated"
)

// handler adds the middlewares to the operations that mount registers.
//
// The contract is the middleware of a chi group, so that it runs after routing and there is only
// one router. A middleware of the generated code would run too late: after the parameters are
// bound. A caller without credentials would then get an error about parameters.
func (e *edge) handler(mount func(chi.Router)) http.Handler {
	r := chi.NewRouter()
	r.Use(normalizePath, e.assignRequestID, e.observe, headAsGet, recoverPanic, e.compressor.compress, e.hsts.secure, e.origins.cors)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed)
	e.docs.mount(r)
	e.console.mount(r)
	mountEntrances(r)
	r.Group(func(r chi.Router) {
		r.Use(e.boundHandshakes, e.contract.middleware, e.boundReads, e.revalidate)
		mount(r)
	})
	return r
}

// normalizePath decodes escapes of unreserved characters, so that equivalent paths reach the same
// route (RFC 3986, section 6.2.2.2). It keeps all other escapes, because an escaped slash, for
// example, is not a slash.
func normalizePath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath != "" {
			r.URL.RawPath = needlessEscape.ReplaceAllStringFunc(r.URL.RawPath, func(escape string) string {
				decoded, _ := url.PathUnescape(escape) // needlessEscape matches only valid escapes
				return decoded
			})
		}
		next.ServeHTTP(w, r)
	})
}

// needlessEscape matches the escape of an unreserved character: a letter, a digit,
// "-", ".", "_" or "~".
var needlessEscape = regexp.MustCompile(`(?i)%(?:2d|2e|3[0-9]|4[1-9a-f]|5[0-9a]|5f|6[1-9a-f]|7[0-9a]|7e)`)

// boundHandshakes calls AdmitHandshake for each handshake of a socket, and serves it once
// AdmitHandshake returns. A connection whose handshake is refused is closed.
func (e *edge) boundHandshakes(next http.Handler) http.Handler {
	if e.admitHandshake == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := e.contract.operations[route{r.Method, r.Pattern}]
		if op == nil || !op.socket {
			next.ServeHTTP(w, r)
			return
		}
		release, err := e.admitHandshake(r.Context())
		if err != nil {
			w.Header().Set("Connection", "close")
			problem.Write(w, r, err)
			return
		}
		defer release()
		next.ServeHTTP(w, r)
	})
}

// boundReads calls AdmitRead for each admitted request, and serves it once AdmitRead returns.
func (e *edge) boundReads(next http.Handler) http.Handler {
	if e.admitRead == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		release, err := e.admitRead(r.Context(), request.Operation(r.Context()))
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		defer release()
		next.ServeHTTP(w, r)
	})
}

// strictOptions returns options that make the generated code report errors as problem documents.
func (e *edge) strictOptions() generated.StrictHTTPServerOptions {
	return generated.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  e.refuseBinding,
		ResponseErrorHandlerFunc: e.contract.refuse,
	}
}

// refuseBinding refuses a value that the contract allows but the Go type does not, such as 1.0
// for an integer. The error is only logged, because its message may quote the value.
func (e *edge) refuseBinding(w http.ResponseWriter, r *http.Request, err error) {
	refusal := schema.Invalid(fieldgate.FieldError{
		Keyword: "type",
		Reason:  "has a value that does not fit its type, such as an integer written with a fraction",
	})
	refusal.Cause = err
	e.contract.refuse(w, r, refusal)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, fieldgate.Refuse(fieldgate.CodeNotFound, "There is no such path: /docs describes the API."))
}

// methodNotAllowed refuses a method that the path does not have. It also refuses OPTIONS except in a
// preflight, because the contract does not have it. For an unknown method on an
// unknown path, chi also calls methodNotAllowed, which then responds with 404.
func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	methods := allowedMethods(r)
	if len(methods) == 0 {
		notFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	problem.Write(w, r, fieldgate.Refuse(fieldgate.CodeMethodNotAllowed, "The path does not support this method: see the Allow header."))
}

// allowedMethods returns the methods of the request's path. It queries the router, because chi
// does not pass its list to a custom handler.
func allowedMethods(r *http.Request) []string {
	routes, path := chi.RouteContext(r.Context()).Routes, routePath(r)
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if !routes.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		if methods = append(methods, method); method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return methods
}
