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

// balancer sends requests to the gateways in turn. If a gateway accepts no connection,
// the balancer tries the next gateway. It validates every response against the contract.
type balancer struct {
	inner        http.RoundTripper
	unauthorized atomic.Int64 // number of responses with 401

	mu    sync.Mutex
	hosts []string
	turn  int
}

func newBalancer(t testing.TB) *balancer {
	return &balancer{inner: apitest.Transport(t, fieldgate.Spec)}
}

// add adds a gateway.
func (b *balancer) add(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts = append(b.hosts, host)
}

// remove removes a gateway.
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

var errNoGateway = errors.New("no gateway is behind the balancer")

// RoundTrip sends a request to one of the gateways.
func (b *balancer) RoundTrip(r *http.Request) (response *http.Response, err error) {
	for tried := 0; ; {
		host, all := b.next()
		if all == 0 {
			return nil, errNoGateway
		}
		response, err = b.send(host, r)
		if tried++; !isDialError(err) || tried >= all {
			break
		}
	}
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		b.unauthorized.Add(1)
	}
	return response, err
}

func (b *balancer) send(host string, r *http.Request) (*http.Response, error) {
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

// isDialError reports whether err means that no connection was made. In this case nothing
// was sent.
func isDialError(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// CloseIdleConnections closes the idle connections to the gateways. http.Client calls it.
func (b *balancer) CloseIdleConnections() {
	b.inner.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
