package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

func TestBudget_LimitsHolderAndTotal(t *testing.T) {
	t.Parallel()
	b := newBudget(10, 6, 1)

	require.NoError(t, b.take("a", 6))
	require.ErrorIs(t, b.take("a", 1), errOverloaded)
	require.NoError(t, b.take("b", 4))
	require.ErrorIs(t, b.take("b", 1), errOverloaded)
	b.free("a", 6)
	require.NoError(t, b.take("b", 2))
	b.free("b", 6)
	require.Equal(t, int64(0), b.used)
	require.Empty(t, b.holders)
}

// TestBudget_LeavesSomethingToAnotherHolder lets four holders take as much as they get.
func TestBudget_LeavesSomethingToAnotherHolder(t *testing.T) {
	t.Parallel()
	b := newBudget(128<<20, 32<<20, 1)
	for _, greedy := range []string{"a", "b", "c", "d"} {
		for b.take(greedy, chunk) == nil {
		}
	}
	require.NoError(t, b.take("e", 1<<20))
}

// TestBudget_LargeBodiesTakeTurns lets a holder wait for its own request with a large body, and
// another holder for the body that is decoded.
func TestBudget_LargeBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBudget(1<<20, 1<<20, 1)
	b.wait = time.Millisecond
	shareOf := func(holder string, bytes int64) *share {
		s := &share{budget: b, holder: holder}
		require.NoError(t, s.take(bytes))
		return s
	}
	first := shareOf("a", chunk+1)
	decoded, err := first.awaitTurn(t.Context())
	require.NoError(t, err)
	small := shareOf("a", chunk)
	_, err = small.awaitTurn(t.Context())
	require.NoError(t, err, "a small body waits")

	second, other := shareOf("a", chunk+1), shareOf("b", chunk+1)
	_, err = other.awaitTurn(t.Context())
	require.ErrorIs(t, err, errOverloaded, "two large bodies are decoded at the same time")
	other.free()
	decoded()
	_, err = second.awaitTurn(t.Context())
	require.ErrorIs(t, err, errOverloaded, "two requests of the holder are served at the same time")
	first.free()
	_, err = second.awaitTurn(t.Context())
	require.NoError(t, err)
	second.free()
	small.free()
	require.Empty(t, b.holders)
}

// TestBudget_LargeBodyWaitsForRoom lets a large body begin while its holder uses more than half of
// its limit.
func TestBudget_LargeBodyWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1<<20, 8*chunk, 1)
		first, second := &share{budget: b, holder: "a"}, &share{budget: b, holder: "a"}
		require.NoError(t, first.take(5*chunk))
		require.NoError(t, second.grow(t.Context(), chunk), "a small body waits")
		require.ErrorIs(t, second.grow(t.Context(), 1), errOverloaded)
		second.free()

		third := &share{budget: b, holder: "a"}
		begun := time.Now()
		time.AfterFunc(b.wait/2, first.free)
		require.NoError(t, third.grow(t.Context(), chunk+1))
		require.Equal(t, b.wait/2, time.Since(begun))
	})
}

// TestBudget_LargeBodiesAreDelayed reads large bodies of a holder faster than its pace.
func TestBudget_LargeBodiesAreDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1<<30, 1<<30, 1)
		s := &share{budget: b, holder: "a"}
		begun := time.Now()

		require.NoError(t, s.grow(t.Context(), paceBurst+paceRate))
		require.Equal(t, time.Second, time.Since(begun))
		small := &share{budget: b, holder: "a"}
		require.NoError(t, small.grow(t.Context(), chunk))
		require.Equal(t, time.Second, time.Since(begun), "a small body is delayed")
	})
}

// TestBody_CountsAgainstBudgetUntilAnswered sends a request while another request of the same
// tenant holds the whole budget.
func TestBody_CountsAgainstBudgetUntilAnswered(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	te := newTestEdge(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-end
		noContent(w, r)
	}, func(c *Config) { c.Held = NewBudget(2400, 0) })
	server := httptest.NewServer(te.handler)
	t.Cleanup(server.Close)
	post := func() (*http.Response, error) {
		return http.Post(server.URL+"/things", "application/json", strings.NewReader(`{}`+strings.Repeat(" ", 600)))
	}
	first := make(chan *http.Response)
	go func() {
		response, err := post()
		if err == nil {
			response.Body.Close()
		}
		first <- response
	}()
	<-begun

	refused, err := post()
	require.NoError(t, err)
	document := requireProblem(t, refused, fieldgate.CodeOverloaded)
	require.Equal(t, http.StatusServiceUnavailable, document.Status)
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	close(end)
	require.Equal(t, http.StatusNoContent, (<-first).StatusCode)
}

func TestBody_EmptyChunkedBodyNeedsNoContentType(t *testing.T) {
	t.Parallel()
	te := newTestEdge(t, noContent)
	for body, status := range map[string]int{"": http.StatusNoContent, "{}": http.StatusUnsupportedMediaType} {
		r := httptest.NewRequest(http.MethodPost, "/things", strings.NewReader(body))
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		w := httptest.NewRecorder()

		te.handler.ServeHTTP(w, r)

		require.Equal(t, status, w.Code)
		require.Equal(t, "close", w.Header().Get("Connection"))
	}
}

func TestBody_NullIsNoDefault(t *testing.T) {
	t.Parallel()

	document := requireProblem(t, newTestEdge(t, noContent).put(t, `{"name":"abc","size":null}`), fieldgate.CodeValidationFailed)

	require.Equal(t, fieldError{"/size", "nullable", "must not be null"}, fieldErrorsOf(document)[0])
}

func TestRouter_NeedlessEscapesAreDecoded(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/%74hings": http.StatusNoContent, "/th%69ng%73": http.StatusNoContent, "/things%2Fabc": http.StatusNotFound, "/%2574hings": http.StatusNotFound,
	} {
		response := newTestEdge(t, noContent).ask(t, http.MethodGet, path, "")
		require.Equal(t, status, response.StatusCode, path)
	}
}

// TestContract_StatesLimitOfEachBody compares the stated limit of each body with the limit that
// follows from the schema. The stated limit must not be higher. It may be lower only for the
// operations listed here, with the reason.
func TestContract_StatesLimitOfEachBody(t *testing.T) {
	t.Parallel()
	lower := map[string]string{
		"setPolicy":       "a policy of that size would be slow, and nobody could read it",
		"registerPasskey": "text in base64url needs no escapes",
		"decideCommand":   "text in base64url needs no escapes",
		"breakGlass":      "text in base64url needs no escapes",
		"setRoster":       "text in base64url needs no escapes",
		"registerDevice":  "metadata of that size is no description of a device",
		"submitResult":    "text whose every character is escaped is not worth more memory",
	}
	document, err := load(fieldgate.Spec)
	require.NoError(t, err)
	operations, err := index(document, 64<<20)
	require.NoError(t, err)
	for _, op := range operations {
		if op.body == nil {
			continue
		}
		if reason, listed := lower[op.id]; listed {
			require.Less(t, op.body.limit, op.body.schema.Bounds.Bytes, "%s: remove the exception (%s)", op.id, reason)
			continue
		}
		require.Equal(t, op.body.schema.Bounds.Bytes, op.body.limit, "x-max-body-bytes of %s", op.id)
	}
}
