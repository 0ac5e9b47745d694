package docs_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
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
		"devices.md":         "/docs/guides/devices",
		"errors.md#internal": "/docs/guides/errors#internal",
		"#here":              "#here",
		"https://redis.io/":  "https://redis.io/",
		"../performance.md":  "https://github.com/fieldgate/fieldgate/blob/main/docs/performance.md",
		"../../README.md#x":  "https://github.com/fieldgate/fieldgate/blob/main/README.md#x",
	} {
		document, err := docs.Render("x", []byte("# X\n\n[x]("+link+")\n"))
		require.NoError(t, err)
		require.Contains(t, string(document.HTML), `href="`+want+`"`)
	}
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
		require.Contains(t, string(pages[path].Content), `id="`+anchor, e.Path)
		listed[e.Path] = e.Text
	}
	for path := range pages {
		if strings.HasPrefix(path, "/docs/errors/") {
			require.NotEmpty(t, listed[path], path)
		}
	}
	require.Contains(t, listed["/docs/guides/operations#settings"], "FIELDGATE_DRAIN_WINDOW 20s")
	require.Contains(t, listed["/docs/guides/quick-start#start-a-gateway"], "fieldgate dev")
}
