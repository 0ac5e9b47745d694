package docs_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/docs"
)

func TestPages_RendererIsPublishedVersion(t *testing.T) {
	t.Parallel()
	pages, err := docs.Pages()
	require.NoError(t, err)
	compressed, err := gzip.NewReader(bytes.NewReader(pages["/docs/api-reference.js"].Content))
	require.NoError(t, err)
	script, err := io.ReadAll(compressed)
	require.NoError(t, err)
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)

	sum := sha256.Sum256(script)
	require.Contains(t, string(makefile), "SCALAR_SHA  := "+hex.EncodeToString(sum[:])+"\n")
	require.NotRegexp(t, `\beval\(|new Function\(`, string(script), "the Content-Security-Policy of the page forbids eval")
}

func TestPages_ListGuidesInOrder(t *testing.T) {
	t.Parallel()
	pages, err := docs.Pages()
	require.NoError(t, err)
	list := string(pages["/docs/guides"].Content)
	for path := range pages {
		if name, ok := strings.CutPrefix(path, "/docs/guides/"); ok {
			require.Equal(t, 1, strings.Count(list, `"/docs/guides/`+name+`"`), name)
		}
	}
	require.Less(t, strings.Index(list, "/docs/guides/quick-start"), strings.Index(list, "/docs/guides/errors"))
}

func TestRender_RewritesLinks(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"devices.md":                   "/docs/guides/devices",
		"errors.md#internal":           "/docs/guides/errors#internal",
		"#here":                        "#here",
		"https://redis.io/":            "https://redis.io/",
		"../performance.md":            "/docs/performance",
		"../../README.md#x":            "/docs/readme#x",
		"../../cmd/fieldgate-agent":    "/docs/agent",
		"../../clients/go/README.md#x": "/docs/clients/go#x",
		"../../deploy/redis.acl":       "/docs/files/deploy/redis.acl",
		"../../deploy/terraform":       "/docs/files/deploy/terraform",
	} {
		document, err := docs.Render("x", []byte("# X\n\n[x]("+link+")\n"))
		require.NoError(t, err)
		require.Contains(t, string(document.HTML), `href="`+want+`"`)
	}
}

func TestRender_LinkToWhatIsNotServedIsText(t *testing.T) {
	t.Parallel()
	document, err := docs.Render("x", []byte("# X\n\nSee [the *code*](../../queue/queue.go) of it.\n"))
	require.NoError(t, err)
	require.Contains(t, string(document.HTML), "<p>See the <em>code</em> of it.</p>")
}

func TestRender_HighlightsAndEscapesCode(t *testing.T) {
	t.Parallel()
	document, err := docs.Render("x", []byte("# X\n\n```sh\ncurl -d '{\"a\": \"<b>\"}' # a comment & more\n```\n\n```text\nif <b>\n```\n"))
	require.NoError(t, err)
	require.Contains(t, string(document.HTML), `curl -d <span class="string">'{&quot;a&quot;: &quot;&lt;b&gt;&quot;}'</span><span class="comment"> # a comment &amp; more</span>`)
	require.Contains(t, string(document.HTML), "<code>if &lt;b&gt;\n</code>")
}

// external matches the sites to which pages may link, and the gateway of the quick start. A reader
// without access to them misses no instruction.
var external = regexp.MustCompile(`^(http://localhost:8080/|https://(www\.w3\.org|www\.unicode\.org|www\.haproxy\.org|supabase\.com|cel\.dev|pkg\.go\.dev|opentelemetry\.io|github\.com/DaveGamble/cJSON|docs\.aws\.amazon\.com|curl\.se|keepachangelog\.com|semver\.org|github\.com/secure-systems-lab/dsse)(/|$))`)

