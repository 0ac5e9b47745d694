package fieldgate_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// An encodingServer accepts results and records the content codings of their bodies.
type encodingServer struct {
	accepts atomic.Bool // whether the server accepts and announces gzip
	proxy   atomic.Bool // whether a proxy refuses compressed bodies with a page
	codings chan string
	outputs chan string
}

func newEncodingServer() *encodingServer {
	return &encodingServer{codings: make(chan string, 8), outputs: make(chan string, 16)}
}

func (s *encodingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.accepts.Load() {
		w.Header().Set("Accept-Encoding", "gzip")
	}
	if strings.HasSuffix(r.URL.Path, "/auth") {
		writeJSON(w, http.StatusOK, fieldgate.DeviceLogin{Token: "token", ExpiresInSeconds: 3600})
		return
	}
	coding := r.Header.Get("Content-Encoding")
	s.codings <- coding
	body := io.Reader(r.Body)
	switch {
	case coding != "" && s.proxy.Load():
		w.Header().Del("Accept-Encoding")
		w.WriteHeader(http.StatusForbidden)
		return
	case coding != "" && !s.accepts.Load():
		writeProblem(w, http.StatusUnsupportedMediaType, fieldgate.CodeUnsupportedMediaType)
		return
	case coding != "":
		body, _ = gzip.NewReader(r.Body)
	}
	var result fieldgate.ResultRequest
	_ = json.NewDecoder(body).Decode(&result)
	s.outputs <- result.Output
	writeJSON(w, http.StatusOK, fieldgate.RecordedResult{CommandID: commandID})
}

func TestEncoding_LargeBodyIsCompressedIfAnnounced(t *testing.T) {
	t.Parallel()
	server := newEncodingServer()
	device := serve(t, server.ServeHTTP).Device(deviceID, deviceSecret)
	large := strings.Repeat("line of a log\n", 1000)
	submit := func(output string) (coding string) {
		_, err := device.SubmitResult(t.Context(), commandID, fieldgate.ResultRequest{Output: output})
		require.NoError(t, err)
		require.Equal(t, output, <-server.outputs)
		return <-server.codings
	}

	require.Empty(t, submit(large), "an older gateway")
	server.accepts.Store(true)
	require.Empty(t, submit("small"))
	require.Equal(t, "gzip", submit(large))
	require.Empty(t, submit("small"))
}

func TestEncoding_RefusedCompressionIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := newEncodingServer()
	server.accepts.Store(true)
	device := serve(t, server.ServeHTTP).Device(deviceID, deviceSecret)
	large := fieldgate.ResultRequest{Output: strings.Repeat("line of a log\n", 1000)}
	submit := func() error {
		_, err := device.SubmitResult(t.Context(), commandID, large)
		return err
	}
	_, err := device.Extend(t.Context(), commandID, fieldgate.ExtendRequest{}) // logs in
	require.NoError(t, err)
	require.Empty(t, <-server.codings)
	require.NoError(t, submit())
	require.Equal(t, "gzip", <-server.codings)

	server.accepts.Store(false) // another instance, with an older version
	require.NoError(t, submit())
	require.Equal(t, []string{"gzip", ""}, []string{<-server.codings, <-server.codings})
	require.NoError(t, submit())
	require.Empty(t, <-server.codings)

	server.accepts.Store(true)
	require.NoError(t, submit())
	require.Empty(t, <-server.codings)
	server.proxy.Store(true)
	require.Error(t, submit())
	require.Equal(t, "gzip", <-server.codings)
	require.NoError(t, submit())
	require.Empty(t, <-server.codings)
}
