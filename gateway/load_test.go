package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
)

// loadProcess, when set, makes the test binary the clients of another process that
// measures: what they cost must not be counted there, nor their descriptors.
const loadProcess = "FIELDGATE_TEST_LOAD"

// TestLoadProcess is no test: it is what the second process runs.
func TestLoadProcess(t *testing.T) {
	if os.Getenv(loadProcess) == "" {
		t.Skip("run by the tests that measure")
	}
	server := rpc.NewServer()
	require.NoError(t, server.Register(new(Load)))
	server.ServeConn(pipes{os.NewFile(3, "asked"), os.NewFile(4, "answered")})
}

// pipes are the two ways between the processes.
type pipes struct{ from, to *os.File }

func (p pipes) Read(b []byte) (int, error)  { return p.from.Read(b) }
func (p pipes) Write(b []byte) (int, error) { return p.to.Write(b) }
func (p pipes) Close() error                { _ = p.from.Close(); return p.to.Close() }

// startLoad starts the second process, which ends with the test.
func startLoad(t testing.TB) *rpc.Client {
	t.Helper()
	asked, ask, err := os.Pipe()
	require.NoError(t, err)
	answered, answer, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoadProcess$", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), loadProcess+"=yes")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{asked, answer}, os.Stderr
	require.NoError(t, cmd.Start())
	_, _ = asked.Close(), answer.Close()
	load := rpc.NewClient(pipes{answered, ask})
	t.Cleanup(func() {
		_ = load.Close()
		_ = cmd.Wait()
	})
	return load
}

// ask has the second process do something.
func ask[T any](t testing.TB, load *rpc.Client, method string, with any) (reply T) {
	t.Helper()
	require.NoError(t, load.Call("Load."+method, with, &reply))
	return reply
}

// Load is what the second process can do. Each request that it makes is called
// t-<nanoseconds>, the moment when it was due, and whatever arrives with such a name
// tells how long it took.
type Load struct {
	kept    []Target
	mu      sync.Mutex
	sockets []*websocket.Conn
	took    []time.Duration
	reading atomic.Int64
	polling atomic.Bool
}

// Target is a socket to open, or a device that claims.
type Target struct {
	URL, Token string
	Device     bool
	Subscribe  bool   // to the room of the customer
	Since      string // from where; empty: from now
	Claims     bool   // whatever it is told to be there
	Stalled    bool   // reads nothing
}

// Keep keeps targets for later, so that they need not be sent while it is measured.
func (l *Load) Keep(targets []Target, _ *struct{}) error {
	l.kept = targets
	return nil
}

// Opening are sockets to open, so many at a time.
type Opening struct {
	Targets  []Target
	Kept     bool // those that were kept
	Number   int  // by turns; zero: each of them once
	Parallel int
	Again    bool // close each as soon as it is open
}

// Handshakes tell how openings went.
type Handshakes struct {
	Failed int
	First  string // error
	Took   time.Duration
	Times  []time.Duration
}

// Open opens sockets.
func (l *Load) Open(o Opening, reply *Handshakes) error {
	if o.Kept {
		o.Targets = l.kept
	}
	if o.Number == 0 {
		o.Number = len(o.Targets)
	}
	work := make(chan int)
	var workers sync.WaitGroup
	began := time.Now()
	for range o.Parallel {
		workers.Go(func() {
			for i := range work {
				l.open(o, i, reply)
			}
		})
	}
	for i := range o.Number {
		work <- i
	}
	close(work)
	workers.Wait()
	reply.Took = time.Since(began)
	return nil
}

func (l *Load) open(o Opening, i int, reply *Handshakes) {
	began, to := time.Now(), o.Targets[i%len(o.Targets)]
	ws, err := to.dial(i)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if reply.Failed++; reply.First == "" {
			reply.First = err.Error()
		}
		return
	}
	reply.Times = append(reply.Times, took)
	if o.Again {
		_ = ws.Close()
		return
	}
	l.sockets = append(l.sockets, ws)
	if !to.Stalled {
		l.reading.Add(1)
		go l.read(ws, to.Claims)
	}
}

// socketsPerAddress is how many sockets come from one address: ports are few.
const socketsPerAddress = 5000

var writeBuffers sync.Pool

