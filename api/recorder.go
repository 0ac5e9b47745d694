package api

import (
	"bufio"
	"net"
	"net/http"
)

// recorder records the status and size of a response for the access log. While the
// status is 0, another response can still be sent.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Status returns the status that was sent. It is 101 if the connection was hijacked, and 0 if
// nothing was sent yet.
func (w *recorder) Status() int { return w.status }

// WriteHeader records the first final status. Interim statuses, such as 103, are only forwarded.
func (w *recorder) WriteHeader(status int) {
	final := status >= http.StatusOK || status == http.StatusSwitchingProtocols
	if w.status == 0 && final {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(data)
	w.bytes += int64(n)
	return n, err
}

// Flush sends the data written so far, if the connection supports it.
func (w *recorder) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack takes over the connection, for WebSockets.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap returns the wrapped writer. http.ResponseController uses it to set deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
