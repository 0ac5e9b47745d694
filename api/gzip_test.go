package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

const gzipLine = "Content-Encoding: gzip"

// packed returns text compressed with gzip.
func packed(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

func TestGzip_BodyIsDecompressed(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, echo)

	response := te.ask(t, http.MethodPut, "/things/abc", packed(t, `{"name":"abc"}`), jsonLine, "Content-Encoding: GZIP", authLine, requiredLine)

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.JSONEq(t, `{"name":"abc"}`, string(decode[received](t, response).Body))
}

func TestGzip_InvalidIsRefused(t *testing.T) {
	t.Parallel()
	whole := packed(t, `{"name":"abc"}`)
	for name, body := range map[string]string{
		"not compressed": `{"name":"abc"}`,
		"cut":            whole[:len(whole)-3],
		"two members":    whole + packed(t, ""),
		"trailing bytes": whole + "x",
		"wrong checksum": whole[:len(whole)-8] + "\x00\x00\x00\x00" + whole[len(whole)-4:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			response := newTestEdge(t, echo).ask(t, http.MethodPut, "/things/abc", body, jsonLine, gzipLine, authLine, requiredLine)

			require.Equal(t, []fieldError{{"", "encoding", "is not valid gzip"}},
				fieldErrorsOf(requireProblem(t, response, fieldgate.CodeValidationFailed)))
		})
	}
}

// TestGzip_LimitAppliesToDecompressedBody covers a body of a few bytes that decompresses to a
// thousand times as many.
func TestGzip_LimitAppliesToDecompressedBody(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{1024: http.StatusOK, 1025: http.StatusRequestEntityTooLarge, 8 << 20: http.StatusRequestEntityTooLarge} {
		te := newTestEdge(t, echo)

		response := te.ask(t, http.MethodPut, "/things/abc", packed(t, padded(length)), jsonLine, gzipLine, authLine, requiredLine)

		require.Equal(t, want, response.StatusCode)
	}
}

// TestGzip_DecompressedBytesCountTowardsBudget requires that the bytes that a body inflates to
// are held and paced, and not only the few that were sent.
func TestGzip_DecompressedBytesCountTowardsBudget(t *testing.T) {
	t.Parallel()
	large := []byte(packed(t, strings.Repeat(" ", 200<<10)))
	b := &body{limit: 1 << 20}

	full := &share{budget: newBudget(1<<20, 64<<10, 1), holder: "a"}
	_, err := b.inflate(t.Context(), large, full)
	require.Equal(t, fieldgate.CodeOverloaded, fieldgate.CodeOf(err))

	paced := &share{budget: newBudget(1<<20, 1<<20, 1), holder: "a"}
	paced.budget.pacer.charge("a", 1<<30)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.inflate(ctx, large, paced)
	require.ErrorIs(t, err, context.Canceled, "a holder beyond its pace waits")
}

func TestGzip_IsAnnounced(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, echo)

	accepted := te.ask(t, http.MethodPost, "/things", `{}`, jsonLine)
	refused := te.ask(t, http.MethodPut, "/things/abc", `{}`, jsonLine, "Content-Encoding: br", authLine, requiredLine)

	require.Equal(t, "gzip", accepted.Header.Get("Accept-Encoding"))
	require.Equal(t, http.StatusUnsupportedMediaType, refused.StatusCode)
	require.Equal(t, "gzip", refused.Header.Get("Accept-Encoding"))
	require.Empty(t, te.ask(t, http.MethodGet, "/things", "").Header.Get("Accept-Encoding"))
}