// TestPages_LinkOnlyToWhatIsServed requires that a reader with nothing but a gateway reaches each page and
// each file to which a page links, also its anchor.
func TestPages_LinkOnlyToWhatIsServed(t *testing.T) {
	t.Parallel()
	pages, err := docs.Pages()
	require.NoError(t, err)
	contracts := []string{"/openapi.yaml", "/openapi.json", "/asyncapi.yaml", "/asyncapi.json", "/console"}
	found := 0
	for from, page := range pages {
		for _, match := range regexp.MustCompile(`<a [^>]*href="([^"]*)"`).FindAllStringSubmatch(string(page.Content), -1) {
			path, anchor, _ := strings.Cut(html.UnescapeString(match[1]), "#")
			found++
			switch {
			case strings.Contains(path, "://"):
				require.Regexp(t, external, path, "%s links to it", from)
			case slices.Contains(contracts, path):
			case path == "":
				require.True(t, strings.Contains(string(page.Content), `id="`+anchor+`"`), "%s links to #%s", from, anchor)
			default:
				require.Contains(t, pages, path, "%s links to it", from)
				require.True(t, anchor == "" || strings.Contains(string(pages[path].Content), `id="`+anchor+`"`), "%s links to %s#%s", from, path, anchor)
			}
		}
	}
	require.Greater(t, found, 1000)
}

func TestPages_NavigationHasEachGuideAndItsNeighbours(t *testing.T) {
	t.Parallel()
	pages, err := docs.Pages()
	require.NoError(t, err)
	for path, page := range pages {
		if _, ok := strings.CutPrefix(path, "/docs/guides/"); !ok {
			continue
		}
		require.Contains(t, string(page.Content), `href="`+path+`" aria-current="page"`, path)
		require.Regexp(t, `rel="(next|prev)"`, string(page.Content), path)
		hasSections := strings.Contains(string(page.Content), "<h2 ")
		require.Equal(t, hasSections, strings.Contains(string(page.Content), `<nav class="contents"`), path)
	}
}

func TestPages_GoClientHasItsReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../clients/go/README.md")
	require.NoError(t, err)
	if os.Getenv("FIELDGATE_TEST_WRITE_SAMPLES") != "" {
		require.NoError(t, os.WriteFile("clients/go.md", readme, 0o600))
		return
	}
	copied, err := os.ReadFile("clients/go.md")
	require.NoError(t, err)
	require.True(t, string(readme) == string(copied), "docs/clients/go.md differs from clients/go/README.md: make generate")
}

func TestRender_AnchorsAreThoseOfGitHub(t *testing.T) {
	t.Parallel()
	document, err := docs.Render("x", []byte("# Devices, and people\n\n## `claim_expired`\n\n## A\n\n## A\n"))
	require.NoError(t, err)
	require.Equal(t, "Devices, and people", document.Title)
	for _, id := range []string{"devices-and-people", "claim_expired", "a", "a-1"} {
		require.Contains(t, string(document.HTML), `id="`+id+`"`)
	}
}

func TestPages_SearchIndexHasAllSectionsAndCodes(t *testing.T) {
	t.Parallel()
	pages, err := docs.Pages()
	require.NoError(t, err)
	var entries []struct{ Guide, Title, Path, Text string }
	require.NoError(t, json.Unmarshal(pages["/docs/search.json"].Content, &entries))
	listed := map[string]string{}
	for _, e := range entries {
		path, anchor, _ := strings.Cut(e.Path, "#")
		require.Contains(t, pages, path)
		if path != "/docs" { // the script of the reference sets its anchors
			require.Contains(t, string(pages[path].Content), `id="`+anchor, e.Path)
		}
		listed[e.Path] = e.Text
	}
	for path := range pages {
		if strings.HasPrefix(path, "/docs/errors/") {
			require.NotEmpty(t, listed[path], path)
		}
	}
	require.Contains(t, listed["/docs/guides/operations#settings"], "FIELDGATE_DRAIN_WINDOW 20s")
	require.Contains(t, listed["/docs/guides/quick-start#start-a-gateway"], "fieldgate dev")
	require.Contains(t, listed["/docs#description/request-ids"], "X-Request-ID")
	require.Contains(t, listed["/docs#tag/devices/POST/api/v1/customer/devices"], "provisionDevice")
}
