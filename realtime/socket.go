package realtime

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// OpenRequest describes a socket to open: its principal, and the functions that serve its
// frames.
type OpenRequest struct {
	Tenant string
	Device string          // id of the device; empty for a user
	User   string          // id of the user; empty for a device
	Names  fieldgate.Names // names of the user, for the list of connections
	Agent  string          // User-Agent of the client, for the list of connections

	// RequestID is the request id of the handshake. It appears in logs and in the event
	// device.presence, which the connection may cause.
	RequestID string

	// ExpiresAt is the expiry of the principal's token. Zero means that the socket is
	// not closed at a fixed time: only Verify checks the token.
	ExpiresAt time.Time

	// Serve serves a frame. It returns the data of the reply. If it returns an error, the
	// client gets an error frame instead.
	Serve func(ctx context.Context, s *Socket, f Frame) (any, error)

	// Verify re-verifies the principal. It returns zero if the socket may stay open, and
	// otherwise the code for the close frame. It also returns zero if the check itself
	// fails, for example because the store does not respond. For a user it is called at each
	// renewal, so it should not call the store.
	Verify func(ctx context.Context) CloseCode

	// Header holds headers to add to the handshake's response.
	Header http.Header
}

// Socket is the socket of a device or a user.
type Socket struct {
	OpenRequest
	hub      *Hub
	conn     *Conn
	openedAt time.Time
	slot     uint8 // slot in the hub's wheels

	// register sets these two fields. registeredAt is the end of the event stream at the
	// time of the registration. Of two sockets of a device, the newer one has the higher
	// order.
	registeredAt store.StreamID
	order        int64

	recheck  bool // the socket must be renewed once it is open; guarded by Hub.mu
	reverify bool // the principal must be re-verified once the socket is open; guarded by Hub.mu

	renewals sync.WaitGroup // counts running renewal scripts; see beginRenewal

	mu              sync.Mutex // guards the fields below and ExpiresAt; see Hub for the lock order
	unregistered    bool
	expiryAnnounced bool        // the token_expiring frame was sent
	timer           *time.Timer // timer that calls handleExpiry; nil if handleExpiry is not due soon
	verifiedAt      time.Time

	subscriptions []*subscription // guarded by the feed's lock
}

// ID returns the id of the connection.
func (s *Socket) ID() string { return s.conn.ID }

func (h *Hub) newSocket(o OpenRequest) *Socket {
	o.Header = nil // do not retain memory of the handshake
	s := &Socket{OpenRequest: o, hub: h, openedAt: time.Now(), slot: randomSlot()}
	s.verifiedAt = s.openedAt
	s.conn = newConn(&h.cfg.Limits)
	s.conn.serve, s.conn.onClose, s.conn.errorFrame = s.serve, s.closed, h.errorFrame
	s.conn.onDone, s.conn.newMemory, s.conn.overloaded = s.connectionClosed, s.newMemory, s.closeOverloaded
	return s
}

// refuse opens a socket and closes it at once with a code. A web page can read that code,
// but not the HTTP status of a failed handshake.
func (s *Socket) refuse(w http.ResponseWriter, r *http.Request, header http.Header, code CloseCode) error {
	if err := s.upgrade(w, r, header); err != nil {
		return err
	}
	s.closeUnregistered(code)
	return nil
}

// closeUnregistered closes an upgraded socket that the hub does not hold. It first
// announces when to reconnect, unless the principal has lost its rights.
func (s *Socket) closeUnregistered(code CloseCode) {
	s.conn.onClose = func(*Conn, CloseCode) { s.hub.metrics.closed(s, code) }
	if code != CloseWithdrawn {
		s.pushGoingAway()
	}
	s.conn.Close(code, "")
	s.conn.start()
}

// start adds the socket to the hub and starts reading.
func (s *Socket) start() {
	s.hub.metrics.add(s, 1)
	s.hub.add(s)
	s.scheduleExpiry()
	s.conn.start()
}

// acceptedFields are the optional fields of the frames of a client. An earlier release, which refuses
// them, announces none.
var acceptedFields = []string{"traceparent"}

