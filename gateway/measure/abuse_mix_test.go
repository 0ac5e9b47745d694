package measure

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
)

// attacker is a tenant that spends its whole limit, and goes on when it is refused.
type attacker struct {
	*largeTenant
	t        testing.TB
	prepared *site
	at       *site
	size     abuse
	viewer   principal
	operator principal
	devices  []unit

	mu     sync.Mutex
	seen   counts
	frames atomic.Int64 // received over all sockets
}

// mixes are the ways to spend the limit. Each runs until the context ends.
var mixes = []struct {
	name string
	runs []func(*attacker, context.Context)
}{
	{"none", nil},
	{"lists over HTTP", []func(*attacker, context.Context){(*attacker).readLists}},
	{"frames of 40 sockets", []func(*attacker, context.Context){(*attacker).sendFrames}},
	{"fan-out to sockets in a room", []func(*attacker, context.Context){(*attacker).fanOut}},
	{"waiting claims", []func(*attacker, context.Context){(*attacker).waitForClaims}},
	{"forged tokens", []func(*attacker, context.Context){(*attacker).forgeTokens}},
	{"all at once", []func(*attacker, context.Context){
		(*attacker).readLists, (*attacker).sendFrames, (*attacker).fanOut, (*attacker).waitForClaims, (*attacker).forgeTokens,
	}},
}

// measureMix measures another tenant while one tenant spends its whole limit. The limits are the
// defaults.
func measureMix(t *testing.T, size abuse) {
	prepared := newSite(t)
	at := prepared.limited(t)
	a := newAttacker(t, prepared, at, size)
	columns := append([]string{"what one tenant does", "its responses", "frames to it"}, columnsOfExperience...)
	table := newTable(append(columns, "CPU gateway", "peak memory")...)
	for _, mix := range mixes {
		a.refill()
		a.seen = counts{}
		a.frames.Store(0)
		at.resetPeak(t)
		n := startNeighbour(t, prepared, at)
		before, began := cpuTime(t, at.pid), time.Now()
		a.run(mix.runs)
		used := (cpuTime(t, at.pid) - before).Seconds() / time.Since(began).Seconds()
		e := n.stop(t)
		at.requireAlive(t)
		table.row(append(append([]string{mix.name, a.seen.String(), thousands(int(a.frames.Load()))}, e.cells()...), fmt.Sprintf("%.0f %%", used*100), mib(at.peakMemory(t)))...)
	}
	publish(t, size.extent, "abuse-mix", table)
}

func newAttacker(t testing.TB, prepared, at *site, size abuse) *attacker {
	t.Helper()
	a := &attacker{largeTenant: newLargeTenant(t, prepared, at, size), t: t, prepared: prepared, at: at, size: size}
	a.viewer = newPrincipal(at.child.URL, prepared.Token(a.id, "mallory", "viewer"))
	a.operator = newPrincipal(at.child.URL, prepared.Token(a.id, "oscar", "operator"))
	for range size.claims / 2 { // a device may have two waiting claims
		a.devices = append(a.devices, newUnit(t, prepared, at, a.id))
	}
	return a
}

// refill gives the tenant and its devices back the bursts that the mix before has used.
func (a *attacker) refill() {
	a.t.Helper()
	keys := []string{store.Tenant(gatewaytest.TenantOf(a.id)).RateKey()}
	for _, d := range a.devices {
		keys = append(keys, store.Device{Tenant: gatewaytest.TenantOf(a.id), ID: d.id}.RateKey())
	}
	for _, key := range keys {
		require.NoError(a.t, a.at.redis.Del(a.t.Context(), key).Err())
	}
}

// run runs all ways at once for the duration of a mix.
func (a *attacker) run(ways []func(*attacker, context.Context)) {
	ctx, cancel := context.WithTimeout(a.t.Context(), a.size.mix)
	defer cancel()
	var all sync.WaitGroup
	for _, way := range ways {
		all.Go(func() { way(a, ctx) })
	}
	<-ctx.Done()
	all.Wait()
}

// refusedPause is the time that the attacker waits after a refusal. Without it, the refusals
// would take most of the time of its own process.
const refusedPause = 10 * time.Millisecond

