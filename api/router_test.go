package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestRouter_UnknownPathIs404(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/nothing", "/things/", "/things/a/b", "//things", "/things%2Fabc", "/%2574hings", "/docs/../things/", "/THINGS"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, noContent).ask(t, http.MethodGet, path, "")

			requireProblem(t, response, fieldgate.CodeNotFound)
		})
	}
}

func TestRouter_UnknownMethodIs405WithAllow(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ method, path, allow string }{
		{http.MethodDelete, "/things", "GET, HEAD, POST"},
		{http.MethodPatch, "/things", "GET, HEAD, POST"},
		{http.MethodGet, "/things/abc", "PUT, DELETE"},
		{http.MethodGet, "/things/%61bc", "PUT, DELETE"},
		{http.MethodOptions, "/things", "GET, HEAD, POST"},
		{http.MethodTrace, "/things", "GET, HEAD, POST"},
		{"BREW", "/things", "GET, HEAD, POST"},
		{http.MethodPost, "/openapi.yaml", "GET, HEAD"},
		{http.MethodPost, "/", "GET, HEAD"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, noContent).ask(t, c.method, c.path, "")

			requireProblem(t, response, fieldgate.CodeMethodNotAllowed)
			require.Equal(t, c.allow, response.Header.Get("Allow"))
		})
	}
}

func TestRouter_ServesHEADWhereGETIs(t *testing.T) {
	t.Parallel()

	operation := newTestEdge(t, echo).ask(t, http.MethodHead, "/things", "")
	require.Equal(t, http.StatusOK, operation.StatusCode)
	require.Equal(t, "application/json", operation.Header.Get("Content-Type"))
	require.Empty(t, read(t, operation))
	refused := newTestEdge(t, echo).ask(t, http.MethodHead, "/things?limit=0", "")
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	missing := newTestEdge(t, echo).ask(t, http.MethodHead, "/things/abc", "")
	require.Equal(t, http.StatusMethodNotAllowed, missing.StatusCode)
	require.Equal(t, "PUT, DELETE", missing.Header.Get("Allow"))

	document := newTestEdge(t, noContent).ask(t, http.MethodHead, "/openapi.yaml", "")
	require.Equal(t, http.StatusOK, document.StatusCode)
	require.Empty(t, read(t, document))
	require.NotEmpty(t, document.Header.Get("Content-Length"))
}

func TestSecure_ForbidsSniffingAndCaching(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/things", "/nothing"} {
		response := newTestEdge(t, echo).ask(t, http.MethodGet, path, "")

		require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", response.Header.Get("Cache-Control"), path)
	}
}

func TestRouter_EntrancesLeadToPages(t *testing.T) {
	t.Parallel()

	for path, page := range map[string]string{"/": "/docs", "/docs/": "/docs", "/console/": "/console"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			response := newTestEdge(t, noContent).ask(t, method, path, "")
			require.Equal(t, http.StatusFound, response.StatusCode, path)
			require.Equal(t, page, response.Header.Get("Location"), path)
		}
	}
}
