package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/docs"
)

// docsPolicy is the Content-Security-Policy of the documentation. The pages may load from this
// server only. Inline styles are allowed, because the renderer of the API reference sets styles
// on its elements. The renderer needs neither inline scripts nor eval.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// documents maps paths to handlers: those of the published contracts and those of the pages of
// package docs. The documents are public and do not change until the next start. The paths below
// /docs/ are not operations of the contract.
type documents map[string]http.Handler

func newDocuments(spec []byte, contract *openapi3.T) (documents, error) {
	asJSON, err := contract.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("converting the contract to JSON: %w", err)
	}
	sockets, err := socketContractJSON()
	if err != nil {
		return nil, err
	}
	pages, err := docs.Pages()
	if err != nil {
		return nil, err
	}
	d := documents{
		"/openapi.yaml":  newDocument("application/yaml", spec),
		"/openapi.json":  newDocument("application/json", asJSON),
		"/asyncapi.yaml": newDocument("application/yaml", fieldgate.PublishedSocketSpec),
		"/asyncapi.json": newDocument("application/json", sockets),
	}
	for path, page := range pages {
		if page.Gzipped {
			d[path] = compressed{newDocument(page.ContentType, page.Content)}
		} else {
			d[path] = newDocument(page.ContentType, page.Content)
		}
	}
	return d, nil
}

// socketContractJSON returns the contract of the sockets as JSON. It is converted once in a process.
var socketContractJSON = sync.OnceValues(func() ([]byte, error) {
	var contract map[string]any
	if err := yaml.Unmarshal(fieldgate.PublishedSocketSpec, &contract); err != nil {
		return nil, fmt.Errorf("parsing the contract of the sockets: %w", err)
	}
	return json.Marshal(contract)
})

func (d documents) mount(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(docsHeaders)
		for path, document := range d {
			mountDocument(r, path, document)
		}
	})
}

func mountDocument(r chi.Router, path string, handler http.Handler) {
	r.Method(http.MethodGet, path, handler)
	r.Method(http.MethodHead, path, handler)
}

// docsHeaders sets the headers of the pages. Browsers and proxies may cache the pages if they
// revalidate them before each use.
func docsHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, no-cache")
		w.Header().Set("Content-Security-Policy", docsPolicy)
		next.ServeHTTP(w, r)
	})
}

// document is a static file with a media type and an entity tag.
type document struct {
	contentType string
	etag        string
	content     []byte
}

func newDocument(contentType string, content []byte) *document {
	return &document{
		contentType: contentType,
		etag:        weakTag(content),
		content:     content,
	}
}

// ServeHTTP sends the document, or 304 if the client has a current copy.
func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", d.contentType)
	w.Header().Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.content))
}

// compressed serves a document that is stored in gzip. It decompresses the document for clients
// that do not accept gzip. All browsers accept gzip.
type compressed struct{ document *document }

// ServeHTTP sends the document, or 304 if the client has a current copy.
func (c compressed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		c.document.ServeHTTP(w, r)
		return
	}
	c.serveDecompressed(w, r)
}

func (c compressed) serveDecompressed(w http.ResponseWriter, r *http.Request) {
	// Each representation has its own entity tag (RFC 9110, section 8.8.3).
	etag := strings.TrimSuffix(c.document.etag, `"`) + `-plain"`
	w.Header().Set("Content-Type", c.document.contentType)
	w.Header().Set("ETag", etag)
	if hasTag(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	reader, err := gzip.NewReader(bytes.NewReader(c.document.content))
	if err != nil || r.Method == http.MethodHead {
		return
	}
	// This fails only if the client has closed the connection.
	_, _ = io.Copy(w, reader)
}
