package api

import (
	"net/http"

	"github.com/fieldgate/fieldgate/api/request"
)

const requestIDHeader = "X-Request-Id" // as net/http spells X-Request-ID

// identify gives the request its id, the address and the page that it came from. It runs first, so
// that whatever follows can name the request.
func (e *edge) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !request.ValidID(id) {
			id = request.NewID()
		}
		w.Header().Set(requestIDHeader, id)
		facts := &request.Facts{ID: id, Addr: e.proxies.client(r), Origin: originOf(r)}
		next.ServeHTTP(w, r.WithContext(request.With(r.Context(), facts)))
	})
}
