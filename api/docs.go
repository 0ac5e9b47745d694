package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/swaggest/swgui/v5emb"

	"github.com/fieldgate/fieldgate"
)

var (
	//go:embed pages/*.html
	pages embed.FS
	//go:embed pages/start.js
	startScript []byte
	//go:embed pages/errors.css
	errorsStyle []byte
)

// docsPolicy lets the pages load from this server and nothing from anywhere else.
// Swagger UI sets styles on its elements, hence the inline styles; its scripts need
// neither inline code nor eval.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docs are the published contract, that of the sockets, and the pages that show them.
// They stand outside of the contract: everyone may read them, and they are the same
// until the next start.
// /docs/errors and the assets are parts of the page and no operations.
type docs struct {
	documents map[string]*document // by path
	assets    http.Handler         // Swagger UI
}

// document is something to read, ready to be sent.
type document struct {
	contentType string
	etag        string
	content     []byte
}

func newDocs(spec []byte, contract *openapi3.T) (*docs, error) {
	asJSON, err := contract.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("converting the contract to JSON: %w", err)
	}
	templates, err := template.ParseFS(pages, "pages/*.html")
	if err != nil {
		return nil, err
	}
	var page, errors bytes.Buffer
	if err := templates.ExecuteTemplate(&page, "docs.html", about(contract)); err != nil {
		return nil, err
	}
	if err := templates.ExecuteTemplate(&errors, "errors.html", about(contract)); err != nil {
		return nil, err
	}
	return &docs{
		documents: map[string]*document{
			"/openapi.yaml":    newDocument("application/yaml", spec),
			"/openapi.json":    newDocument("application/json", asJSON),
			"/asyncapi.yaml":   newDocument("application/yaml", fieldgate.SocketSpec),
			"/docs":            newDocument("text/html; charset=utf-8", page.Bytes()),
			"/docs/start.js":   newDocument("text/javascript; charset=utf-8", startScript),
			"/docs/errors":     newDocument("text/html; charset=utf-8", errors.Bytes()),
			"/docs/errors.css": newDocument("text/css; charset=utf-8", errorsStyle),
		},
		assets: v5emb.New(contract.Info.Title, "/openapi.json", "/docs"),
	}, nil
}

func (d *docs) mount(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(docsHeaders)
		for path, document := range d.documents {
			readable(r, path, document)
		}
		for _, asset := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"} {
			readable(r, "/docs/"+asset, d.assets)
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

// aboutContract is what the pages say of the contract.
type aboutContract struct {
	Title string
	Codes []aboutCode
}

type aboutCode struct{ Code, Status, Meaning string }

// codeRow is a row of the table of codes in the description of the contract, which is
// the only place that explains them.
var codeRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\| (.+) \\|$")

func about(contract *openapi3.T) aboutContract {
	info := aboutContract{Title: contract.Info.Title}
	for _, row := range codeRow.FindAllStringSubmatch(contract.Info.Description, -1) {
		info.Codes = append(info.Codes, aboutCode{row[1], row[2], strings.ReplaceAll(row[3], "`", "")})
	}
	return info
}
