package api

import "net/http"

// secure sets the headers of every response. It forbids caching, because responses contain
// secrets and current state. A handler whose response may be cached overrides Cache-Control.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
