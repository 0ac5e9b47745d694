package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// headAsGet serves HEAD like GET for a path that has only GET (RFC 9110, section 9.3.2). Package
// net/http sends no body in response to HEAD.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes, path := chi.RouteContext(r.Context()).Routes, routePath(r)
		matches := func(method string) bool { return routes.Match(chi.NewRouteContext(), method, path) }
		if r.Method == http.MethodHead && !matches(http.MethodHead) && matches(http.MethodGet) {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		next.ServeHTTP(w, r)
	})
}

// routePath returns the path by which chi routes a request.
func routePath(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// mountEntrances redirects the paths that people type to the pages that they mean.
func mountEntrances(r chi.Router) {
	for path, page := range map[string]string{"/": "/docs", "/docs/": "/docs", "/console/": "/console"} {
		mountDocument(r, path, http.RedirectHandler(page, http.StatusFound))
	}
}
