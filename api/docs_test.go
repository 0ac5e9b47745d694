package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// fetch reads a document without the checks of the contract, which does not know the
// parts of the page.
func (it *things) fetch(t testing.TB, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	setHeaders(r, header)
	w := httptest.NewRecorder()
	it.handler.ServeHTTP(w, r)
	return w.Result()
}

func TestTheContractIsServedAsItWasWritten(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	response := it.ask(t, http.MethodGet, "/openapi.yaml", "")

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/yaml", response.Header.Get("Content-Type"))
	require.Equal(t, string(it.spec), read(t, response))
}

func TestTheContractIsServedAsJSONToo(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	response := it.ask(t, http.MethodGet, "/openapi.json", "")

	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	asJSON, err := openapi3.NewLoader().LoadFromData([]byte(read(t, response)))
	require.NoError(t, err)
	require.Equal(t, "putThing", asJSON.Paths.Value("/things/{thingId}").Put.OperationID)
	require.Equal(t, "#/components/schemas/Part", asJSON.Components.Schemas["Thing"].Value.Properties["parts"].Value.Items.Ref)
}

func TestTheContractOfTheSocketsIsServedAsItWasWritten(t *testing.T) {
	t.Parallel()

	response := ask(t, publishedConfig(server{}), http.MethodGet, "/asyncapi.yaml", "")

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/yaml", response.Header.Get("Content-Type"))
	require.Equal(t, string(fieldgate.SocketSpec), read(t, response))
}

// The page shows the description and the external documents of the contract.
func TestThePageLinksTheContractOfTheSockets(t *testing.T) {
	t.Parallel()

	contract, err := openapi3.NewLoader().LoadFromData([]byte(read(t, ask(t, publishedConfig(server{}), http.MethodGet, "/openapi.json", ""))))

	require.NoError(t, err)
	require.Equal(t, "/asyncapi.yaml", contract.ExternalDocs.URL)
	require.Contains(t, contract.Info.Description, "](/asyncapi.yaml)")
}

func TestDocumentsAreKeptUntilTheyChange(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	for _, path := range []string{"/openapi.yaml", "/openapi.json", "/asyncapi.yaml", "/docs", "/docs/errors", "/docs/start.js", "/docs/swagger-ui.css"} {
		first := it.fetch(t, path)
		require.Equal(t, http.StatusOK, first.StatusCode, path)
		require.Equal(t, "public, no-cache", first.Header.Get("Cache-Control"), path)
		require.NotEmpty(t, first.Header.Get("ETag"), path)

		again := it.fetch(t, path, "If-None-Match: "+first.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
		require.Empty(t, read(t, again), path)
	}
}

// loads finds what a page loads.
var loads = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

func TestThePagesLoadNothingFromAnotherHost(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	for page, contentType := range map[string]string{"/docs": "text/html", "/docs/errors": "text/html"} {
		response := it.fetch(t, page)
		html := read(t, response)
		require.Contains(t, response.Header.Get("Content-Type"), contentType)
		require.NotContains(t, html, "://", page)

		for _, found := range loads.FindAllStringSubmatch(html, -1) {
			if strings.HasPrefix(found[1], "#") {
				continue
			}
			require.True(t, strings.HasPrefix(found[1], "/docs"), found[1])
			part := it.fetch(t, found[1])
			require.Equal(t, http.StatusOK, part.StatusCode, found[1])
			requireSelfContained(t, found[1], read(t, part))
		}
	}
}

// reachesOut finds the ways in which scripts and styles load by themselves. Addresses
// that only stand in them, of namespaces and links, are no loads.
var reachesOut = regexp.MustCompile(`@import|url\(["']?https?:|(?:\.src=|\.href=|fetch\(|import\(|importScripts\(|\.open\("GET",)["']https?:`)

func requireSelfContained(t *testing.T, path, content string) {
	t.Helper()
	require.NotEmpty(t, content, path)
	require.Empty(t, reachesOut.FindAllString(content, -1), path)
}

func TestTheBadgeOfSwaggerUIIsOff(t *testing.T) {
	t.Parallel()

	require.Contains(t, read(t, newThings(t, nothing).fetch(t, "/docs/start.js")), "validatorUrl: null",
		"it would send the address of the document to validator.swagger.io")
}

func TestThePagesNeedNoMoreThanTheirPolicyAllows(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	for _, page := range []string{"/docs", "/docs/errors"} {
		response := it.fetch(t, page)
		policy := response.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "script-src 'self';")
		require.NotContains(t, policy, "eval")
		require.NotContains(t, policy, "http")

		html := read(t, response)
		require.NotRegexp(t, `<script>|<script [^>]*>[^<]|<style|style=| on[a-z]+=`, html, "inline code or style")
	}
}

func TestAssetsAreSentCompressedToThoseWhoCanReadThem(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	compressed := it.fetch(t, "/docs/swagger-ui-bundle.js", "Accept-Encoding: gzip")
	require.Equal(t, "gzip", compressed.Header.Get("Content-Encoding"))
	require.Contains(t, compressed.Header.Get("Content-Type"), "javascript")

	plain := it.fetch(t, "/docs/swagger-ui-bundle.js")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Contains(t, read(t, plain), "SwaggerUIBundle")
}

func TestOnlyTheAssetsThatThePageNeedsAreServed(t *testing.T) {
	t.Parallel()
	it := newThings(t, nothing)

	for _, path := range []string{"/docs/oauth2-redirect.html", "/docs/swagger-ui.js", "/docs/index.html", "/docs/?proxy=http://169.254.169.254/"} {
		requireProblem(t, it.fetch(t, path), fieldgate.CodeNotFound)
	}
}

func TestThePageOfErrorsTellsWhatTheContractSays(t *testing.T) {
	t.Parallel()

	html := read(t, newThings(t, nothing).fetch(t, "/docs/errors"))

	require.Contains(t, html, `<tr id="not_found"><td><a href="#not_found"><code>not_found</code></a></td><td>404</td><td>There is nothing &lt;here&gt;.</td></tr>`)
}