// welcome queues the welcome frame, which is the first frame of every socket.
func (s *Socket) welcome() {
	s.push(typeWelcome, map[string]any{
		"connectionId": s.ID(), "serverTime": fieldgate.At(time.Now()), "pingIntervalMs": s.hub.cfg.Limits.PingEvery.Milliseconds(),
		"accepts": acceptedFields,
	})
}

// closed removes the socket from the hub and the store after it was closed.
func (s *Socket) closed(_ *Conn, code CloseCode) {
	s.stopTimer()
	s.hub.remove(s)
	s.hub.release(s)
	s.hub.unregister(s)
	s.hub.metrics.add(s, -1)
	s.hub.metrics.closed(s, code)
	s.hub.log.Info("socket closed", "connection", s.ID(), "tenant", s.Tenant, "principal", s.actor(), "code", int(code),
		"seconds", time.Since(s.openedAt).Seconds(), "requestId", s.RequestID)
}

// actor returns the principal's name for events and logs.
func (s *Socket) actor() string { return actorOf(s.Device, s.User) }

// actorOf returns the actor for a device, or for a user if the id of the device is empty.
func actorOf(deviceID, userID string) string {
	if deviceID != "" {
		return store.ActorDevice(deviceID)
	}
	return store.ActorUser(userID)
}

// newMemory returns what counts the bytes of a frame of the socket.
func (s *Socket) newMemory() *memory {
	return &memory{tenant: s.Tenant, take: s.hub.cfg.Hold, free: s.hub.cfg.Free}
}

// closeOverloaded closes the socket because the instance cannot hold its frame. It first
// announces when to reconnect.
func (s *Socket) closeOverloaded() {
	s.pushGoingAway()
	s.conn.Close(CloseOverloaded, "too many bytes of frames are held")
}

// serve serves one frame and sends its reply or error frame.
func (s *Socket) serve(c *Conn, f Frame) {
	defer f.memory.release()
	started := time.Now()
	f.Log = &FrameLog{}
	data, err := s.call(c.Context(), f)
	c.frameServed()
	switch {
	case c.Context().Err() != nil:
		return
	case err != nil:
		_ = c.Send(s.hub.errorFrame(err, f))
	default:
		s.reply(f, data)
	}
	took := time.Since(started)
	s.hub.metrics.served(f, err, took)
	s.logFrame(f, err, took)
	if err != nil && fieldgate.IsUnauthorized(err) {
		s.verify()
	}
}

// call calls Serve. If Serve panics, call returns an error for the error frame. The
// socket and the process continue.
func (s *Socket) call(ctx context.Context, f Frame) (data any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			data, err = nil, fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	if f.Type == typePing {
		return nil, f.requireNoData()
	}
	return s.Serve(ctx, s, f)
}

// reply sends the reply frame, unless the client expects no reply. If data is a
// Subscribed, reply also starts the delivery of events. The delivery may take a long time,
// and must start after the reply.
func (s *Socket) reply(f Frame, data any) {
	if subscribed, ok := data.(Subscribed); ok {
		defer func() { go subscribed.start() }()
	}
	if data == nil {
		data = struct{}{}
	}
	if f.RequestID == "" {
		return
	}
	text, err := encodeFrame(typeReply, f.RequestID, data)
	if err != nil {
		text = s.hub.errorFrame(fmt.Errorf("encoding a reply: %w", err), f)
	}
	_ = s.conn.Send(text)
}

// errorFrame returns the error frame for err, which occurred while f was served.
func (h *Hub) errorFrame(err error, f Frame) []byte {
	text, failed := encodeFrame(typeError, f.RequestID, h.cfg.Problem(err, f.ID))
	if failed != nil {
		h.log.Error("encoding an error frame failed", "requestId", f.ID, "error", failed)
	}
	return text
}

