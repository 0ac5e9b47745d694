package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestHandshake_TokenNeedsSubprotocolBesideIt(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)

	document := d.requireRefused(t, fieldgate.CodeValidationFailed, deviceSocket, "Sec-WebSocket-Protocol: bearer."+goodToken)

	require.Equal(t, "/header/Sec-WebSocket-Protocol", document.Errors[0].Pointer)
}

func TestHandshake_WithBodyIsRefused(t *testing.T) {
	t.Parallel()
	d := newSocketEdge(t)
	for _, length := range []int64{-1, 4} {
		r := httptest.NewRequest(http.MethodGet, deviceSocket, strings.NewReader("body"))
		r.ContentLength = length
		setHeaders(r, []string{authLine})
		w := httptest.NewRecorder()

		d.handler.ServeHTTP(w, r)

		requireProblem(t, w.Result(), fieldgate.CodeValidationFailed)
	}
}
