package fleet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldgate/fieldgate/cmd/fieldgate-load/report"
)

// dialTimeout limits the time to connect to one instance, before the next is tried.
const dialTimeout = 5 * time.Second

var errNoTarget = errors.New("no instance is behind the balancer")

// network connects a fleet to the instances as a balancer does: to the one with the fewest
// connections of this process, and to the next one if that accepts none.
type network struct {
	sources []net.IP // addresses of this machine to connect from; empty for that of the system
	read    atomic.Int64
	written atomic.Int64

	mu      sync.Mutex
	targets []*target
}

// target is an instance of the gateway.
type target struct {
	addr string
	open int // number of open connections, guarded by network.mu
}

// newNetwork returns a network without targets. sources is a network of this machine, or empty.
func newNetwork(sources string) *network {
	n := new(network)
	prefix, err := netip.ParsePrefix(sources)
	if err != nil {
		return n
	}
	// The first and the last address of a network are not those of a host.
	for addr := prefix.Addr().Next(); prefix.Contains(addr.Next()); addr = addr.Next() {
		n.sources = append(n.sources, addr.AsSlice())
	}
	return n
}

// setTargets replaces the instances. Connections to the others stay open.
func (n *network) setTargets(addrs []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	targets := make([]*target, len(addrs))
	for i, addr := range addrs {
		targets[i] = &target{addr: addr}
		for _, known := range n.targets {
			if known.addr == addr {
				targets[i] = known
			}
		}
	}
	n.targets = targets
}

// dial returns a function that connects from the source with a number.
func (n *network) dial(source int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if len(n.sources) > 0 {
		dialer.LocalAddr = &net.TCPAddr{IP: n.sources[source%len(n.sources)]}
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		err := errNoTarget
		for _, to := range n.choose() {
			var conn net.Conn
			if conn, err = dialer.DialContext(ctx, network, to.addr); err == nil {
				n.count(to, +1)
				return &countedConn{Conn: conn, network: n, target: to}, nil
			}
			if ctx.Err() != nil {
				break
			}
		}
		return nil, err
	}
}

// choose returns the targets, the one with the fewest connections first.
func (n *network) choose() []*target {
	n.mu.Lock()
	defer n.mu.Unlock()
	sorted := slices.Clone(n.targets)
	slices.SortStableFunc(sorted, func(a, b *target) int { return a.open - b.open })
	return sorted
}

func (n *network) count(to *target, change int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to.open += change
}

// take returns the bytes since the last call.
func (n *network) take() report.Network {
	return report.Network{FromGateway: n.read.Swap(0), ToGateway: n.written.Swap(0)}
}

// countedConn is a connection whose bytes are counted.
type countedConn struct {
	net.Conn
	network *network
	target  *target
	closed  atomic.Bool
}

func (c *countedConn) Read(p []byte) (int, error) {
	read, err := c.Conn.Read(p)
	c.network.read.Add(int64(read))
	return read, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	written, err := c.Conn.Write(p)
	c.network.written.Add(int64(written))
	return written, err
}

// Close closes the connection, and counts it as closed the first time.
func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.network.count(c.target, -1)
	}
	return c.Conn.Close()
}
