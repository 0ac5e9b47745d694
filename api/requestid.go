package api

import (
	"net/http"

	"github.com/fieldgate/fieldgate/api/request"
)

const requestIDHeader = "X-Request-Id" // as net/http spells X-Request-ID

// assignRequestID assigns an id to the request, and records the client's address and the page's
// origin. It runs first, so that all later steps can log the id.
func (e *edge) assignRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !request.ValidID(id) {
			id = request.NewID()
		}
		w.Header().Set(requestIDHeader, id)
		e.warnOfForwarded(r)
		info := &request.Info{ID: id, Addr: e.proxies.clientAddr(r), Origin: originOf(r)}
		next.ServeHTTP(w, r.WithContext(request.With(r.Context(), info)))
	})
}
