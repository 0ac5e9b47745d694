package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
)

// The page is built from clients/console and kept beside this file, so that building
// the program needs no Node.js. `make check` builds it again and compares.
//
//go:embed console
var consoleFiles embed.FS

// Console says how people sign in to the page at /console. All of it is public: it is
// told to whoever asks.
type Console struct {
	// SupabaseURL and SupabaseAnonKey are the project that checks e-mail addresses and
	// passwords, and its public key. Without both, people paste an access token.
	SupabaseURL     string
	SupabaseAnonKey string

	// TokenLinks lets /console#token=... sign in. In production anybody could send such
	// a link and have its reader work in the sender's name. Default: no.
	TokenLinks bool

	// TenantClaim and RoleClaim are where a token says for whom and as what its owner
	// acts, for the page to show.
	TenantClaim string
	RoleClaim   string
}

// consoleConfig is /console/config.json.
type consoleConfig struct {
	Supabase    *consoleProject `json:"supabase,omitempty"`
	TokenLinks  bool            `json:"tokenLinks"`
	TenantClaim string          `json:"tenantClaim"`
	RoleClaim   string          `json:"roleClaim"`

	// Live tells whether the page that asks may open sockets.
	Live bool `json:"live"`
}

type consoleProject struct {
	URL     string `json:"url"`
	AnonKey string `json:"anonKey"`
}

// consolePolicy lets the page load and call this server alone, and the project that
// signs people in. 'self' stands for its sockets too (CSP 3, section 6.7.2.8). Nothing
// may become HTML or code at run time: no trusted type can be made.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'%s; require-trusted-types-for 'script'; trusted-types 'none'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// console is the page for people, and what it needs to know.
type console struct {
	documents map[string]*document // by path
	config    consoleConfig
	policy    string
	origins   origins
}

// consoleParts are the files of the page and how they are sent.
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
	c.config = consoleConfig{TokenLinks: config.TokenLinks, TenantClaim: config.TenantClaim, RoleClaim: config.RoleClaim}
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
			readable(r, path, document)
		}
		readable(r, "/console/config.json", http.HandlerFunc(c.serveConfig))
	})
}

// headers let browsers keep the page if they ask before each use, and let no other page
// hold it.
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

// serveConfig is no document, because its answer depends on who asks: browsers send no
// Origin to the page's own host, so the page says it, as it will for its socket.
func (c *console) serveConfig(w http.ResponseWriter, r *http.Request) {
	config := c.config
	config.Live = c.origins.mayOpenSockets(r.URL.Query().Get("origin"), r.Host)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(config)
}
