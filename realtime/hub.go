// Package realtime serves the WebSockets of devices and users. It enforces limits, checks
// that the sockets are alive, and delivers events to rooms. It does not interpret frames:
// the caller of Open supplies the function that serves them.
package realtime

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
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

	// Hold adds bytes to those that the frames and requests of a tenant hold, or returns an
	// error if that is too much. Free removes them. If Hold is nil, bytes are not counted.
	Hold func(tenant string, bytes int64) error
	Free func(tenant string, bytes int64)

	// Problem returns the problem document for an error frame.
	Problem func(err error, requestID string) any

	// Unauthenticated is called for each frame that is refused because of a credential.
	// Default: nothing is done.
	Unauthenticated func(reason fieldgate.Reason)

	// Lease is the time for which a registered socket counts as open. RenewEvery is the
	// interval at which the socket's instance renews the lease. Default: 45 s and 15 s.
	Lease      time.Duration
	RenewEvery time.Duration

	// OnlineFor is the time for which a device stays online after its socket has closed.
	// The device may reconnect within this time. Default: 15 s.
	OnlineFor time.Duration

	// Retention is the time for which events are kept. Default: 30 days.
	Retention time.Duration

	// SweepEvery is the interval at which all event streams are read without a
	// wake-up, because a wake-up may be lost. Default: 4 s.
	SweepEvery time.Duration

	// MaxSockets is the maximum number of sockets on this instance, including those that
	// close. A further handshake is refused with overloaded. Zero means no limit.
	MaxSockets int

	// Called is called for each frame that was served, with the tenant of the socket and the code
	// of the error, or "". Default: it does nothing.
	Called func(tenant string, code fieldgate.Code)

	// MaxPerTenant is the maximum number of sockets of one tenant on this instance. A
	// further socket is opened and then closed with CloseOverloaded. Default: 20,000.
	MaxPerTenant int

	// Handshakes is the rate at which sockets may open on this instance. A tenant may use
	// half of it. A further handshake is refused with overloaded. Zero means no limit.
	Handshakes Rate

	// Events is the rate at which event frames are pushed to the sockets of a tenant on this
	// instance. Further events are delayed. Zero means no limit.
	Events Rate

	// Progress reads what a device has reported last of a command. Default: no events of progress
	// are pushed.
	Progress func(ctx context.Context, d store.Device, commandID string) (Progress, error)

	// ProgressEvery is the minimum interval between two events of the progress of a command.
	// Default: 1 s.
	ProgressEvery time.Duration

	// SocketQuota is the installation's quota of sockets of each tenant, on all instances. A
	// further handshake is refused. Zero: no limit.
	SocketQuota int64

	// FrameTypes are the types of frames that Serve knows. The metrics count all others together.
	FrameTypes []string

	// Registerer registers the metrics. If it is nil, the metrics are not exported.
	Registerer prometheus.Registerer

	// Logger is the logger. Default: slog.Default().
	Logger *slog.Logger
}

// Hub holds the sockets of an instance. It is safe for concurrent use.
//
// Locks are acquired in the order Hub.mu, feed.mu, Conn.mu. A goroutine may skip locks,
// but must not acquire a lock while it holds a later one. Socket.mu comes last: a
// goroutine acquires no other lock while it holds Socket.mu. No lock is held during a
// call to the store, or while a connection is read or written.
type Hub struct {
	store   *store.Store
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	upgrade websocket.Upgrader

	turns    turns     // limits how many handshakes are served at the same time
	catchUps semaphore // limits how many subscriptions of all tenants read missed events at the same time

	mu       sync.Mutex         // guards the fields below
	opening  map[string]*Socket // sockets that are opening, by connection id; Hub.add moves them to the map sockets
	sockets  map[string]*Socket // by connection id
	devices  map[string]*Socket // by device id
	feeds    map[string]*feed   // by tenant
	tenants  map[string]int     // number of sockets by tenant, including those that are opening
	pings    *wheel
	renewals *wheel
	draining bool

	connections   int                // number of connections of sockets, from the handshake until they are closed
	connectionsOf map[string]int     // the same by tenant
	handshakes    bucket             // limits the handshakes of all tenants
	handshakesOf  map[string]*bucket // limits the handshakes of each tenant
}

// subprotocol is the WebSocket subprotocol of the sockets of devices and users.
const subprotocol = "fieldgate.v1"

// DefaultProgressEvery is the default of Config.ProgressEvery.
const DefaultProgressEvery = time.Second

