// Package realtime serves the WebSockets of devices and users. It enforces their
// limits, checks that they are alive, and delivers the events of the rooms. It does not
// know what a frame does: the caller of Open supplies the function that serves frames.
package realtime

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Config configures a Hub.
type Config struct {
	Store  *store.Store
	Limits Limits

	// Problem returns the problem document of an error frame.
	Problem func(err error, requestID string) any

	// Lease is the time for which a registered socket counts as open. RenewEvery is the
	// interval at which its instance renews that. Default: 45 s and 15 s.
	Lease      time.Duration
	RenewEvery time.Duration

	// OnlineFor is the time for which a device stays online after its socket has
	// closed, because it may reconnect. Default: 15 s.
	OnlineFor time.Duration

	// Retention is the time for which events are kept. Default: 30 days.
	Retention time.Duration

	// SweepEvery is the interval at which all event streams are read without a
	// wake-up, because a wake-up may be lost. Default: 4 s.
	SweepEvery time.Duration

	// MaxPerTenant is the maximum number of a tenant's sockets on this instance. A
	// socket above it is opened and closed with CloseOverloaded. Default: 20,000.
	MaxPerTenant int

	// Registerer registers the metrics. If it is nil, they are not exported.
	Registerer prometheus.Registerer

	// Logger is the logger. Default: slog.Default().
	Logger *slog.Logger
}

// Hub holds the sockets of an instance. It is safe for concurrent use.
//
// Locks are acquired in this order: Hub.mu, feed.mu, Conn.mu. A goroutine may skip one
// of them, but must not acquire one while it holds a later one. Socket.mu is acquired
// last: no other lock is acquired while it is held. No lock is held during a call to
// the store or a read or write of a connection.
type Hub struct {
	store   *store.Store
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	upgrade websocket.Upgrader

	catchUps semaphore // limits the subscriptions of all tenants that read missed events

	mu       sync.Mutex         // guards the fields below
	opening  map[string]*Socket // by connection id; moved to sockets by add
	sockets  map[string]*Socket // by connection id
	devices  map[string]*Socket // by device id
	feeds    map[string]*feed   // by tenant
	tenants  map[string]int     // number of sockets, opening ones included, by tenant
	pings    *wheel
	renewals *wheel
	draining bool
}

// subprotocol is the WebSocket subprotocol of both sockets.
const subprotocol = "fieldgate.v1"

// New returns a hub. The caller must also call Run.
func New(cfg Config) *Hub {
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Lease = cmp.Or(cfg.Lease, 45*time.Second)
	cfg.RenewEvery = cmp.Or(cfg.RenewEvery, 15*time.Second)
	cfg.OnlineFor = cmp.Or(cfg.OnlineFor, 15*time.Second)
	cfg.Retention = cmp.Or(cfg.Retention, store.DefaultRetention)
	cfg.SweepEvery = cmp.Or(cfg.SweepEvery, 4*time.Second)
	cfg.MaxPerTenant = cmp.Or(cfg.MaxPerTenant, 20_000)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Hub{
		store: cfg.Store, cfg: cfg, log: cfg.Logger, metrics: newMetrics(cfg.Registerer),
		upgrade: newUpgrader(), catchUps: newSemaphore(),
		opening: map[string]*Socket{}, sockets: map[string]*Socket{}, devices: map[string]*Socket{}, feeds: map[string]*feed{}, tenants: map[string]int{},
		pings: newWheel(cfg.Limits.PingEvery), renewals: newWheel(cfg.RenewEvery),
	}
}

// Run pings the sockets, renews their leases and sweeps the event streams until the
// context ends.
func (h *Hub) Run(ctx context.Context) {
	var workers sync.WaitGroup
	workers.Go(func() { runEvery(ctx, h.pings.step, h.pingDue) })
	workers.Go(func() { runEvery(ctx, h.renewals.step, func() { h.renewDue(ctx) }) })
	workers.Go(func() { runEvery(ctx, h.cfg.SweepEvery, h.wakeAll) })
	workers.Wait()
}

func runEvery(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// HandleWake handles a wake-up of the store. The zero Wake wakes all feeds.
func (h *Hub) HandleWake(w store.Wake) {
	switch {
	case w == store.Wake{}:
		h.wakeAll()
	case w.Kick:
		h.closeKicked(w.Tenant, w.Connection)
	case w.LoginEnded:
		h.verifyDevice(w.DeviceID)
	case w.Connection != "":
		h.recheckDevice(w.DeviceID, w.Connection)
	default:
		h.wake(w.Tenant)
	}
}

// pingDue pings the sockets that are due. After PongWithin it closes those whose client
// has sent nothing since.
func (h *Hub) pingDue() {
	pingedAt := time.Now()
	batch := h.due(h.pings, pingedAt)
	for _, s := range batch {
		s.conn.ping()
		s.scheduleExpiry()
	}
	time.AfterFunc(h.cfg.Limits.PongWithin, func() {
		for _, s := range batch {
			s.conn.closeIfSilent(pingedAt)
		}
	})
}

func (h *Hub) due(w *wheel, now time.Time) []*Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return w.due(now)
}

