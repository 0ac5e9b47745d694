// Package customertest provides helpers for tests of user authentication: an issuer
// with an HTTP server, and a collection of forged tokens.
package customertest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/fieldgate/fieldgate/customer/issuer"
)

// Issuer is an issuer with an HTTP server. It counts requests, and tests can replace
// its responses.
type Issuer struct {
	*issuer.Issuer
	requests atomic.Int64
	handler  atomic.Pointer[http.Handler]
}

// NewIssuer starts an issuer that is stopped when the test ends.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	inner, err := issuer.New("http://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatalf("creating the issuer: %v", err)
	}
	i := &Issuer{Issuer: inner}
	i.Restore()
	server.Config.Handler = i
	server.Start()
	t.Cleanup(server.Close)
	return i
}

// ServeHTTP counts the request and responds to it.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.requests.Add(1)
	(*i.handler.Load()).ServeHTTP(w, r)
}

// Requests returns the number of requests so far.
func (i *Issuer) Requests() int { return int(i.requests.Load()) }

// Respond makes the issuer respond to every request with the given handler.
func (i *Issuer) Respond(f http.HandlerFunc) {
	handler := http.Handler(f)
	i.handler.Store(&handler)
}

// Restore makes the issuer respond normally again.
func (i *Issuer) Restore() { i.Respond(i.Handler().ServeHTTP) }

// UntrustedServer is an HTTP server that no verifier may call. Forged tokens contain its
// URL.
type UntrustedServer struct {
	URL      string
	requests atomic.Int64
}

// NewUntrustedServer starts a server that is stopped when the test ends.
func NewUntrustedServer(t testing.TB) *UntrustedServer {
	t.Helper()
	s := &UntrustedServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Requests returns the number of requests so far. It must be zero.
func (s *UntrustedServer) Requests() int { return int(s.requests.Load()) }
