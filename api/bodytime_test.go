package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate"
)

// serveSlowBodies serves an edge whose bodies need 4 KiB a second after half a second, and
// returns its address.
func serveSlowBodies(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	te := newTestEdge(t, handler, func(config *Config) {
		config.BodyTimes = BodyTimes{Timeout: 500 * time.Millisecond, MinRate: 4 << 10, Response: time.Second}
	})
	server := httptest.NewUnstartedServer(te.handler)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, time.Second
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// dripBody sends a body of the given size: a first part at once, then a piece in each interval. It
// returns the response.
func dripBody(t *testing.T, addr string, size, first, piece int, interval time.Duration) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /things HTTP/1.1\r\nHost: gateway\r\n%s\r\nContent-Length: %d\r\n\r\n", jsonLine, size)
	require.NoError(t, err)
	go func() {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		text := `{"size":7` + strings.Repeat(" ", size-10) + `}`
		for next := first; text != ""; next = piece {
			next = min(next, len(text))
			if _, err := io.WriteString(conn, text[:next]); err != nil {
				return
			}
			text = text[next:]
			<-ticks.C
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return response
}

func TestBodyTimes_SlowBodyWithProgressIsAccepted(t *testing.T) {
	t.Parallel()
	addr := serveSlowBodies(t, echo)
	start := time.Now()

	response := dripBody(t, addr, 16<<10, 512, 512, 60*time.Millisecond)

	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Greater(t, time.Since(start), 1500*time.Millisecond, "the timeouts of the server were not exceeded")
}

func TestBodyTimes_TooSlowBodyIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size, first, piece int
		interval           time.Duration
	}{
		"a byte at a time":             {1 << 10, 0, 1, 50 * time.Millisecond},
		"below the rate":               {64 << 10, 0, 100, 50 * time.Millisecond},
		"fast, then a byte at a time":  {64 << 10, 60 << 10, 1, 50 * time.Millisecond},
		"nothing after half":           {32 << 10, 0, 16 << 10, time.Hour},
		"nothing after the first byte": {32 << 10, 0, 1, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serveSlowBodies(t, echo)
			start := time.Now()

			response := dripBody(t, addr, c.size, max(c.first, c.piece), c.piece, c.interval)

			requireProblem(t, response, fieldgate.CodeRequestTimeout)
			require.True(t, response.Close, "the rest of the body must not be read as a request")
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
}

// TestBodyTimes_NoDeadlineAfterBody covers a handler that works for longer than the time of a
// body. A deadline that is set after the body has ended would end its context.
func TestBodyTimes_NoDeadlineAfterBody(t *testing.T) {
	t.Parallel()
	addr := serveSlowBodies(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		case <-time.After(700 * time.Millisecond):
			w.WriteHeader(http.StatusOK)
		}
	})

	response := dripBody(t, addr, chunk, 4<<10, 4<<10, 40*time.Millisecond)

	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestTimedBody_PauseOfGatewayIsNotCharged(t *testing.T) {
	t.Parallel()
	times := BodyTimes{Timeout: time.Second, MinRate: 1 << 10}.withDefaults()
	b := newTimedBody(httptest.NewRecorder(), strings.NewReader("{}"), times)
	due := b.due

	b.pause(time.Minute)

	require.Equal(t, due.Add(time.Minute), b.due)
}
