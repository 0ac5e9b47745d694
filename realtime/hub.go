// Package realtime holds the sockets of devices and customers: their limits and
// heartbeats, the rooms, and the event stream that feeds them. What is said over
// a socket is served elsewhere, by the functions that a socket is opened with.
package realtime

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// Config says how sockets live.
type Config struct {
	Store  *store.Store
	Limits Limits

	// Problem makes the document that an error frame carries.
	Problem func(err error, requestID string) any

	// Lease is how long a socket counts as there after the last sign of its
	// instance, and RenewEvery how often it gives one. Default: 45 s and 15 s.
	Lease      time.Duration
	RenewEvery time.Duration

	// OnlineFor is how long a device counts as online after its socket has ended: it
	// may be back in a moment. Default: 15 s.
	OnlineFor time.Duration

	// Retention is how long events are kept. Default: 30 days.
	Retention time.Duration

	// SweepEvery is how often the event streams are read without a wake-up, in
	// case that one was lost. Default: 4 s.
	SweepEvery time.Duration

	// MaxPerTenant bounds the sockets of a tenant on this instance; those that are
	// too many are told so and closed. Default: 20,000.
	MaxPerTenant int

	// Registerer takes the metrics. Default: none are kept.
	Registerer prometheus.Registerer

	// Logger is told of what goes wrong. Default: slog.Default().
	Logger *slog.Logger
}

// Hub holds the sockets of an instance. It is safe for concurrent use.
type Hub struct {
	store   *store.Store
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	upgrade websocket.Upgrader

	catching places // of subscriptions that read what they missed

	mu       sync.Mutex
	opening  map[string]*Socket // by connection id, until it is in sockets
	sockets  map[string]*Socket // by connection id
	devices  map[string]*Socket // by device id
	feeds    map[string]*feed   // by tenant
	tenants  map[string]int     // sockets of each tenant
	pings    *wheel
	renewals *wheel
	draining bool
}

// subprotocol is the one that we speak.
const subprotocol = "fieldgate.v1"

// New makes a hub over a store.
func New(cfg Config) *Hub {
	cfg.Limits = cfg.Limits.withDefaults()
	setDefault(&cfg.Lease, 45*time.Second)
	setDefault(&cfg.RenewEvery, 15*time.Second)
	setDefault(&cfg.OnlineFor, 15*time.Second)
	setDefault(&cfg.Retention, store.DefaultRetention)
	setDefault(&cfg.SweepEvery, 4*time.Second)
	setDefault(&cfg.MaxPerTenant, 20_000)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Hub{
		store: cfg.Store, cfg: cfg, log: cfg.Logger, metrics: newMetrics(cfg.Registerer),
		upgrade: newUpgrader(), catching: newPlaces(),
		opening: map[string]*Socket{}, sockets: map[string]*Socket{}, devices: map[string]*Socket{}, feeds: map[string]*feed{}, tenants: map[string]int{},
		pings: newWheel(cfg.Limits.PingEvery), renewals: newWheel(cfg.RenewEvery),
	}
}

// Run keeps the sockets alive until the context ends: pings, leases, and a look
// at the streams in case that a wake-up was lost.
func (h *Hub) Run(ctx context.Context) {
	var workers sync.WaitGroup
	workers.Go(func() { every(ctx, h.pings.step, h.pingSome) })
	workers.Go(func() { every(ctx, h.renewals.step, func() { h.renewSome(ctx) }) })
	workers.Go(func() { every(ctx, h.cfg.SweepEvery, h.pokeAll) })
	workers.Wait()
}

func every(ctx context.Context, interval time.Duration, f func()) {
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

// HandleWake is told of every wake-up of the store.
func (h *Hub) HandleWake(w store.Wake) {
	switch {
	case w == store.Wake{}:
		h.pokeAll()
	case w.Kick:
		h.kick(w.Tenant, w.Connection)
	case w.Connection != "":
		h.supersede(w.DeviceID, w.Connection)
	default:
		h.poke(w.Tenant)
	}
}

// pingSome asks the sockets whose turn it is for a sign of life, and gives up those that
// do not give one in time.
func (h *Hub) pingSome() {
	asked := time.Now()
	some := h.due(h.pings, asked)
	for _, s := range some {
		s.conn.ping()
		s.arm()
	}
	time.AfterFunc(h.cfg.Limits.PongWithin, func() {
		for _, s := range some {
			s.conn.giveUpSilent(asked)
		}
	})
}

func (h *Hub) due(w *wheel, now time.Time) []*Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return w.due(now)
}

