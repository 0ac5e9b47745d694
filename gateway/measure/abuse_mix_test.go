package measure

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fieldgate/fieldgate/gateway/gatewaytest"
	"github.com/fieldgate/fieldgate/store"
)

// ways are the ways to spend the limit of a tenant. Each runs until the context ends.
var ways = map[string]func(*attacker, context.Context){
	"lists over HTTP":              (*attacker).readLists,
	"frames of 40 sockets":         (*attacker).sendFrames,
	"fan-out to sockets in a room": (*attacker).fanOut,
	"waiting claims":               (*attacker).waitForClaims,
	"forged tokens":                (*attacker).forgeTokens,
}

// measureMix measures another tenant while one tenant spends its whole limit and continues when
// it is refused. The limits are the defaults.
func measureMix(t *testing.T, size abuse) {
	prepared := newSite(t)
	at := prepared.limited(t)
	l := newLargeTenant(t, prepared, at, size)
	a := l.attack(t, prepared, at, size)
	columns := append([]string{"what one tenant does", "its responses", "frames to it"}, columnsOfExperience...)
	table := newTable(append(columns, "CPU gateway", "peak memory")...)
	run := func(name string, ways ...string) {
		t.Run(name, func(t *testing.T) {
			at.resetPeak(t)
			a.Ways = ways
			n, before, began := startNeighbour(t, prepared, at, size.opening), cpuTime(t, at.pid), time.Now()
			go l.refill(at, size.opening)
			got := a.from(t, at)
			used := (cpuTime(t, at.pid) - before).Seconds() / time.Since(began).Seconds()
			e := n.stop(t)
			at.requireAlive(t)
			table.row(append(append([]string{name, got.Seen.String(), thousands(int(got.Frames))}, e.cells()...),
				fmt.Sprintf("%.0f %%", used*100), mib(at.peakMemory(t)))...)
		})
	}
	all := slices.Sorted(maps.Keys(ways))
	run("none")
	for _, name := range all {
		run(name, name)
	}
	run("all at once", all...)
	publish(t, size.extent, "abuse-mix", table)
}

// attack returns an attack of the tenant, with the devices that wait for commands.
func (l *largeTenant) attack(t testing.TB, prepared, at *site, size abuse) attack {
	t.Helper()
	a := attack{
		Viewer: prepared.Token(l.id, "mallory", "viewer"), Operator: prepared.Token(l.id, "oscar", "operator"),
		Session: l.session, Sockets: size.sockets, Opening: size.opening, Duration: size.mix,
	}
	for range size.claims / 2 { // a device may have two waiting claims
		d := newUnit(t, prepared, at, l.id)
		l.waiting = append(l.waiting, d.id)
		a.Devices = append(a.Devices, attackDevice{d.token, d.session})
	}
	return a
}

// refill resets the rate limits of the tenant and its devices for a time, so that the tenant can
// open many sockets. The attack then begins with a whole burst.
func (l *largeTenant) refill(at *site, during time.Duration) {
	tenant := gatewaytest.TenantOf(l.id)
	keys := []string{store.Tenant(tenant).RateKey()}
	for _, id := range l.waiting {
		keys = append(keys, store.Device{Tenant: tenant, ID: id}.RateKey())
	}
	for began := time.Now(); time.Since(began) < during; time.Sleep(5 * time.Millisecond) {
		_ = at.redis.Del(context.Background(), keys...).Err()
	}
}

// readLists reads the lists that cost most, 60 at a time.
func (a *attacker) readLists(ctx context.Context) {
	a.inParallel(ctx, 60, func(i int) {
		read := heavyReads[i%len(heavyReads)]
		a.request(ctx, a.viewer, "GET", heavyPath(read.path, a.Session), http.NoBody)
	})
}

// forgeTokens sends tokens of devices that do not exist.
func (a *attacker) forgeTokens(ctx context.Context) {
	forged := newPrincipal(a.URL, "fgd_"+strings.Repeat("A", 43))
	a.inParallel(ctx, 16, func(int) {
		a.request(ctx, forged, "POST", "/api/v1/device/heartbeat", strings.NewReader(`{"status":"ok"}`))
	})
}

// waitForClaims waits for commands with two claims of each device.
func (a *attacker) waitForClaims(ctx context.Context) {
	a.inParallel(ctx, 2*len(a.devices), func(i int) {
		a.request(ctx, a.devices[i/2], "POST", "/api/v1/device/commands/claim", strings.NewReader(`{"waitMs":30000}`))
	})
}

// framesPerSecond is the number of frames that a socket sends. A socket that sends more than 50
// is closed.
const framesPerSecond = 45

// sendFrames subscribes and unsubscribes over 40 sockets of one viewer.
func (a *attacker) sendFrames(ctx context.Context) {
	sockets := a.openSockets(ctx, 40)
	a.inParallel(ctx, len(sockets), func(i int) {
		for _, kind := range []string{"subscribe", "unsubscribe"} {
			frame := fmt.Sprintf(`{"type":%q,"requestId":"r","data":{"room":"session:%s"}}`, kind, a.Session)
			_ = sockets[i].WriteMessage(websocket.TextMessage, []byte(frame))
			time.Sleep(time.Second / framesPerSecond)
		}
	})
}

// fanOut proposes commands while many sockets are in the room of the tenant.
func (a *attacker) fanOut(ctx context.Context) {
	for _, ws := range a.openSockets(ctx, a.Sockets) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","requestId":"s","data":{"room":"tenant"}}`))
	}
	a.inParallel(ctx, 8, func(i int) {
		session := "/api/v1/customer/sessions/" + a.Devices[i%len(a.Devices)].Session
		a.request(ctx, a.operator, "POST", session+"/commands", strings.NewReader(`{"type":"service.restart","parameters":{}}`))
	})
}

// openSockets opens sockets of the viewer. They are read and closed when the context ends. A
// refused handshake is counted.
func (a *attacker) openSockets(ctx context.Context, n int) (open []*websocket.Conn) {
	dialer := websocket.Dialer{Subprotocols: []string{"fieldgate.v1"}}
	url := "ws" + strings.TrimPrefix(a.URL, "http") + "/api/v1/customer/ws"
	for range n {
		ws, resp, err := dialer.DialContext(ctx, url, http.Header{"Authorization": {"Bearer " + a.viewer.token}})
		if err != nil {
			if resp != nil {
				a.count(resp.StatusCode)
			}
			continue
		}
		context.AfterFunc(ctx, func() { _ = ws.Close() })
		go a.readFrames(ws)
		open = append(open, ws)
	}
	return open
}

func (a *attacker) readFrames(ws *websocket.Conn) {
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
		a.frames.Add(1)
	}
}
