package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// What browsers may send and read across origins. Tokens travel in a header and never
// in cookies, so credentials in the sense of CORS are not allowed.
const (
	corsSent    = "Authorization, Content-Type, Idempotency-Key, X-Request-ID"
	corsRead    = "Location, Retry-After, WWW-Authenticate, X-Request-ID"
	corsSeconds = "600" // how long a browser may remember that it asked
)

// origins are the web pages that may call from a browser (Fetch standard, CORS). An
// origin is one of them letter by letter or not at all: there are no patterns.
type origins map[string]bool

func newOrigins(list []string) (origins, error) {
	o := make(origins, len(list))
	for _, origin := range list {
		parsed, err := url.Parse(origin)
		if err != nil || !isOrigin(parsed, origin) {
			return nil, fmt.Errorf("%q is not an origin such as https://app.example.com", origin)
		}
		o[origin] = true
	}
	return o, nil
}

// mayOpenSockets reports whether a page may: one of a listed origin, or of the host that
// it asks. Which scheme the browser uses cannot be told behind a balancer that ends TLS,
// so either will do. X-Forwarded-Host is not asked, since anybody may write it. A name
// that was rebound to our address gains nothing: no handshake carries a credential that
// a browser adds by itself, and pages of another name do not have ours.
func (o origins) mayOpenSockets(origin, host string) bool {
	return o[origin] || isOf(origin, host)
}

// isOf reports whether an origin has a host, as the header of a request names it.
func isOf(origin, host string) bool {
	parsed, err := url.Parse(origin)
	if err != nil || !isOrigin(parsed, origin) {
		return false
	}
	return parsed.Host == strings.TrimSuffix(strings.ToLower(host), ":"+defaultPorts[parsed.Scheme])
}

// defaultPorts are not written in an origin.
var defaultPorts = map[string]string{"https": "443", "http": "80"}

// isOrigin reports whether a browser would write the origin in the same way: in lower
// case, names of other scripts in Punycode, without a default port.
func isOrigin(parsed *url.URL, origin string) bool {
	port, web := defaultPorts[parsed.Scheme]
	named := parsed.Host != "" && !strings.ContainsFunc(parsed.Host, notInHost) && parsed.Port() != port
	return web && named && origin == strings.ToLower(parsed.Scheme+"://"+parsed.Host)
}

func notInHost(c rune) bool { return c == '*' || c > unicode.MaxASCII }

// originOf gives the origin of the page that asks, as its browser says; empty where
// there is none. Several are an origin that no page has.
func originOf(r *http.Request) string { return strings.Join(r.Header["Origin"], ", ") }

// share tells browsers which pages may call and read. It guards those pages' users,
// not us: who is no browser does not ask.
func (o origins) share(next http.Handler) http.Handler {
	if len(o) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		if !o.allow(r) {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		header.Set("Access-Control-Expose-Headers", corsRead)
		if isPreflight(r) && len(allowed(r)) > 0 {
			answerPreflight(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (o origins) allow(r *http.Request) bool {
	sent := r.Header["Origin"]
	return len(sent) == 1 && o[sent[0]]
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// answerPreflight names the methods of the path and leaves it to the browser to find
// out that another one is not among them.
func answerPreflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", strings.Join(allowed(r), ", "))
	header.Set("Access-Control-Allow-Headers", corsSent)
	header.Set("Access-Control-Max-Age", corsSeconds)
	w.WriteHeader(http.StatusNoContent)
}
