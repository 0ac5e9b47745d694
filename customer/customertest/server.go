// Package customertest holds what tests of customer authentication share: an
// issuer behind a socket, and a collection of forged tokens.
package customertest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/fieldgate/fieldgate/customer/issuer"
)

// Issuer is an issuer that listens, counts the requests it gets, and can be
// made to answer wrongly.
type Issuer struct {
	*issuer.Issuer
	requests atomic.Int64
	answer   atomic.Pointer[http.Handler]
}

// NewIssuer starts an issuer that stops with the test.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	inner, err := issuer.New("http://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatalf("making the issuer: %v", err)
	}
	i := &Issuer{Issuer: inner}
	i.Restore()
	server.Config.Handler = i
	server.Start()
	t.Cleanup(server.Close)
	return i
}

// ServeHTTP counts the request and answers it.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.requests.Add(1)
	(*i.answer.Load()).ServeHTTP(w, r)
}

// Requests tells how many requests arrived so far.
func (i *Issuer) Requests() int { return int(i.requests.Load()) }

// Answer makes the issuer answer every request so.
func (i *Issuer) Answer(answer http.HandlerFunc) {
	handler := http.Handler(answer)
	i.answer.Store(&handler)
}

// Restore makes the issuer answer as it should again.
func (i *Issuer) Restore() { i.Answer(i.Handler().ServeHTTP) }

// Outsider is a server that nobody has a reason to call: the address to put
// into forged tokens.
type Outsider struct {
	URL      string
	requests atomic.Int64
}

// NewOutsider starts an outsider that stops with the test.
func NewOutsider(t testing.TB) *Outsider {
	t.Helper()
	o := &Outsider{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o.requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	o.URL = server.URL
	return o
}

// Requests tells how many requests arrived; any is a fault.
func (o *Outsider) Requests() int { return int(o.requests.Load()) }
