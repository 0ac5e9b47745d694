package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/docs"
)

// docsPolicy lets the pages load from this server and nothing from anywhere else. The
// renderer of the reference sets styles on its elements, hence the inline styles; its
// script needs neither inline code nor eval.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// documents are the published contract, that of the sockets, and the pages of package
// docs, by path. They stand outside of the contract: everyone may read them, and they are
// the same until the next start. What is below /docs/ are parts of a page and no
// operations.
type documents map[string]http.Handler

func newDocuments(spec []byte, contract *openapi3.T) (documents, error) {
	asJSON, err := contract.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("converting the contract to JSON: %w", err)
	}
	pages, err := docs.Pages()
	if err != nil {
		return nil, err
	}
	d := documents{
		"/openapi.yaml":  newDocument("application/yaml", spec),
		"/openapi.json":  newDocument("application/json", asJSON),
		"/asyncapi.yaml": newDocument("application/yaml", fieldgate.SocketSpec),
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

func (d documents) mount(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(docsHeaders)
		for path, document := range d {
			readable(r, path, document)
		}
	})
}

func readable(r chi.Router, path string, handler http.Handler) {
	r.Method(http.MethodGet, path, handler)
	r.Method(http.MethodHead, path, handler)
}

// docsHeaders let browsers and proxies keep the pages, if they ask before each use
// whether they are still current.
func docsHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, no-cache")
		w.Header().Set("Content-Security-Policy", docsPolicy)
		next.ServeHTTP(w, r)
	})
}

// document is something to read, ready to be sent.
type document struct {
	contentType string
	etag        string
	content     []byte
}

func newDocument(contentType string, content []byte) *document {
	sum := sha256.Sum256(content)
	return &document{
		contentType: contentType,
		etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		content:     content,
	}
}

// ServeHTTP sends the document, or 304 to those who have it already.
func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", d.contentType)
	w.Header().Set("ETag", d.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.content))
}

// compressed is a document that is kept compressed. It is unpacked for those who cannot
// read it so, which browsers can.
type compressed struct{ packed *document }

// ServeHTTP sends the document, or 304 to those who have it already.
func (c compressed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		c.packed.ServeHTTP(w, r)
		return
	}
	c.unpacked(w, r)
}

func (c compressed) unpacked(w http.ResponseWriter, r *http.Request) {
	// Another representation has another entity tag (RFC 9110, section 8.8.3).
	etag := strings.TrimSuffix(c.packed.etag, `"`) + `-plain"`
	w.Header().Set("Content-Type", c.packed.contentType)
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	reader, err := gzip.NewReader(bytes.NewReader(c.packed.content))
	if err != nil || r.Method == http.MethodHead {
		return
	}
	// The only way this fails is a client that is gone.
	_, _ = io.Copy(w, reader)
}
