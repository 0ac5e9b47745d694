package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestAPanicIsA500AndItsStackGoesToTheLogOnly(t *testing.T) {
	t.Parallel()
	it := newThings(t, func(http.ResponseWriter, *http.Request) { panic("the secret is 42") })
	w := httptest.NewRecorder()

	it.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things", nil))

	document := requireProblem(t, w.Result(), fieldgate.CodeInternal)
	require.Equal(t, "Something went wrong on our side.", document.Detail)
	require.Contains(t, it.log.String(), "the secret is 42")
	require.Contains(t, it.log.String(), "recover_test.go", "the stack")
	require.Contains(t, it.log.String(), `"level":"ERROR"`)
}

func TestAPanicAfterTheAnswerWasBegunBreaksTheConnection(t *testing.T) {
	t.Parallel()
	it := newThings(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half an"))
		panic("too late")
	})
	w := httptest.NewRecorder()

	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		it.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things", nil))
	})
	require.Equal(t, "half an", w.Body.String(), "no problem document is added to it")
	require.Contains(t, it.log.String(), "too late")
}

func TestAHandlerMayBreakTheConnection(t *testing.T) {
	t.Parallel()
	it := newThings(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		it.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/things", nil))
	})
	require.Contains(t, it.log.String(), `"operation":"listThings"`, "it is logged all the same")
}