// all returns all open sockets.
func (h *Hub) all() []*Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sockets))
}

// Count returns the number of open sockets of this instance.
func (h *Hub) Count() (devices, customers int) {
	for _, s := range h.all() {
		if s.Device != "" {
			devices++
		} else {
			customers++
		}
	}
	return devices, customers
}

// reserve counts a socket that opens towards its tenant's limit. If the socket must not
// open, it returns the code to close it with.
func (h *Hub) reserve(s *Socket) CloseCode {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return CloseGoingAway
	case h.tenants[s.Tenant] >= h.cfg.MaxPerTenant:
		return CloseOverloaded
	}
	h.tenants[s.Tenant]++
	h.opening[s.ID()] = s
	return 0
}

// release reverses reserve.
func (h *Hub) release(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.opening, s.ID())
	if h.tenants[s.Tenant]--; h.tenants[s.Tenant] == 0 {
		delete(h.tenants, s.Tenant)
	}
}

// add adds an open socket. It queues the welcome frame under the lock, so that the
// frame is the first one.
func (h *Hub) add(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.welcome()
	delete(h.opening, s.ID())
	h.sockets[s.ID()] = s
	h.pings.add(s)
	h.renewals.add(s)
	if s.Device != "" {
		h.setDeviceSocket(s)
	}
	h.join(s)
	if s.recheck {
		h.renewNow(s)
	}
	if s.reverify {
		go s.verify()
	}
	if h.draining {
		s.conn.Close(CloseGoingAway, goingAway)
	}
}

// setDeviceSocket makes a socket the one of its device, and closes the other one. If a
// newer socket was added first, it closes the given one. The caller holds h.mu.
func (h *Hub) setDeviceSocket(s *Socket) {
	old := h.devices[s.Device]
	switch {
	case old == nil:
	case old.order > s.order:
		s.conn.Close(CloseSuperseded, superseded)
		return
	default:
		old.conn.Close(CloseSuperseded, superseded)
	}
	h.devices[s.Device] = s
}

// remove removes a closed socket and its subscriptions.
func (h *Hub) remove(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s.ID())
	h.pings.remove(s)
	h.renewals.remove(s)
	if h.devices[s.Device] == s {
		delete(h.devices, s.Device)
	}
	h.leave(s)
}

// recheckDevice renews the socket of a device that has opened another socket, here or
// on another instance. The renewal closes the older one of the two. The wake-up itself
// proves nothing: it may arrive late, and does not say which socket is newer.
func (h *Hub) recheckDevice(deviceID, other string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.devices[deviceID]; s != nil && s.ID() != other {
		h.renewNow(s)
	}
	for _, s := range h.opening {
		s.recheck = s.recheck || s.Device == deviceID && s.ID() != other
	}
}

// verifyDevice re-verifies the login of a device's socket, because one of the device's
// logins was ended. A socket that is opening is verified as soon as it is open.
func (h *Hub) verifyDevice(deviceID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.devices[deviceID]; s != nil {
		go s.verify()
	}
	for _, s := range h.opening {
		s.reverify = s.reverify || s.Device == deviceID
	}
}

// closeKicked closes a socket that Kick was called for.
func (h *Hub) closeKicked(tenant, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sockets[id]; s != nil && s.Tenant == tenant {
		s.conn.Close(CloseWithdrawn, kicked)
	}
	if s := h.opening[id]; s != nil {
		s.recheck = true
	}
}

// renewNow renews a socket in the background, which closes it if it must not stay open.
func (h *Hub) renewNow(s *Socket) {
	go func() { _ = h.renew(context.Background(), s) }()
}

// The reasons in close frames.
const (
	goingAway  = "this instance is shutting down"
	superseded = "the device opened a newer socket"
	kicked     = "closed by an administrator"
)

// Drain closes all sockets, spread over a window so that the clients do not reconnect
// all at once. It first sends each socket a going_away frame. It returns when all
// sockets are closed or the context ends. Sockets that open later are closed at once.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	sockets := h.all()
	rand.Shuffle(len(sockets), func(i, j int) { sockets[i], sockets[j] = sockets[j], sockets[i] })
	for i, s := range sockets {
		delay := window * time.Duration(i) / time.Duration(len(sockets))
		s.pushGoingAway()
		time.AfterFunc(delay, func() { s.conn.Close(CloseGoingAway, goingAway) })
	}
	for _, s := range sockets {
		select {
		case <-s.conn.Done():
		case <-ctx.Done():
			return
		}
	}
}

// pushGoingAway announces that the socket will be closed. The frame has the time to
// wait before reconnecting, which is random so that the clients do not reconnect all
// at once.
func (s *Socket) pushGoingAway() {
	retry := 200*time.Millisecond + rand.N(2*time.Second)
	s.push(typeGoingAway, map[string]int64{"retryAfterMs": retry.Milliseconds()})
}

var errTooManyInFlight = &fieldgate.Error{
	Code:       fieldgate.CodeRateLimited,
	Detail:     "Too many frames of this socket wait for their reply: wait for one before you send the next.",
	RetryAfter: time.Second,
}
