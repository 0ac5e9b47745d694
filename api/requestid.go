package api

import (
	"net/http"

	"github.com/fieldgate/fieldgate/api/request"
)

const requestIDHeader = "X-Request-Id" // as net/http spells X-Request-ID

// assignRequestID assigns an id to the request, and records the client's address, its span and the
// page's origin. It runs first, so that all later steps can log the id.
func (e *edge) assignRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !request.ValidID(id) {
			id = request.NewID()
		}
		w.Header().Set(requestIDHeader, id)
		e.warnOfForwarded(r)
		info := &request.Info{ID: id, Addr: e.proxies.clientAddr(r), Origin: originOf(r), Traceparent: traceparentOf(r), AmazonTraceID: amazonTraceIDOf(r)}
		next.ServeHTTP(w, r.WithContext(request.With(r.Context(), info)))
	})
}

const traceparentHeader = "Traceparent" // as net/http spells traceparent

// traceparentOf returns the span of the client, or "" if the request has none, or several.
func traceparentOf(r *http.Request) string {
	if values := r.Header[traceparentHeader]; len(values) == 1 {
		return request.Traceparent(values[0])
	}
	return ""
}

// maxAmazonTraceID is the maximum length of a logged X-Amzn-Trace-Id. Load balancers of AWS send
// about 100 characters.
const maxAmazonTraceID = 128

// amazonTraceIDOf returns the header by which the access log of a load balancer of AWS names the
// request, such as "Root=1-67891233-abcdef012345678912345678". A client may send any value, so the
// value is limited to printable ASCII. It returns "" for any other value.
func amazonTraceIDOf(r *http.Request) string {
	values := r.Header["X-Amzn-Trace-Id"]
	if len(values) != 1 || len(values[0]) > maxAmazonTraceID {
		return ""
	}
	for i := range len(values[0]) {
		if c := values[0][i]; c <= ' ' || c > '~' {
			return ""
		}
	}
	return values[0]
}