// New returns a hub. The caller must also call Run.
func New(cfg Config) *Hub {
	cfg.Limits = cfg.Limits.withDefaults()
	cfg.Lease = cmp.Or(cfg.Lease, 45*time.Second)
	cfg.RenewEvery = cmp.Or(cfg.RenewEvery, 15*time.Second)
	cfg.OnlineFor = cmp.Or(cfg.OnlineFor, 15*time.Second)
	cfg.Retention = cmp.Or(cfg.Retention, store.DefaultRetention)
	cfg.ProgressEvery = cmp.Or(cfg.ProgressEvery, DefaultProgressEvery)
	cfg.SweepEvery = cmp.Or(cfg.SweepEvery, 4*time.Second)
	cfg.MaxPerTenant = cmp.Or(cfg.MaxPerTenant, 20_000)
	if cfg.Unauthenticated == nil {
		cfg.Unauthenticated = func(fieldgate.Reason) {}
	}
	if cfg.Called == nil {
		cfg.Called = func(string, fieldgate.Code) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Hub{
		store: cfg.Store, cfg: cfg, log: cfg.Logger, metrics: newMetrics(cfg.Registerer, cfg.FrameTypes),
		upgrade: newUpgrader(), catchUps: newSemaphore(), turns: newTurns(runtime.GOMAXPROCS(0)),
		opening: map[string]*Socket{}, sockets: map[string]*Socket{}, devices: map[string]*Socket{}, feeds: map[string]*feed{}, tenants: map[string]int{},
		pings: newWheel(cfg.Limits.PingEvery), renewals: newWheel(cfg.RenewEvery),
		handshakes: newBucket(cfg.Handshakes), handshakesOf: map[string]*bucket{}, connectionsOf: map[string]int{},
	}
}

// Run pings the sockets, renews their leases and sweeps the event streams until the
// context ends.
func (h *Hub) Run(ctx context.Context) {
	var workers sync.WaitGroup
	workers.Go(func() { runEvery(ctx, h.pings.step, h.pingDue) })
	workers.Go(func() { runEvery(ctx, h.renewals.step, func() { h.renewDue(ctx) }) })
	workers.Go(func() { runEvery(ctx, h.cfg.SweepEvery, h.wakeAll) })
	workers.Go(func() { runEvery(ctx, time.Minute, h.forgetHandshakes) })
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

// HandleWake handles a wake-up from the store. The zero Wake wakes all feeds.
func (h *Hub) HandleWake(w store.Wake) {
	switch {
	case w == store.Wake{}:
		h.wakeAll()
	case w.Kick:
		h.closeKicked(w.Tenant, w.Connection)
	case w.LoginEnded:
		h.verifyDevice(w.DeviceID)
	case w.CommandID != "":
		h.wakeProgress(w)
	case w.Connection != "":
		h.recheckDevice(w.DeviceID, w.Connection)
	default:
		h.wake(w)
	}
}

// pingDue pings the sockets that are due. PongWithin later, it closes each of them whose
// client has sent nothing since the ping.
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

// all returns the open sockets of this instance.
func (h *Hub) all() []*Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sockets))
}

// Count returns the numbers of open sockets of devices and of users on this instance.
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

// add adds an open socket to the hub. It queues the welcome frame under the lock, so that
// no other frame comes first.
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
	if s.reverify || s.User != "" { // a user may have been cut off while the socket was opening
		go s.verify()
	}
	if h.draining {
		s.conn.Close(CloseGoingAway, goingAway)
	}
}

// setDeviceSocket makes s the socket of its device, and closes the device's other socket.
// If the other socket is newer, it closes s instead. The caller holds h.mu.
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

// remove removes a closed socket and its subscriptions from the hub.
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

// recheckDevice renews a device's socket, because the device has opened another socket on
// this or another instance. The renewal closes the socket if the other one is newer. The
// wake-up alone does not show which socket is newer.
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

// VerifyUsers re-verifies the sockets of a tenant's users on this instance, because the rights of a
// user have changed. It does not block. A socket that is opening is verified as soon as it is open.
func (h *Hub) VerifyUsers(tenant string) {
	var users []*Socket
	for _, s := range h.all() {
		if s.Tenant == tenant && s.User != "" {
			users = append(users, s)
		}
	}
	go func() {
		for _, s := range users {
			s.verify()
		}
	}()
}

// closeKicked closes the socket for which Kick was called.
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

// renewNow renews a socket in the background. The renewal closes the socket if the socket
// must not stay open.
func (h *Hub) renewNow(s *Socket) {
	go func() { _ = h.renew(context.Background(), s) }()
}

// These are the reasons in close frames.
const (
	goingAway  = "this instance is shutting down"
	superseded = "the device opened a newer socket"
	kicked     = "closed by an administrator"
)

// Drain closes all sockets, spread over the window so that the clients do not all
// reconnect at once. It first sends each socket a going_away frame. Drain returns when
// all sockets are closed or the context ends. Sockets that open later are closed at once.
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

// pushGoingAway announces that the socket will be closed. The frame contains the time to
// wait before reconnecting. That time is random, so that the clients do not all reconnect
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
