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

// serve gives a gateway that is played by the handler. It has a transport of its own, for
// a server that closes also closes what it can of http.DefaultTransport.
func serve(t *testing.T, handler http.HandlerFunc, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	own := fieldgate.WithTransport(server.Client().Transport)
	return connect(t, server.URL, append([]fieldgate.Option{own}, options...)...)
}

func connect(t *testing.T, baseURL string, options ...fieldgate.Option) *fieldgate.Gateway {
	t.Helper()
	gateway, err := fieldgate.New(baseURL, options...)
	require.NoError(t, err)
	return gateway
}

// answer writes JSON as the gateway does.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-ID", requestID)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// refuse writes a problem document as the gateway does.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "/docs/errors/" + code, "title": "Refused", "status": status,
		"code": code, "requestId": requestID,
	})
}

// transport plays the gateway without a network, so that a test can own the clock.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

// play makes a transport of a handler.
func play(handler http.HandlerFunc) transport {
	return func(req *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, req)
		resp := recorder.Result()
		resp.Request = req
		return resp, nil
	}
}

// fleet plays the logins of a gateway: each login gives another token, and only the
// newest one is good.
type fleet struct {
	mu        sync.Mutex
	logins    int
	good      string
	expiresIn int                       // seconds
	login     func(http.ResponseWriter) // instead of letting the device in
	work      http.HandlerFunc          // what a call with a good token gets
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/device/auth":
		f.letIn(w)
	case r.Header.Get("Authorization") != "Bearer "+f.token():
		refuse(w, http.StatusUnauthorized, fieldgate.CodeUnauthorized)
	case f.work != nil:
		f.work(w, r)
	default:
		answer(w, http.StatusOK, fieldgate.HeartbeatReply{NextHeartbeatMs: 30_000})
	}
}

func (f *fleet) letIn(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	if f.login != nil {
		f.login(w)
		return
	}
	f.good = fmt.Sprintf("token-%d", f.logins)
	answer(w, http.StatusOK, fieldgate.DeviceLogin{Token: f.good, ExpiresInSeconds: f.expiresIn, DeviceID: deviceID})
}

func (f *fleet) token() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.good
}

// revoke ends the login without telling the device.
func (f *fleet) revoke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.good = "none is good"
}

// shut answers logins from now on with a refusal.
func (f *fleet) shut(status int, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.login = func(w http.ResponseWriter) { refuse(w, status, code) }
}

func (f *fleet) loginCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

func bodyOf(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

// ok is a heartbeat of a device that is well.
var ok = fieldgate.HeartbeatRequest{Status: fieldgate.HeartbeatStatusOk}
