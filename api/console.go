package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
)

// consoleFiles are the files of the console. They are built from clients/console and committed,
// so that building the program needs no Node.js. `make check` builds them again and compares them
// with the committed files.
//
//go:embed console
var consoleFiles embed.FS

// Console configures how users sign in to the console, the page at /console. All fields are
// public, because the page reads them without credentials.
type Console struct {
	// SupabaseURL is the URL of the Supabase project where users sign in with an e-mail address
	// and a password. SupabaseAnonKey is the public key of the project. Unless both are set,
	// users paste an access token.
	SupabaseURL     string
	SupabaseAnonKey string

	// TokenLinks enables links of the form /console#token=..., which sign the user in. It must be
	// off in production. Otherwise an attacker could send a user such a link, and the user would
	// act in the attacker's name.
	TokenLinks bool

	// PasskeyRelyingParty is the domain for which passkeys sign approvals. It may be empty.
	PasskeyRelyingParty string
}

// consoleConfig is the JSON that /console/config.json returns.
type consoleConfig struct {
	Supabase   *consoleProject `json:"supabase,omitempty"`
	TokenLinks bool            `json:"tokenLinks"`

	// Passkeys is the domain for which passkeys sign approvals. It is empty if none can.
	Passkeys string `json:"passkeys,omitempty"`

	// Live reports whether the page may open sockets.
	Live bool `json:"live"`
}

type consoleProject struct {
	URL     string `json:"url"`
	AnonKey string `json:"anonKey"`
}

// consolePolicy is the Content-Security-Policy of the console. The page may load from and call
// only this server and the Supabase project. 'self' includes sockets of this server (CSP 3,
// section 6.7.2.8). No trusted types are allowed, so text cannot become HTML or code at run time.
// Images may be data: URLs, because the project returns the QR code of a second factor as an
// image. A browser runs no script of an image.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'%s; require-trusted-types-for 'script'; trusted-types 'none'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// console serves the console's page and its configuration.
type console struct {
	documents map[string]*document // by path
	config    consoleConfig
	policy    string
	origins   origins
}

// consoleParts lists the files of the page with their paths and media types.
var consoleParts = []struct{ path, file, contentType string }{
	{"/console", "index.html", "text/html; charset=utf-8"},
	{"/console/console.js", "console.js", "text/javascript; charset=utf-8"},
	{"/console/console.css", "console.css", "text/css; charset=utf-8"},
	{"/console/icon.svg", "icon.svg", "image/svg+xml"},
}

func newConsole(config Console, allowed origins) (*console, error) {
	c := &console{documents: map[string]*document{}, origins: allowed, policy: fmt.Sprintf(consolePolicy, "")}
	for _, part := range consoleParts {
		content, err := consoleFiles.ReadFile("console/" + part.file)
		if err != nil {
			return nil, err
		}
		c.documents[part.path] = newDocument(part.contentType, content)
	}
	c.config = consoleConfig{TokenLinks: config.TokenLinks, Passkeys: config.PasskeyRelyingParty}
	if config.SupabaseURL == "" || config.SupabaseAnonKey == "" {
		return c, nil
	}
	project, err := url.Parse(config.SupabaseURL)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the project: %w", err)
	}
	c.config.Supabase = &consoleProject{URL: config.SupabaseURL, AnonKey: config.SupabaseAnonKey}
	c.policy = fmt.Sprintf(consolePolicy, " "+project.Scheme+"://"+project.Host)
	return c, nil
}

func (c *console) mount(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(c.headers)
		for path, document := range c.documents {
			mountDocument(r, path, document)
		}
		mountDocument(r, "/console/config.json", http.HandlerFunc(c.serveConfig))
	})
}

// headers sets the headers of the page. Browsers may cache the page if they revalidate it
// before each use. Other pages must not embed it.
func (c *console) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "public, no-cache")
		header.Set("Content-Security-Policy", c.policy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// serveConfig serves the configuration of the page. The configuration is not a static document,
// because its field Live depends on the page's origin and on the host of the request. The page
// sends its origin as a query parameter, because browsers send no Origin header with a GET to
// the page's own host.
func (c *console) serveConfig(w http.ResponseWriter, r *http.Request) {
	config := c.config
	config.Live = c.origins.mayOpenSockets(r.URL.Query().Get("origin"), r.Host)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(config)
}