// all gives the sockets that a condition holds for.
func (h *Hub) all(holds func(*Socket) bool) []*Socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	var some []*Socket
	for _, s := range h.sockets {
		if holds(s) {
			some = append(some, s)
		}
	}
	return some
}

// Count tells how many sockets this instance has.
func (h *Hub) Count() (devices, customers int) {
	for _, s := range h.all(func(*Socket) bool { return true }) {
		if s.Device != "" {
			devices++
		} else {
			customers++
		}
	}
	return devices, customers
}

// reserve takes one of the tenant's places for a socket that opens. It answers the
// code to close with when there is none, or none is given any more.
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

// release gives the place of a socket back.
func (h *Hub) release(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.opening, s.ID())
	if h.tenants[s.Tenant]--; h.tenants[s.Tenant] == 0 {
		delete(h.tenants, s.Tenant)
	}
}

// add takes a socket in and welcomes it: whatever else is sent comes after that.
func (h *Hub) add(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.welcome()
	delete(h.opening, s.ID())
	h.sockets[s.ID()] = s
	h.pings.add(s)
	h.renewals.add(s)
	if s.Device != "" {
		h.succeed(s)
	}
	h.join(s)
	if s.doubted {
		h.lookUp(s)
	}
	if h.draining {
		s.conn.Close(CloseGoingAway, goesAway)
	}
}

// succeed makes a socket that of its device, unless a newer one was faster.
func (h *Hub) succeed(s *Socket) {
	old := h.devices[s.Device]
	switch {
	case old == nil:
	case old.order > s.order:
		s.conn.Close(CloseSuperseded, tookOver)
		return
	default:
		old.conn.Close(CloseSuperseded, tookOver)
	}
	h.devices[s.Device] = s
}

// remove takes a socket out, and what was kept for it.
func (h *Hub) remove(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s.ID())
	h.pings.remove(s)
	h.renewals.remove(s)
	if h.devices[s.Device] == s {
		delete(h.devices, s.Device)
	}
	h.part(s)
}

// supersede has the socket of a device that has opened another one find out which
// of the two is the newer: wake-ups come late, and say nothing of that.
func (h *Hub) supersede(deviceID, other string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.devices[deviceID]; s != nil && s.ID() != other {
		h.lookUp(s)
	}
	for _, s := range h.opening {
		s.doubted = s.doubted || s.Device == deviceID && s.ID() != other
	}
}

// kick closes a socket that somebody wants closed.
func (h *Hub) kick(tenant, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sockets[id]; s != nil && s.Tenant == tenant {
		s.conn.Close(CloseWithdrawn, kicked)
	}
	if s := h.opening[id]; s != nil {
		s.doubted = true
	}
}

// lookUp has the store say whether a socket may stay.
func (h *Hub) lookUp(s *Socket) {
	go func() { _ = h.renew(context.Background(), s) }()
}

// What clients are told when they are closed.
const (
	goesAway = "this instance goes away"
	tookOver = "a newer socket took over"
	kicked   = "closed by an administrator"
)

// Drain sends the sockets away, spread over a window so that they do not come
// back all at once: first a word, then the close. It returns when all are gone
// or the context ends.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	leaving := h.all(func(*Socket) bool { return true })
	rand.Shuffle(len(leaving), func(i, j int) { leaving[i], leaving[j] = leaving[j], leaving[i] })
	for i, s := range leaving {
		after := window * time.Duration(i) / time.Duration(len(leaving))
		s.goAway()
		time.AfterFunc(after, func() { s.conn.Close(CloseGoingAway, goesAway) })
	}
	for _, s := range leaving {
		select {
		case <-s.conn.Gone():
		case <-ctx.Done():
			return
		}
	}
}

// goAway tells a socket that it will be closed, and how long to wait after that
// before it comes back: not the same for all.
func (s *Socket) goAway() {
	retry := 200*time.Millisecond + rand.N(2*time.Second)
	s.push(typeGoingAway, map[string]int64{"retryAfterMs": retry.Milliseconds()})
}

var errBusy = &fieldgate.Error{
	Code: fieldgate.CodeRateLimited, Detail: "Too many frames of this socket are being answered.", RetryAfter: time.Second,
}
