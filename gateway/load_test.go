package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
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

// loadProcess is the environment variable that makes the test binary run the clients of a
// measurement. The clients run in a second process, so that their memory and descriptors are
// not counted as the gateway's.
const loadProcess = "FIELDGATE_TEST_LOAD"

// TestLoadProcess is not a test. It runs the load in the second process.
func TestLoadProcess(t *testing.T) {
	if os.Getenv(loadProcess) == "" {
		t.Skip("started by the measurements")
	}
	server := rpc.NewServer()
	require.NoError(t, server.Register(new(Load)))
	server.ServeConn(pipes{os.NewFile(3, "requests"), os.NewFile(4, "replies")})
}

// pipes connect the two processes, one pipe for each direction.
type pipes struct{ from, to *os.File }

func (p pipes) Read(b []byte) (int, error)  { return p.from.Read(b) }
func (p pipes) Write(b []byte) (int, error) { return p.to.Write(b) }
func (p pipes) Close() error                { _ = p.from.Close(); return p.to.Close() }

// startLoad starts the load process, which ends with the test.
func startLoad(t testing.TB) *rpc.Client {
	t.Helper()
	requestReader, requestWriter, err := os.Pipe()
	require.NoError(t, err)
	replyReader, replyWriter, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoadProcess$", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), loadProcess+"=yes")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{requestReader, replyWriter}, os.Stderr
	require.NoError(t, cmd.Start())
	_, _ = requestReader.Close(), replyWriter.Close()
	load := rpc.NewClient(pipes{replyReader, requestWriter})
	t.Cleanup(func() {
		_ = load.Close()
		_ = cmd.Wait()
	})
	return load
}

// callLoad calls a method of Load in the load process.
func callLoad[T any](t testing.TB, load *rpc.Client, method string, with any) (reply T) {
	t.Helper()
	require.NoError(t, load.Call("Load."+method, with, &reply))
	return reply
}

// Load is the RPC service of the load process. The id of a request is t-<nanoseconds>, the time
// at which the request was due. When a frame or command with such an id arrives, Load computes
// the latency.
type Load struct {
	kept      []Target
	mu        sync.Mutex
	sockets   []*websocket.Conn
	latencies []time.Duration
	polling   atomic.Bool
}

// Target is a socket to open, or a device that claims over HTTP.
type Target struct {
	URL, Token string
	Device     bool
	Subscribe  bool   // whether to subscribe to the tenant's room
	Since      string // offset to resume from; empty means from now
	Claims     bool   // whether to claim commands when the gateway announces some
	Stalled    bool   // whether to leave all frames unread
}

// Keep stores targets for later, so that Open does not transfer them while it is measured.
func (l *Load) Keep(targets []Target, _ *struct{}) error {
	l.kept = targets
	return nil
}

// OpenRequest names the sockets to open.
type OpenRequest struct {
	Targets   []Target
	Kept      bool // whether to open the targets that Keep has stored, and to ignore Targets
	Number    int  // number of sockets to open, for the targets in turn; zero means one for each target
	Parallel  int  // number of sockets that are opened at the same time
	CloseEach bool // closes each socket as soon as it is open
}

// Handshakes is the result of Open.
type Handshakes struct {
	Failed int
	First  string // first error
	Took   time.Duration
	Times  []time.Duration // durations of the successful handshakes
}

// Open opens sockets and returns when all handshakes have ended.
func (l *Load) Open(o OpenRequest, reply *Handshakes) error {
	if o.Kept {
		o.Targets = l.kept
	}
	if o.Number == 0 {
		o.Number = len(o.Targets)
	}
	work := make(chan int)
	var workers sync.WaitGroup
	start := time.Now()
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
	reply.Took = time.Since(start)
	return nil
}

func (l *Load) open(o OpenRequest, i int, reply *Handshakes) {
	start, to := time.Now(), o.Targets[i%len(o.Targets)]
	ws, err := to.dial(i)
	took := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if reply.Failed++; reply.First == "" {
			reply.First = err.Error()
		}
		return
	}
	reply.Times = append(reply.Times, took)
	if o.CloseEach {
		_ = ws.Close()
		return
	}
	l.sockets = append(l.sockets, ws)
	if !to.Stalled {
		go l.read(ws, to.Claims)
	}
}

// socketsPerAddress is the number of sockets opened from one local address, which has a
// limited number of ports.
const socketsPerAddress = 5000

var writeBuffers sync.Pool

func (to Target) dial(i int) (*websocket.Conn, error) {
	network := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/socketsPerAddress))}}
	if to.Stalled {
		network.Control = shrinkReceiveBuffer
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
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return nil, fmt.Errorf("%w: %s: %s", err, resp.Status, why)
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

// shrinkReceiveBuffer limits how much unread data the kernel buffers.
func shrinkReceiveBuffer(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
}

var dueAt = regexp.MustCompile(`"requestId":"t-(\d+)"`)

// read reads frames until the socket is closed, which also answers pings. It records the
// latencies. If claims is true, it claims the commands that the gateway announces.
func (l *Load) read(ws *websocket.Conn, claims bool) {
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		l.record(text)
		if claims && bytes.Contains(text, []byte(`"commands.available"`)) {
			_ = ws.WriteJSON(map[string]any{"type": "claim", "requestId": "claim", "data": map[string]int{"limit": 10, "visibilityTimeoutMs": 300_000}})
		}
	}
}

func (l *Load) record(text []byte) {
	if !bytes.Contains(text, []byte(`"t-`)) {
		return
	}
	now := time.Now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, due := range dueAt.FindAllSubmatch(text, -1) {
		at, _ := strconv.ParseInt(string(due[1]), 10, 64)
		l.latencies = append(l.latencies, time.Duration(now-at))
	}
}

// AwaitRequest is the argument of AwaitArrivals.
type AwaitRequest struct {
	Arrivals int
	Timeout  time.Duration
}

// AwaitArrivals waits until a.Arrivals arrivals were recorded or the timeout has passed. It
// returns their latencies and removes them.
func (l *Load) AwaitArrivals(a AwaitRequest, reply *[]time.Duration) error {
	for until := time.Now().Add(a.Timeout); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		enough := len(l.latencies) >= a.Arrivals
		l.mu.Unlock()
		if enough {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	*reply, l.latencies = l.latencies, nil
	return nil
}

// Close closes all sockets and ends polling.
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

// Proposals are commands to propose at a steady rate, to the sessions in turn.
type Proposals struct {
	URLs     []string
	Token    string
	Sessions []string
	Rate     int // proposals a second
	Number   int
}

// Propose proposes commands, and returns the errors of failed proposals. Each latency is
// measured from the time at which the proposal was due, so that the delay of a late proposal
// counts.
func (l *Load) Propose(p Proposals, failed *[]string) error {
	var users []*client.CustomerClient
	for _, url := range p.URLs {
		g, err := client.New(url, client.WithTransport(&http.Transport{MaxIdleConnsPerHost: 512}))
		if err != nil {
			return err
		}
		users = append(users, g.Customer(client.Bearer(p.Token)))
	}
	var all sync.WaitGroup
	start := time.Now()
	for i := range p.Number {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(p.Rate))
		time.Sleep(time.Until(due))
		all.Go(func() {
			if err := propose(users[i%len(users)], p.Sessions[i%len(p.Sessions)], due); err != nil {
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

// Poll starts a loop of waiting claims over HTTP for each device, until Close.
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
			l.record([]byte(`"requestId":"` + command.RequestID + `"`))
		}
	}
}

// percentile sorts the durations and returns the percentile p, where p is from 0 to 1.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(p*float64(len(times))))]
}
