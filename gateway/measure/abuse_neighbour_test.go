package measure

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/fieldgate/fieldgate/clients/go"
	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
)

// principal sends requests with the token of a user or a device.
type principal struct {
	http       *http.Client
	url, token string
}

func newPrincipal(url, token string) principal {
	return principal{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}, url, token}
}

// do sends a request. It returns the status 0 if there was no response.
func (p principal) do(method, path, body string) (status int, response []byte) {
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + p.token}}
	resp, err := p.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	response, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, response
}

// neighbourInterval is the time between two requests of the neighbour.
const neighbourInterval = 20 * time.Millisecond

// neighbour is another tenant, with devices whose users propose and read while the devices
// claim, submit results and send heartbeats.
type neighbour struct {
	user    principal
	devices []unit
	stopped chan struct{}
	all     sync.WaitGroup

	mu    sync.Mutex
	times []time.Duration
	seen  counts
}

// unit is a device with its session.
type unit struct {
	id, session string
	principal
}

// startNeighbour starts a neighbour that sends its first request after a delay. Each request is sent when it is due, whether or not the
// gateway has responded to the one before.
func startNeighbour(t testing.TB, prepared, at *site, delay time.Duration) *neighbour {
	t.Helper()
	tenantID := gatewaytest.NewTenantID()
	n := &neighbour{user: newPrincipal(at.child.URL, prepared.Token(tenantID, "nina", "operator")), seen: counts{}, stopped: make(chan struct{})}
	for range 4 {
		n.devices = append(n.devices, newUnit(t, prepared, at, tenantID))
	}
	n.all.Go(func() {
		time.Sleep(delay)
		n.run()
	})
	return n
}

// newUnit creates a device and its session at prepared. The device sends its requests to at.
func newUnit(t testing.TB, prepared, at *site, tenantID string) unit {
	t.Helper()
	admin := prepared.User(tenantID, "alice", "admin")
	d := prepared.NewDevice(t, admin)
	opened, err := admin.OpenSession(t.Context(), client.OpenSessionRequest{DeviceID: d.ID, Type: "remediation"})
	require.NoError(t, err)
	return unit{d.ID, opened.ID, newPrincipal(at.child.URL, prepared.Login(t, d))}
}

func (n *neighbour) run() {
	due := time.NewTicker(neighbourInterval)
	defer due.Stop()
	for i := 0; ; i++ {
		select {
		case <-n.stopped:
			return
		case <-due.C:
			n.all.Go(func() { n.step(i) })
		}
	}
}

// step sends one request. A claim is followed by the results of the claimed commands.
func (n *neighbour) step(i int) {
	d := n.devices[i/5%len(n.devices)]
	session := "/api/v1/customer/sessions/" + d.session
	switch i % 5 {
	case 0:
		n.record(n.user, "POST", session+"/commands", `{"type":"diagnostic.dns","parameters":{"host":"example.com"}}`)
	case 1:
		d.finish(n.record(d.principal, "POST", "/api/v1/device/commands/claim", `{"limit":10}`), n.record)
	case 2:
		n.record(n.user, "GET", session+"/commands?limit=10", "")
	case 3:
		n.record(d.principal, "POST", "/api/v1/device/heartbeat", `{"status":"ok"}`)
	case 4:
		n.record(n.user, "GET", "/api/v1/customer/devices/"+d.id, "")
	}
}

// finish submits a result for each command of the response to a claim.
func (u unit) finish(response []byte, send func(p principal, method, path, body string) []byte) {
	var got claimed
	_ = json.Unmarshal(response, &got)
	for _, c := range got.Commands {
		send(u.principal, "POST", "/api/v1/device/commands/"+c.ID+"/result", `{"claimToken":"`+c.ClaimToken+`","status":"succeeded","output":"done"}`)
	}
}

func (n *neighbour) record(p principal, method, path, body string) []byte {
	began := time.Now()
	status, response := p.do(method, path, body)
	took := time.Since(began)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.times = append(n.times, took)
	n.seen[status]++
	return response
}

// experience holds the response times of a neighbour.
type experience struct {
	requests, refused int
	p50, p99          time.Duration
}

// stop stops the neighbour and waits for its last response. It fails the test if a request was
// refused.
func (n *neighbour) stop(t testing.TB) experience {
	t.Helper()
	close(n.stopped)
	n.all.Wait()
	slices.Sort(n.times)
	e := experience{requests: len(n.times)}
	require.NotZero(t, e.requests)
	e.p50, e.p99 = n.times[e.requests/2], n.times[e.requests*99/100]
	for status, count := range n.seen {
		if status < 200 || status > 299 {
			e.refused += count
		}
	}
	if e.refused > 0 {
		t.Errorf("requests of another tenant were refused: %s", n.seen)
	}
	return e
}

// columnsOfExperience are the columns of the cells that an experience has.
var columnsOfExperience = []string{"other tenant: requests", "refused", "p50", "**p99**"}

func (e experience) cells() []string {
	return []string{integer(float64(e.requests)), integer(float64(e.refused)), ms(e.p50), ms(e.p99)}
}
