package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/api/request"
)

func TestRequestID_KeptOnlyIfValid(t *testing.T) {
	t.Parallel()

	for id, kept := range map[string]bool{
		"a":                      true,
		"A-z_0.9":                true,
		strings.Repeat("x", 128): true,
		"":                       false,
		strings.Repeat("x", 129): false,
		"a b":                    false,
		"a\r\nSet-Cookie: x=1":   false,
		"a\nlevel=ERROR":         false,
		"a\x00":                  false,
		"a\tb":                   false,
		`"},{"forged":"yes`:      false,
		"<script>":               false,
		"../../etc":              false,
		"${jndi:ldap://x}":       false,
		"é":                      false,
		"a,b":                    false,
		"a%0d%0ab":               false,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			var inContext string
			te := newTestEdge(t, func(w http.ResponseWriter, r *http.Request) {
				inContext = request.ID(r.Context())
				noContent(w, r)
			})
			r := httptest.NewRequest(http.MethodGet, "/things", nil)
			r.Header.Set("X-Request-ID", id)
			w := httptest.NewRecorder()

			te.handler.ServeHTTP(w, r)

			answered := w.Header().Get("X-Request-ID")
			require.Equal(t, kept, answered == id)
			require.True(t, request.ValidID(answered))
			require.Equal(t, answered, inContext)
			require.Contains(t, te.log.String(), `"requestId":"`+answered+`"`)
		})
	}
}

func TestRequestID_FirstOfTwoCounts(t *testing.T) {
	t.Parallel()

	response := newTestEdge(t, echo).ask(t, http.MethodGet, "/things", "", "X-Request-ID: one", "X-Request-ID: two")

	require.Equal(t, []string{"one"}, response.Header.Values("X-Request-ID"))
}
