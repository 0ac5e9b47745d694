package fieldgate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

const (
	deviceID     = "dev_7k01jd3q8zv6m4y2x9n5t0c8hbra"
	deviceSecret = "Vn3yC0w2mQe7rT5kLx9aJp4sDf8hGzB1uNq6iWoXcYE"
	sessionID    = "ses_7k01jd3qb5w8k2r6f0d4s7g1p3en"
	commandID    = "cmd_7k01jd3qc9a5h7v2j8w4e6b0t1xm"
	claimToken   = "t4Xn8qLz2vRb6mKc"
	requestID    = "01JD3QC9A5H7V2J8W4E6B0T1XM"
)

// serve starts a server with the handler, and returns a Gateway for its address. The Gateway
// has a separate transport: httptest.Server.Close closes the idle connections of
// http.DefaultTransport, which other tests use.
func serve(t *testing.T, handler http.HandlerFunc, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	own := fieldgate.WithTransport(server.Client().Transport)
	return newGateway(t, server.URL, append([]fieldgate.Option{own}, options...)...)
}

func newGateway(t *testing.T, baseURL string, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	gateway, err := fieldgate.New(baseURL, options...)
	require.NoError(t, err)
	return gateway
}

// writeJSON writes JSON as the gateway does.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-ID", requestID)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// writeProblem writes a problem document as the gateway does.
func writeProblem(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "/docs/errors/" + code, "title": "Refused", "status": status,
		"code": code, "requestId": requestID,
	})
}

// A roundTripper is a transport that uses no network, so that it works in a synctest bubble.
type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

// handlerTransport returns a transport that calls a handler.
func handlerTransport(handler http.HandlerFunc) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, req)
		resp := recorder.Result()
		resp.Request = req
		return resp, nil
	}
}

// A loginServer simulates a gateway that requires a login. Each login returns a new token. Only
// the newest token is valid.
type loginServer struct {
	mu        sync.Mutex
	logins    int
	valid     string
	expiresIn int                       // lifetime of tokens in seconds
	refuse    func(http.ResponseWriter) // if set, writes the response to each login request
	handler   http.HandlerFunc          // if set, serves requests that have a valid token
}

func (l *loginServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/device/auth":
		l.logIn(w)
	case r.Header.Get("Authorization") != "Bearer "+l.token():
		writeProblem(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
	case l.handler != nil:
		l.handler(w, r)
	default:
		writeJSON(w, http.StatusOK, fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000})
	}
}

func (l *loginServer) logIn(w http.ResponseWriter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logins++
	if l.refuse != nil {
		l.refuse(w)
		return
	}
	l.valid = fmt.Sprintf("token-%d", l.logins)
	writeJSON(w, http.StatusOK, fieldgate.DeviceLogin{Token: l.valid, ExpiresInSeconds: l.expiresIn, DeviceID: deviceID})
}

func (l *loginServer) token() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.valid
}

// revoke invalidates the newest token.
func (l *loginServer) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.valid = "revoked"
}

// refuseLogins makes the server refuse all further logins.
func (l *loginServer) refuseLogins(status int, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = func(w http.ResponseWriter) { writeProblem(w, status, code) }
}

// acceptLogins undoes refuseLogins.
func (l *loginServer) acceptLogins() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = nil
}

// count returns the number of logins, including refused ones.
func (l *loginServer) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logins
}

func readBody(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

// alive is the heartbeat of a healthy device.
var alive = fieldgate.HeartbeatRequest{Status: fieldgate.HeartbeatStatusOk}
