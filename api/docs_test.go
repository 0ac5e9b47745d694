package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/docs"
)

// fetch sends a GET without a network connection. It does not check the response against the
// contract, which does not describe the pages.
func (te *testEdge) fetch(t testing.TB, target string, header ...string) *http.Response {
	t.Helper()
	return te.exchange(t, http.MethodGet, target, header...)
}

// exchange does the same as fetch with any method.
func (te *testEdge) exchange(t testing.TB, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	setHeaders(r, header)
	w := httptest.NewRecorder()
	te.handler.ServeHTTP(w, r)
	return w.Result()
}

func TestDocs_ServesContractUnchanged(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	response := te.ask(t, http.MethodGet, "/openapi.yaml", "")

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/yaml", response.Header.Get("Content-Type"))
	require.Equal(t, string(te.spec), read(t, response))
}

func TestDocs_ServesContractAsJSON(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	response := te.ask(t, http.MethodGet, "/openapi.json", "")

	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	asJSON, err := openapi3.NewLoader().LoadFromData([]byte(read(t, response)))
	require.NoError(t, err)
	require.Equal(t, "putThing", asJSON.Paths.Value("/things/{thingId}").Put.OperationID)
	require.Equal(t, "#/components/schemas/Part", asJSON.Components.Schemas["Thing"].Value.Properties["parts"].Value.Items.Ref)
}

// TestDocs_SocketContractIsComplete reads the contract of the sockets as a tool does that has no other file.
func TestDocs_SocketContractIsComplete(t *testing.T) {
	t.Parallel()
	response := ask(t, publishedConfig(server{}), http.MethodGet, "/asyncapi.yaml", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/yaml", response.Header.Get("Content-Type"))
	text := read(t, response)
	var contract map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &contract))

	found := regexp.MustCompile(`\$ref: '?([^'}\n]+)`).FindAllStringSubmatch(text, -1)
	require.Greater(t, len(found), 200)
	for _, ref := range found {
		var target any = contract
		path, own := strings.CutPrefix(ref[1], "#/")
		require.True(t, own, ref[1])
		for step := range strings.SplitSeq(path, "/") {
			target = target.(map[string]any)[step]
		}
		require.NotNil(t, target, ref[1])
	}

	asJSON := ask(t, publishedConfig(server{}), http.MethodGet, "/asyncapi.json", "")
	require.Equal(t, "application/json", asJSON.Header.Get("Content-Type"))
	want, err := json.Marshal(contract)
	require.NoError(t, err)
	require.JSONEq(t, string(want), read(t, asJSON))
}

// TestDocs_LinksSocketContract expects links to the socket contract in the description and in
// externalDocs. The page of the API reference displays both.
func TestDocs_LinksSocketContract(t *testing.T) {
	t.Parallel()

	contract, err := openapi3.NewLoader().LoadFromData([]byte(read(t, ask(t, publishedConfig(server{}), http.MethodGet, "/openapi.json", ""))))

	require.NoError(t, err)
	require.Equal(t, "/asyncapi.yaml", contract.ExternalDocs.URL)
	require.Contains(t, contract.Info.Description, "](/asyncapi.yaml)")
}

func TestDocs_CachedByEntityTag(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, path := range []string{"/openapi.yaml", "/openapi.json", "/asyncapi.yaml", "/asyncapi.json", "/docs", "/docs/errors", "/docs/start.js", "/docs/api-reference.js"} {
		for _, encoding := range []string{"gzip", "identity"} {
			first := te.fetch(t, path, "Accept-Encoding: "+encoding)
			require.Equal(t, http.StatusOK, first.StatusCode, path)
			require.Equal(t, "public, no-cache", first.Header.Get("Cache-Control"), path)
			require.NotEmpty(t, first.Header.Get("ETag"), path)

			again := te.fetch(t, path, "Accept-Encoding: "+encoding, "If-None-Match: "+first.Header.Get("ETag"))
			require.Equal(t, http.StatusNotModified, again.StatusCode, path)
			require.Empty(t, read(t, again), path)
		}
	}
}

