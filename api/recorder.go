package api

import (
	"bufio"
	"net"
	"net/http"
)

// recorder remembers what was answered, for the access log and for whoever must know
// whether it is too late to answer something else.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Status is the status that was sent, 101 if the connection was taken over, and 0
// while neither has happened.
func (w *recorder) Status() int { return w.status }

// WriteHeader notes the first final status. Interim ones, such as 103, pass.
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

// Flush sends what was written so far, where the connection can do that.
func (w *recorder) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack takes the connection over, for WebSockets.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController find deadlines and the like.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
