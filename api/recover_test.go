package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestRecover_PanicIs500AndStackIsOnlyLogged(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, func(http.ResponseWriter, *http.Request) { panic("the secret is 42") })
	w := httptest.NewRecorder()

	te.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things", nil))

	document := requireProblem(t, w.Result(), fieldgate.CodeInternal)
	require.Equal(t, "The gateway failed to process the request. Report its requestId to the operator.", document.Detail)
	require.Contains(t, te.log.String(), "the secret is 42")
	require.Contains(t, te.log.String(), "recover_test.go", "the stack")
	require.Contains(t, te.log.String(), `"level":"ERROR"`)
}

func TestRecover_PanicAfterResponseStartedBreaksConnection(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half an"))
		panic("too late")
	})
	w := httptest.NewRecorder()

	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		te.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things", nil))
	})
	require.Equal(t, "half an", w.Body.String(), "no problem document is added to it")
	require.Contains(t, te.log.String(), "too late")
}

func TestRecover_ErrAbortHandlerBreaksConnection(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		te.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/things", nil))
	})
	require.Contains(t, te.log.String(), `"operation":"listThings"`, "it must still be logged")
}