// request sends a request and counts its status. The context ends a request that waits.
func (a *attacker) request(ctx context.Context, p principal, method, path, body string) {
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Error(err)
		return
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + p.token}}
	resp, err := p.http.Do(r)
	if err != nil {
		return // the mix has ended, or the gateway has closed the connection
	}
	_ = resp.Body.Close()
	a.mu.Lock()
	a.seen[resp.StatusCode]++
	a.mu.Unlock()
	if resp.StatusCode > 299 {
		time.Sleep(refusedPause)
	}
}

// inParallel calls do from n goroutines until the context ends.
func inParallel(ctx context.Context, n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				do(i)
			}
		})
	}
	all.Wait()
}

// readLists reads the lists that cost most, 60 at a time.
func (a *attacker) readLists(ctx context.Context) {
	inParallel(ctx, 60, func(i int) {
		read := heavyReads[i%len(heavyReads)]
		a.request(ctx, a.viewer, "GET", heavyPath(read.path, a.session), "")
	})
}

// forgeTokens sends tokens of devices that do not exist.
func (a *attacker) forgeTokens(ctx context.Context) {
	forged := newPrincipal(a.at.child.URL, "fgd_"+strings.Repeat("A", 43))
	inParallel(ctx, 16, func(int) { a.request(ctx, forged, "POST", "/api/v1/device/heartbeat", `{"status":"ok"}`) })
}

// waitForClaims waits for commands with two claims of each device.
func (a *attacker) waitForClaims(ctx context.Context) {
	inParallel(ctx, 2*len(a.devices), func(i int) {
		a.request(ctx, a.devices[i/2].principal, "POST", "/api/v1/device/commands/claim", `{"waitMs":30000}`)
	})
}

// framesPerSecond is the number of frames that a socket sends. A socket that sends more than 50
// is closed.
const framesPerSecond = 45

// sendFrames subscribes and unsubscribes over 40 sockets of one viewer.
func (a *attacker) sendFrames(ctx context.Context) {
	sockets := a.openSockets(ctx, 40)
	inParallel(ctx, len(sockets), func(i int) {
		for _, kind := range []string{"subscribe", "unsubscribe"} {
			frame := fmt.Sprintf(`{"type":%q,"requestId":"r","data":{"room":"session:%s"}}`, kind, a.session)
			_ = sockets[i].WriteMessage(websocket.TextMessage, []byte(frame))
			time.Sleep(time.Second / framesPerSecond)
		}
	})
}

// fanOut proposes commands while many sockets are in the room of the tenant.
func (a *attacker) fanOut(ctx context.Context) {
	for _, ws := range a.openSockets(ctx, a.size.sockets) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","requestId":"s","data":{"room":"tenant"}}`))
	}
	inParallel(ctx, 8, func(i int) {
		session := "/api/v1/customer/sessions/" + a.devices[i%len(a.devices)].session
		a.request(ctx, a.operator, "POST", session+"/commands", `{"type":"service.restart","parameters":{}}`)
	})
}

// openSockets opens sockets of the viewer. They are read and closed when the context ends. A
// refused handshake is counted.
func (a *attacker) openSockets(ctx context.Context, n int) (open []*websocket.Conn) {
	dialer := websocket.Dialer{Subprotocols: []string{"fieldgate.v1"}}
	url := "ws" + strings.TrimPrefix(a.at.child.URL, "http") + "/api/v1/customer/ws"
	for range n {
		ws, resp, err := dialer.DialContext(ctx, url, http.Header{"Authorization": {"Bearer " + a.viewer.token}})
		if err != nil {
			a.countRefusal(resp)
			continue
		}
		context.AfterFunc(ctx, func() { _ = ws.Close() })
		go a.readFrames(ws)
		open = append(open, ws)
	}
	return open
}

func (a *attacker) countRefusal(resp *http.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if resp != nil {
		a.seen[resp.StatusCode]++
	}
}

func (a *attacker) readFrames(ws *websocket.Conn) {
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
		a.frames.Add(1)
	}
}

// timeInScripts returns the time that Redis has spent in scripts since its statistics were
// reset.
func (s server) timeInScripts(t testing.TB) (total time.Duration) {
	t.Helper()
	stats := s.InfoMap(t.Context(), "commandstats")
	require.NoError(t, stats.Err())
	for _, name := range []string{"evalsha", "eval"} {
		total += usec(stats.Item("Commandstats", "cmdstat_"+name))
	}
	return total
}