// htmlPages returns the paths of all HTML pages.
func htmlPages(t testing.TB) (paths []string) {
	t.Helper()
	pages, err := docs.Pages()
	require.NoError(t, err)
	for path, page := range pages {
		if strings.HasPrefix(page.ContentType, "text/html") {
			paths = append(paths, path)
		}
	}
	require.Greater(t, len(paths), 40)
	return paths
}

// loads matches the URLs that a page loads.
var loads = regexp.MustCompile(`(?:src="|<link [^>]*href=")([^"]*)"`)

func TestDocs_LoadNothingFromOtherHosts(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, page := range htmlPages(t) {
		parts := loads.FindAllStringSubmatch(read(t, te.fetch(t, page)), -1)
		require.NotEmpty(t, parts, page)
		for _, found := range parts {
			require.True(t, strings.HasPrefix(found[1], "/docs/"), found[1])
			require.Equal(t, http.StatusOK, te.fetch(t, found[1]).StatusCode, found[1])
		}
	}
}

func TestDocs_RendererCallsNoOtherHost(t *testing.T) {
	t.Parallel()

	script := read(t, newTestEdge(t, noContent).fetch(t, "/docs/start.js"))
	for _, off := range []string{
		"withDefaultFonts: false", "telemetry: false", `proxyUrl: ""`, "hideClientButton: true",
		`showDeveloperTools: "never"`, "agent: { disabled: true }", "mcp: { disabled: true }",
	} {
		require.Contains(t, script, off)
	}
}

func TestDocs_PagesFollowTheirPolicy(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, page := range htmlPages(t) {
		response := te.fetch(t, page)
		policy := response.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "script-src 'self';")
		require.Contains(t, policy, "connect-src 'self';")
		require.NotContains(t, policy, "eval")
		require.NotContains(t, policy, "http")

		require.NotRegexp(t, `<script>|<script [^>]*>[^<]|<style|<[^>]* style=|<[^>]* on[a-z]+=`, read(t, response), page)
	}
}

func TestDocs_RendererIsCompressedForClientsWithGzip(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	packed := te.fetch(t, "/docs/api-reference.js", "Accept-Encoding: gzip")
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.Contains(t, packed.Header.Get("Content-Type"), "javascript")
	require.Less(t, len(read(t, packed)), 1_400_000)

	plain := te.fetch(t, "/docs/api-reference.js")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.NotEqual(t, packed.Header.Get("ETag"), plain.Header.Get("ETag"))
	require.Contains(t, read(t, plain), "createApiReference")
}

func TestDocs_OtherPathsAre404(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, path := range []string{"/docs/index.html", "/docs/reference.html", "/docs/guides/../docs.go", "/docs/guides/errors.md", "/docs/errors/no_such_code"} {
		requireProblem(t, te.fetch(t, path), fieldgate.CodeNotFound)
	}
}

// links matches those links of a page that lead to this server.
var links = regexp.MustCompile(`<a href="(/[^"#]*)[^"]*"`)

func TestDocs_LinksWork(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, page := range htmlPages(t) {
		for _, found := range links.FindAllStringSubmatch(read(t, te.fetch(t, page)), -1) {
			require.Equal(t, http.StatusOK, te.fetch(t, found[1]).StatusCode, "%s links to %s", page, found[1])
		}
	}
}

func TestDocs_ProblemTypeIsPageOfItsCode(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)

	for _, code := range problem.Codes() {
		document := problem.Of(fieldgate.Refuse(code, ""), "r-1")
		page := te.fetch(t, document.Type)
		require.Equal(t, http.StatusOK, page.StatusCode, document.Type)
		html := read(t, page)
		require.Contains(t, html, "<title>"+string(code)+"</title>")
		require.Contains(t, html, fmt.Sprintf("Status %d. ", document.Status), code)
		for _, part := range []string{"Why:", "What to do:", "Repeat it?"} {
			require.Equal(t, 1, strings.Count(html, part), "%s of %s", part, code)
		}
		require.Contains(t, read(t, te.fetch(t, "/docs/errors")), `id="`+string(code)+`"`)
	}
}
