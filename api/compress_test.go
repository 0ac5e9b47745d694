package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// decompressed returns the text of a response.
func decompressed(t *testing.T, response *http.Response) string {
	t.Helper()
	var source io.Reader = response.Body
	switch response.Header.Get("Content-Encoding") {
	case "gzip":
		reader, err := gzip.NewReader(response.Body)
		require.NoError(t, err)
		source = reader
	case "zstd":
		reader, err := zstd.NewReader(response.Body)
		require.NoError(t, err)
		t.Cleanup(reader.Close)
		source = reader
	}
	text, err := io.ReadAll(source)
	require.NoError(t, err)
	return string(text)
}

// accept returns the header with the encodings that a client accepts.
func accept(encoding string) string { return "Accept-Encoding: " + encoding }

func TestCompress_Reads(t *testing.T) {
	t.Parallel()
	large, small := `{"name":"`+strings.Repeat("pump ", 400)+`"}`, `{"name":"pump"}`
	serve := func(text string) *testEdge {
		return newTestEdge(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, text)
		})
	}
	for name, c := range map[string]struct{ method, text, accepted, want string }{
		"zstd":               {http.MethodGet, large, "gzip, deflate, br, zstd", "zstd"},
		"gzip":               {http.MethodGet, large, "gzip", "gzip"},
		"the preferred":      {http.MethodGet, large, "zstd;q=0.5, gzip", "gzip"},
		"none is accepted":   {http.MethodGet, large, "", ""},
		"none is understood": {http.MethodGet, large, "br", ""},
		"refused":            {http.MethodGet, large, "gzip;q=0", ""},
		"a small response":   {http.MethodGet, small, "gzip", ""},
		"no read":            {http.MethodPost, large, "gzip", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := serve(c.text).exchange(t, c.method, "/things", accept(c.accepted))
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, c.want, response.Header.Get("Content-Encoding"))
			require.Equal(t, c.method == http.MethodGet, strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept-Encoding"))
			require.Equal(t, c.text, decompressed(t, response))
		})
	}
}

func TestCompress_DocumentsKeepTheirTags(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	for _, path := range []string{"/openapi.json", "/docs", "/console/console.js"} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			first := te.exchange(t, http.MethodGet, path, accept(encoding))
			require.Equal(t, http.StatusOK, first.StatusCode, path)
			require.NotEmpty(t, decompressed(t, first), path)
			again := te.exchange(t, http.MethodGet, path, accept(encoding), "If-None-Match: "+first.Header.Get("ETag"))
			require.Equal(t, http.StatusNotModified, again.StatusCode, "%s %s", path, encoding)
		}
	}
}

func TestRevalidate_HoldsOneResponse(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("x"), maxTagged)
	for name, c := range map[string]struct {
		serve  func(w http.ResponseWriter)
		known  string
		status int
		length int
		tagged bool
	}{
		"new":             {func(w http.ResponseWriter) { _, _ = w.Write([]byte("text")) }, `"other"`, 200, 4, true},
		"known":           {func(w http.ResponseWriter) { _, _ = w.Write([]byte("text")) }, weakTag([]byte("text")), 304, 0, true},
		"known as strong": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("text")) }, `"a", ` + strings.TrimPrefix(weakTag([]byte("text")), "W/"), 304, 0, true},
		"refused":         {func(w http.ResponseWriter) { w.WriteHeader(404); _, _ = w.Write([]byte("none")) }, "*", 404, 4, false},
		"refused midway": {func(w http.ResponseWriter) {
			_, _ = w.Write([]byte("te"))
			w.WriteHeader(500)
			_, _ = w.Write([]byte("fault"))
		}, "*", 500, 5, false},
		"beyond the limit":  {func(w http.ResponseWriter) { _, _ = w.Write(large); _, _ = w.Write([]byte("y")) }, "*", 200, maxTagged + 1, false},
		"nothing is served": {func(http.ResponseWriter) {}, "*", 200, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := httptest.NewRecorder()
			w := &taggedWriter{ResponseWriter: recorded, known: c.known}
			c.serve(w)
			w.close()
			require.Equal(t, c.status, recorded.Code)
			require.Equal(t, c.length, recorded.Body.Len())
			require.Equal(t, c.tagged, recorded.Header().Get("ETag") != "")
			require.Equal(t, c.tagged, recorded.Header().Get("Cache-Control") == "private, no-cache")
		})
	}
}

// TestProblem_CompressedIsWhole reads a problem document that is large enough to be compressed.
func TestProblem_CompressedIsWhole(t *testing.T) {
	t.Parallel()
	query := strings.Repeat("tag=toolong&", 60) + "kind=huge"
	response := newTestEdge(t, noContent).exchange(t, http.MethodGet, "/things?"+query, accept("gzip"))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	var document struct{ Code string }
	require.NoError(t, json.Unmarshal([]byte(decompressed(t, response)), &document))
	require.Equal(t, "validation_failed", document.Code)
}
