package api

import "net/http"

// These are the values of Config.HSTS.
const (
	HSTSAuto = "auto" // on responses over TLS
	HSTSOn   = "on"   // on all responses, because a proxy terminates TLS
	HSTSOff  = "off"
)

// strictTransport is the header that makes browsers use https for a year (RFC 6797, section 6.1).
const strictTransport = "max-age=31536000"

// hsts decides which responses have the header Strict-Transport-Security.
type hsts string

func (h hsts) applies(r *http.Request) bool {
	return h == HSTSOn || h != HSTSOff && r.TLS != nil
}

// secure sets the headers of every response. It forbids caching, because responses contain
// secrets and current state. A handler whose response may be cached overrides Cache-Control.
func (h hsts) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		if h.applies(r) {
			header.Set("Strict-Transport-Security", strictTransport)
		}
		next.ServeHTTP(w, r)
	})
}
