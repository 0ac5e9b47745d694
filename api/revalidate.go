package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// maxTagged is the maximum size in bytes of a response with an entity tag. The response is held until
// its tag is known.
const maxTagged = 1 << 20

// revalidate lets a client keep the response to a read of a user, and ask whether it is still
// current: the response has an entity tag, and is 304 without a body if the client has it already.
// Browsers do so on their own. They may keep the response for the same credentials only, and must ask
// before each use.
func (e *edge) revalidate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := e.contract.operations[route{r.Method, r.Pattern}]
		if op == nil || r.Method != http.MethodGet || op.leastRole == "" || op.socket {
			next.ServeHTTP(w, r)
			return
		}
		tagged := &taggedWriter{ResponseWriter: w, known: r.Header.Get("If-None-Match")}
		next.ServeHTTP(tagged, r)
		tagged.close()
	})
}

// taggedWriter holds a response with status 200, and sends it with its entity tag when it is
// complete.
type taggedWriter struct {
	http.ResponseWriter
	known string // the header If-None-Match

	held   bytes.Buffer
	status int // status of the response, while it is held or after it was sent; zero before
	sent   bool
}

// WriteHeader holds the status 200 and sends all others. A refusal replaces a response that is held.
func (w *taggedWriter) WriteHeader(status int) {
	if w.sent || w.status == status {
		return
	}
	w.status = status
	if status != http.StatusOK {
		w.held.Reset()
		w.send()
	}
}

func (w *taggedWriter) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.sent && w.held.Len()+len(data) <= maxTagged {
		return w.held.Write(data)
	}
	w.send()
	return w.ResponseWriter.Write(data)
}

// send sends the status and what is held. It does nothing after the first call.
func (w *taggedWriter) send() {
	if w.sent {
		return
	}
	w.sent = true
	w.ResponseWriter.WriteHeader(w.status)
	if w.held.Len() > 0 {
		_, _ = w.ResponseWriter.Write(w.held.Bytes()) // this fails only if the client has closed the connection
	}
}

// close sends a response that is still held, or 304. It is not called after a panic, so that recoverPanic
// can respond.
func (w *taggedWriter) close() {
	if w.sent || w.status == 0 {
		return
	}
	etag, header := weakTag(w.held.Bytes()), w.Header()
	header.Set("ETag", etag)
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Authorization")
	if hasTag(w.known, etag) {
		header.Del("Content-Type")
		header.Del("Content-Length")
		w.held.Reset()
		w.status = http.StatusNotModified
	}
	w.send()
}

// Unwrap returns the wrapped writer. http.ResponseController uses it to set deadlines.
func (w *taggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// weakTag returns the entity tag of a response. It is weak, because it also stands for the compressed
// response (RFC 9110, section 8.8.3).
func weakTag(content []byte) string {
	sum := sha256.Sum256(content)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// hasTag reports whether the value of If-None-Match contains an entity tag. Weak and strong tags are
// compared alike (RFC 9110, section 13.1.2).
func hasTag(known, etag string) bool {
	for one := range strings.SplitSeq(known, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
