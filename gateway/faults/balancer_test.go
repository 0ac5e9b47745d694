package faults_test

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/api/apitest"
)

// balancer sends requests to the gateways by turns, and to the next one when one
// takes no connection. Every answer is held against the contract.
type balancer struct {
	inner        http.RoundTripper
	unauthorized atomic.Int64 // answers with 401

	mu    sync.Mutex
	hosts []string
	turn  int
}

func newBalancer(t testing.TB) *balancer {
	return &balancer{inner: apitest.Transport(t, fieldgate.Spec)}
}

// add puts a gateway behind the balancer.
func (b *balancer) add(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts = append(b.hosts, host)
}

// remove takes a gateway out.
func (b *balancer) remove(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, one := range b.hosts {
		if one == host {
			b.hosts = append(b.hosts[:i:i], b.hosts[i+1:]...)
			return
		}
	}
}

func (b *balancer) next() (host string, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.hosts) == 0 {
		return "", 0
	}
	b.turn++
	return b.hosts[b.turn%len(b.hosts)], len(b.hosts)
}

var errNobodyThere = errors.New("there is no gateway")

// RoundTrip sends a request.
func (b *balancer) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	for tried := 0; ; {
		host, all := b.next()
		if all == 0 {
			return nil, errNobodyThere
		}
		answer, err = b.to(host, r)
		if tried++; !refused(err) || tried >= all {
			break
		}
	}
	if err == nil && answer.StatusCode == http.StatusUnauthorized {
		b.unauthorized.Add(1)
	}
	return answer, err
}

func (b *balancer) to(host string, r *http.Request) (*http.Response, error) {
	copied := r.Clone(r.Context())
	copied.URL.Host = host
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		copied.Body = body
	}
	return b.inner.RoundTrip(copied)
}

// refused tells whether no connection was made, so that nothing was sent.
func refused(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// CloseIdleConnections is what http.Client asks for.
func (b *balancer) CloseIdleConnections() {
	b.inner.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
