package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/apitest"
	"github.com/fieldgate/fieldgate/api/problem"
	"github.com/fieldgate/fieldgate/api/request"
)

// echoSocket returns a handler that opens a WebSocket and sends back one message. It
// takes the request from the context, as strict handlers do.
func echoSocket(t *testing.T) http.HandlerFunc {
	upgrader := websocket.Upgrader{
		Subprotocols: []string{"fieldgate.v1"},
		CheckOrigin:  func(*http.Request) bool { return true }, // the edge has already checked the origin
	}
	return func(w http.ResponseWriter, r *http.Request) {
		// The upgrader does not send the headers that were set on w.
		header := http.Header{"X-Request-Id": {request.ID(r.Context())}}
		conn, err := upgrader.Upgrade(w, request.HTTP(r.Context()), header)
		if err != nil {
			t.Error(err)
			return
		}
		problem.Write(w, r, http.ErrHandlerTimeout) // the response has started, so this error must only be logged
		go func() {
			defer conn.Close()
			kind, message, err := conn.ReadMessage()
			if err == nil {
				err = conn.WriteMessage(kind, message)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
}

func TestSocket_OpensThroughAllMiddlewares(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, echoSocket(t))
	served := &doneHandler{Handler: te.handler, done: make(chan struct{})}
	server := httptest.NewServer(served)
	t.Cleanup(server.Close)
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/socket"
	dialer := websocket.Dialer{Subprotocols: []string{"fieldgate.v1"}}

	conn, response, err := dialer.Dial(url, http.Header{"Authorization": {"Bearer " + goodToken}, "X-Request-Id": {"socket-1"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, message, err := conn.ReadMessage()

	require.NoError(t, err)
	require.Equal(t, "hello", string(message))
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Equal(t, "fieldgate.v1", conn.Subprotocol())
	<-served.done
	require.Contains(t, te.log.String(), `"status":101`)
	require.Contains(t, te.log.String(), `"principal":"device:dev_1"`)
}

// doneHandler closes done when its first request was served.
type doneHandler struct {
	http.Handler
	once sync.Once
	done chan struct{}
}

func (c *doneHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Handler.ServeHTTP(w, r)
	c.once.Do(func() { close(c.done) })
}

func TestSocket_WithoutCredentialsIsRefusedBeforeUpgrade(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newTestEdge(t, echoSocket(t)).handler)
	t.Cleanup(server.Close)

	_, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/socket", nil)

	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.Equal(t, problem.ContentType, response.Header.Get("Content-Type"))
}

func TestSocket_OpensThroughTestTransport(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, echoSocket(t))
	server := httptest.NewServer(te.handler)
	t.Cleanup(server.Close)
	r, err := http.NewRequest(http.MethodGet, server.URL+"/socket", nil)
	require.NoError(t, err)
	setHeaders(r, []string{
		authLine, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	})

	response, err := apitest.Transport(t, te.spec).RoundTrip(r)

	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	_, err = response.Body.(interface{ Write([]byte) (int, error) }).Write([]byte{0x81, 0x80, 0, 0, 0, 0}) // an empty text frame
	require.NoError(t, err)
}

func TestRecorder_HandlersCanFlushAndSetDeadlines(t *testing.T) {
	t.Parallel()
	flushed := make(chan struct{})
	te := newTestEdge(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("first"))
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		<-flushed
	})
	server := httptest.NewServer(te.handler)
	t.Cleanup(server.Close)

	response, err := http.Get(server.URL + "/things")
	require.NoError(t, err)
	defer response.Body.Close()
	first := make([]byte, 5)
	_, err = response.Body.Read(first)

	require.NoError(t, err)
	require.Equal(t, "first", string(first), "it must arrive before the handler returns")
	close(flushed)
}

func TestRecorder_RecordsFinalStatus(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		answer func(*recorder)
		status int
		bytes  int64
	}{
		"nothing":           {func(*recorder) {}, 0, 0},
		"a body alone":      {func(w *recorder) { _, _ = w.Write([]byte("abc")) }, 200, 3},
		"a flush alone":     {func(w *recorder) { w.Flush() }, 200, 0},
		"early hints first": {func(w *recorder) { w.WriteHeader(103); w.WriteHeader(201) }, 201, 0},
		"a second status":   {func(w *recorder) { w.WriteHeader(404); w.WriteHeader(500) }, 404, 0},
		"no connection to hijack": {func(w *recorder) {
			_, _, err := w.Hijack()
			require.ErrorIs(t, err, http.ErrNotSupported)
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &recorder{ResponseWriter: httptest.NewRecorder()}

			c.answer(w)

			require.Equal(t, c.status, w.Status())
			require.Equal(t, c.bytes, w.bytes)
		})
	}
}
