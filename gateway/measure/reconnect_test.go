package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// measuringReconnect is the environment variable that selects the size: "full" in
// `make bench-reconnect`.
const measuringReconnect = "FIELDGATE_MEASURE_RECONNECT"

// reconnect is the size of the measurement of a killed instance.
type reconnect struct {
	extent
	sockets int           // number of sockets of devices, on both instances together
	tenants int           // number of tenants to which the devices belong
	watched time.Duration // time for which another tenant is watched after the kill
	back    time.Duration // limit: time until all sockets are open again
	p99     time.Duration // limit: 99th percentile of the other tenant's response times; zero means none
}

var (
	reconnectSmall = reconnect{sockets: 60, tenants: 2, watched: time.Second, back: 30 * time.Second}
	reconnectFull  = reconnect{
		extent: extent{document: full.document}, sockets: 3_000, tenants: 3, watched: 10 * time.Second, back: 10 * time.Second, p99: 250 * time.Millisecond,
	}
)

// TestMeasureReconnect kills one of two instances (SIGKILL), whose devices then reconnect to the other.
// It measures the time until all sockets are open again, and the response times of another tenant at
// the instance that is left.
func TestMeasureReconnect(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	size := reconnectSmall
	if os.Getenv(measuringReconnect) == "full" {
		size = reconnectFull
	}
	prepared := newSite(t)
	killed, left := prepared.limited(t), prepared.limited(t)
	fleet := startSockets(t, prepared, size, killed, left)
	calm := watch(t, prepared, left, size.watched)

	n := startNeighbour(t, prepared, left, 0)
	before, began := cpuTime(t, left.pid), time.Now()
	require.NoError(t, syscall.Kill(killed.pid, syscall.SIGKILL))
	lost := size.sockets - fleet.await(t, func(open int) bool { return open < size.sockets })
	fleet.await(t, func(open int) bool { return open == size.sockets })
	back, used := time.Since(began), cpuTime(t, left.pid)-before
	time.Sleep(max(size.watched-back, 0))
	storm := n.stop(t)
	t.Logf("%d sockets, %d seen lost at first, all back after %v, with %v of processor time", size.sockets, lost, back, used)

	table := newTable(append([]string{"", "all sockets back after"}, columnsOfExperience...)...)
	table.row(append([]string{"before", ""}, calm.cells()...)...)
	table.row(append([]string{fmt.Sprintf("one of two instances is killed with %s sockets", thousands(size.sockets)), fmt.Sprintf("%.1f s", back.Seconds())}, storm.cells()...)...)
	publish(t, size.extent, "reconnect", table)
	if back > size.back {
		t.Errorf("all sockets are open again after %v, the limit is %v", back, size.back)
	}
	if size.p99 > 0 && storm.p99 > size.p99 {
		t.Errorf("the p99 of another tenant is %v, the limit is %v", storm.p99, size.p99)
	}
}

// watch returns what another tenant experiences at an instance.
func watch(t *testing.T, prepared, at *site, during time.Duration) experience {
	n := startNeighbour(t, prepared, at, 0)
	time.Sleep(during)
	return n.stop(t)
}

// sockets are the devices of a fleet, in a process of its own.
type sockets struct {
	File  string   // has the tokens of the devices, one a line
	Hosts []string // addresses of the instances; a device connects to the next one that accepts it

	open atomic.Int64
	next atomic.Uint64
}

// fleetOfSockets is the process with a fleet.
type fleetOfSockets struct{ url string }

// startSockets registers the devices, starts the process, and waits until every device has a socket.
func startSockets(t *testing.T, prepared *site, size reconnect, at ...*site) fleetOfSockets {
	t.Helper()
	f := &sockets{File: storetest.WriteFile(t, t.TempDir(), "tokens", []byte(strings.Join(deviceTokens(t, prepared, size), "\n")))}
	for _, s := range at {
		f.Hosts = append(f.Hosts, strings.TrimPrefix(s.child.URL, "http://"))
	}
	fleet := fleetOfSockets{start(t, "sockets", settings{Fleet: f}).URL}
	fleet.await(t, func(open int) bool { return open == size.sockets })
	return fleet
}

// deviceTokens registers devices and returns a login token of each.
func deviceTokens(t *testing.T, prepared *site, size reconnect) []string {
	t.Helper()
	const workers = 8
	tokens := make([]string, size.sockets)
	tenants := make([]string, size.tenants)
	for i := range tenants {
		tenants[i] = gatewaytest.NewTenantID()
	}
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < len(tokens); i += workers {
				admin := prepared.User(tenants[i%len(tenants)], "alice", "admin")
				tokens[i] = prepared.Login(t, prepared.NewDevice(t, admin))
			}
		})
	}
	all.Wait()
	return tokens
}

// await waits until the number of open sockets satisfies a condition, and returns it.
func (f fleetOfSockets) await(t *testing.T, enough func(open int) bool) (open int) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Get(f.url)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return json.NewDecoder(response.Body).Decode(&open) == nil && enough(open)
	}, 2*time.Minute, 20*time.Millisecond, "%d sockets are open", open)
	return open
}

// serve connects all devices, prints the address at which it serves the number of open sockets, and
// runs until ctx ends.
func (f *sockets) serve(ctx context.Context) error {
	content, err := os.ReadFile(f.File)
	if err != nil {
		return err
	}
	for _, token := range strings.Split(string(content), "\n") {
		if err := f.connect(ctx, token); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond) // the first handshakes are not measured
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, fmt.Sprint(f.open.Load())) }))
	return nil
}

// connect keeps a socket of a device, which claims once after each connect, as the agent does.
func (f *sockets) connect(ctx context.Context, token string) error {
	g, err := client.New("http://gateway", client.WithTransport(&http.Transport{DialContext: f.dial}))
	if err != nil {
		return err
	}
	device := g.DeviceWithToken(func(context.Context) (string, error) { return token, nil })
	var socket atomic.Pointer[client.DeviceSocket]
	connected := false // used by the callbacks, which run one at a time
	socket.Store(device.Connect(ctx, client.DeviceSocketConfig{
		OnState: func(s client.SocketState) {
			if s.Connected != connected {
				connected = s.Connected
				f.open.Add(map[bool]int64{true: 1, false: -1}[connected])
			}
		},
		OnCommands: func(int) {
			if s := socket.Load(); s != nil {
				_, _ = s.Claim(ctx, client.ClaimRequest{Limit: 1})
			}
		},
	}))
	return nil
}

// dial connects to the instances in turn, as a balancer does that tries the next one.
func (f *sockets) dial(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	first := int(f.next.Add(1))
	for i := range f.Hosts {
		if conn, err = new(net.Dialer).DialContext(ctx, network, f.Hosts[(first+i)%len(f.Hosts)]); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
