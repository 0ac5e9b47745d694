package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/fieldgate/fieldgate/api/request"
)

// corsSent and corsRead are the headers that pages of other origins may send and read. Tokens
// are sent in a header and never in cookies, so CORS credentials are not allowed.
const (
	corsSent    = "Authorization, Content-Type, Idempotency-Key, X-Request-ID, traceparent, tracestate"
	corsRead    = "Location, Retry-After, WWW-Authenticate, X-Request-ID"
	corsSeconds = "600" // how long a browser may cache the response to a preflight
)

// origins is the set of origins whose web pages may call the API from a browser (Fetch
// standard, CORS). Origins are compared exactly; patterns are not supported.
type origins map[string]bool

func newOrigins(list []string) (origins, error) {
	o := make(origins, len(list))
	for _, origin := range list {
		if !request.IsOrigin(origin) {
			return nil, fmt.Errorf("%q is not an origin such as https://app.example.com", origin)
		}
		o[origin] = true
	}
	return o, nil
}

// CheckOrigins returns an error that names the first text that is not an origin.
func CheckOrigins(list []string) error {
	_, err := newOrigins(list)
	return err
}

// mayOpenSockets reports whether a page of the origin may open sockets. The origin must be in the
// list, or have the host of the request. The scheme is not compared, because a load balancer may
// terminate TLS. X-Forwarded-Host is ignored, because any client can set it. DNS rebinding is
// harmless, because a browser adds no credential to a handshake by itself, and a page with
// another host name cannot read our credentials.
func (o origins) mayOpenSockets(origin, host string) bool {
	return o[origin] || isOriginOf(origin, host)
}

// isOriginOf reports whether the origin has the given host, which is the Host header of a
// request.
func isOriginOf(origin, host string) bool {
	if !request.IsOrigin(origin) {
		return false
	}
	scheme, authority, _ := strings.Cut(origin, "://")
	return authority == strings.TrimSuffix(strings.ToLower(host), ":"+request.DefaultPort(scheme))
}

// originOf returns the Origin header of the request, or "" if there is none. If there are
// several, it joins them, and the result is not a valid origin.
func originOf(r *http.Request) string { return strings.Join(r.Header["Origin"], ", ") }

// cors sets the headers that let pages of the listed origins call the API and read the
// responses. CORS protects the users of these pages. It does not protect the gateway, because
// clients other than browsers ignore CORS.
func (o origins) cors(next http.Handler) http.Handler {
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
		if isPreflight(r) && len(allowedMethods(r)) > 0 {
			writePreflight(w, r)
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

// writePreflight responds to a preflight with all methods of the path. The browser checks
// whether its method is in the list.
func writePreflight(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", strings.Join(allowedMethods(r), ", "))
	header.Set("Access-Control-Allow-Headers", corsSent)
	header.Set("Access-Control-Max-Age", corsSeconds)
	w.WriteHeader(http.StatusNoContent)
}
