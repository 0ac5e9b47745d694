package fieldgate

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"sync/atomic"
)

// minCompressed is the size in bytes above which a body is compressed. Below it, compression
// saves little.
const minCompressed = 4 << 10

// encoding remembers whether the gateway accepts compressed bodies. The zero value does not
// compress: older gateways refuse compressed bodies.
type encoding struct{ gzip atomic.Bool }

// learn updates the encoding from a response. A gateway announces the encoding in the header
// Accept-Encoding (RFC 9110, section 12.5.3). A compressed body is not sent again to a server
// that refuses it, or to a proxy that refuses it for a reason of its own.
func (e *encoding) learn(req *http.Request, resp *http.Response) {
	switch {
	case resp.Header.Get("Accept-Encoding") == "gzip":
		e.gzip.Store(true)
	case !isCompressed(req):
	case resp.StatusCode == http.StatusUnsupportedMediaType, resp.StatusCode >= 300 && mediaType(resp) != problemType:
		e.gzip.Store(false)
	}
}

// compress returns the text of a body compressed, or text itself if it is small or the gateway
// does not accept compressed bodies.
func (e *encoding) compress(text []byte) (body []byte, compressed bool) {
	if len(text) <= minCompressed || !e.gzip.Load() {
		return text, false
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		return text, false
	}
	if w.Close() != nil || out.Len() >= len(text) {
		return text, false
	}
	return out.Bytes(), true
}

func isCompressed(req *http.Request) bool { return req.Header.Get("Content-Encoding") != "" }

// setBody sets the body of an operation, compressed if that helps.
func (e *encoding) setBody(req *http.Request, text []byte) {
	body, compressed := e.compress(text)
	if compressed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	req.Header.Set("Content-Type", jsonType)
}