// logFrame logs a served frame, like a request in the access log. It does not log the
// frame's data, which may be secret.
func (s *Socket) logFrame(f Frame, err error, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("type", f.Type), slog.String("requestId", f.ID), slog.String("connection", s.ID()),
		slog.String("tenant", s.Tenant), slog.String("principal", s.actor()),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
	}
	attrs = s.appendIDs(attrs, f.Log)
	level := logLevel(f, err)
	if err != nil {
		attrs = append(attrs, slog.String("code", string(fieldgate.CodeOf(err))))
	}
	if reason := fieldgate.ReasonOf(err); reason != "" {
		attrs = append(attrs, slog.String("reason", string(reason)))
		s.hub.cfg.Unauthenticated(reason)
	}
	if level >= slog.LevelWarn {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.hub.log.LogAttrs(context.Background(), level, "frame", attrs...)
}

// appendIDs appends the ids of what a frame concerns, as far as they are known. The names are those of
// the access log.
func (s *Socket) appendIDs(attrs []slog.Attr, log *FrameLog) []slog.Attr {
	for _, id := range [...]struct{ name, value string }{
		{"device", s.Device}, {"user", s.User}, {"session", log.Session}, {"command", log.Command}, {"traceId", log.TraceID},
	} {
		if id.value != "" {
			attrs = append(attrs, slog.String(id.name, id.value))
		}
	}
	return attrs
}

// logLevel returns the level at which a frame is logged. Pings and heartbeats are logged at debug. A
// refusal is logged at info, because it is not a fault of the gateway.
func logLevel(f Frame, err error) slog.Level {
	switch {
	case err == nil && (f.Type == typePing || f.Type == "heartbeat"):
		return slog.LevelDebug
	case err == nil:
		return slog.LevelInfo
	case fieldgate.CodeOf(err) == fieldgate.CodeInternal:
		return slog.LevelError
	case fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// push sends the client a frame that is not a reply.
func (s *Socket) push(kind string, data any) {
	text, err := encodeFrame(kind, "", data)
	if err != nil {
		s.hub.log.Error("encoding a frame failed", "type", kind, "error", err)
		return
	}
	_ = s.conn.Send(text)
}

// noticeBefore is the time between the token_expiring frame and the token's expiry.
const noticeBefore = 60 * time.Second

// Renew sets the expiry of the socket's token. It is called after the client has sent a
// newer token.
func (s *Socket) Renew(expiresAt time.Time) {
	s.stopTimer()
	s.mu.Lock()
	s.ExpiresAt, s.expiryAnnounced = expiresAt, false
	s.mu.Unlock()
	s.scheduleExpiry()
}

// scheduleExpiry sets the timer for handleExpiry if it is due before the next two pings.
// Each ping calls scheduleExpiry again. Most tokens expire later than that, so only few
// sockets hold a timer.
func (s *Socket) scheduleExpiry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ExpiresAt.IsZero() || s.timer != nil || s.conn.Context().Err() != nil {
		return
	}
	if wait := time.Until(s.nextExpiryStep()); wait < 2*s.hub.cfg.Limits.PingEvery {
		s.timer = time.AfterFunc(wait, s.handleExpiry)
	}
}

// nextExpiryStep returns the time at which handleExpiry must run: first to announce
// the expiry, then to close the socket. The caller holds s.mu.
func (s *Socket) nextExpiryStep() time.Time {
	if s.expiryAnnounced {
		return s.ExpiresAt
	}
	return s.ExpiresAt.Add(-noticeBefore)
}

// handleExpiry announces that the token will expire. It closes the socket if the token
// has expired.
func (s *Socket) handleExpiry() {
	s.mu.Lock()
	expiresAt, now := s.ExpiresAt, time.Now()
	s.timer = nil
	announce := !s.expiryAnnounced && !now.Before(s.nextExpiryStep())
	s.expiryAnnounced = s.expiryAnnounced || announce
	s.mu.Unlock()
	if announce {
		s.push("token_expiring", map[string]any{"expiresAt": fieldgate.At(expiresAt)})
	}
	if !now.Before(expiresAt) {
		s.conn.Close(CloseExpired, "token expired")
	}
	s.scheduleExpiry()
}

func (s *Socket) stopTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