func (to Target) dial(i int) (*websocket.Conn, error) {
	network := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/socketsPerAddress))}}
	if to.Stalled {
		network.Control = narrow
	}
	dialer := websocket.Dialer{
		NetDialContext: network.DialContext, Subprotocols: []string{"fieldgate.v1"},
		ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: &writeBuffers, HandshakeTimeout: 20 * time.Second,
	}
	path := "/api/v1/customer/ws"
	if to.Device {
		path = "/api/v1/device/ws"
	}
	ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(to.URL, "http")+path, http.Header{"Authorization": {"Bearer " + to.Token}})
	if err != nil && resp != nil {
		return nil, fmt.Errorf("%w: %s", err, resp.Status)
	}
	if err == nil && to.Subscribe {
		data := map[string]string{"room": "tenant"}
		if to.Since != "" {
			data["since"] = to.Since
		}
		err = ws.WriteJSON(map[string]any{"type": "subscribe", "requestId": "subscribe", "data": data})
	}
	return ws, err
}

// narrow leaves little room in the kernel for what is not read.
func narrow(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
}

var dueAt = regexp.MustCompile(`"requestId":"t-(\d+)"`)

// read answers pings and notes what arrives, and when.
func (l *Load) read(ws *websocket.Conn, claims bool) {
	defer l.reading.Add(-1)
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		l.note(text)
		if claims && bytes.Contains(text, []byte(`"commands.available"`)) {
			_ = ws.WriteJSON(map[string]any{"type": "claim", "requestId": "claim", "data": map[string]int{"limit": 10, "visibilityTimeoutMs": 300_000}})
		}
	}
}

func (l *Load) note(text []byte) {
	if !bytes.Contains(text, []byte(`"t-`)) {
		return
	}
	now := time.Now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, due := range dueAt.FindAllSubmatch(text, -1) {
		at, _ := strconv.ParseInt(string(due[1]), 10, 64)
		l.took = append(l.took, time.Duration(now-at))
	}
}

// Await waits until so much has arrived, or for so long, and gives how long each took.
type Await struct {
	Arrivals int
	AtMost   time.Duration
}

// Arrived gives what has arrived, and forgets it.
func (l *Load) Arrived(a Await, reply *[]time.Duration) error {
	for until := time.Now().Add(a.AtMost); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		enough := len(l.took) >= a.Arrivals
		l.mu.Unlock()
		if enough {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	*reply, l.took = l.took, nil
	return nil
}

// Reading tells how many sockets are open and read.
func (l *Load) Reading(_ struct{}, reply *int64) error {
	*reply = l.reading.Load()
	return nil
}

// Close closes all sockets and ends all claims.
func (l *Load) Close(_ struct{}, _ *struct{}) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polling.Store(false)
	for _, ws := range l.sockets {
		_ = ws.Close()
	}
	l.sockets = nil
	return nil
}

// Proposals are commands for sessions, by turns, at a steady rate.
type Proposals struct {
	URLs     []string
	Token    string
	Sessions []string
	Rate     int // a second
	Number   int
}

// Propose proposes commands and gives the errors of those that failed. Each counts
// from when it was due, so a slow gateway does not make the load lighter.
func (l *Load) Propose(p Proposals, failed *[]string) error {
	var people []*client.CustomerClient
	for _, url := range p.URLs {
		g, err := client.New(url, client.WithTransport(&http.Transport{MaxIdleConnsPerHost: 512}))
		if err != nil {
			return err
		}
		people = append(people, g.Customer(client.Bearer(p.Token)))
	}
	var all sync.WaitGroup
	began := time.Now()
	for i := range p.Number {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(p.Rate))
		time.Sleep(time.Until(due))
		all.Go(func() {
			if err := propose(people[i%len(people)], p.Sessions[i%len(p.Sessions)], due); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				*failed = append(*failed, err.Error())
			}
		})
	}
	all.Wait()
	return nil
}

func propose(by *client.CustomerClient, session string, due time.Time) error {
	ctx := client.ContextWithRequestID(context.Background(), "t-"+strconv.FormatInt(due.UnixNano(), 10))
	_, err := by.Propose(ctx, session, client.ProposeCommandRequest{Type: auto})
	return err
}

// Poll has devices claim over HTTP, one waiting claim each, until Close.
func (l *Load) Poll(devices []Target, _ *struct{}) error {
	l.polling.Store(true)
	for _, d := range devices {
		g, err := client.New(d.URL, client.WithTransport(&http.Transport{}))
		if err != nil {
			return err
		}
		go l.poll(g.DeviceWithToken(client.Bearer(d.Token)))
	}
	return nil
}

func (l *Load) poll(device *client.DeviceClient) {
	for l.polling.Load() {
		claimed, err := device.Claim(context.Background(), client.ClaimRequest{WaitMs: 2_000, Limit: 10, VisibilityTimeoutMs: 300_000})
		if err != nil {
			return
		}
		for _, command := range claimed {
			l.note([]byte(`"requestId":"` + command.RequestID + `"`))
		}
	}
}

// percentile of durations that it sorts.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(p*float64(len(times))))]
}
