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

// OpenRequest says who opens a socket, and how its frames are served.
type OpenRequest struct {
	Tenant string
	Device string // the device's id; empty for a person
	User   string // the person's id; empty for a device
	Agent  string // what the client calls itself, for the list of connections

	// RequestID is that of the handshake, for logs and for the event that tells of
	// a device that is there again.
	RequestID string

	// ExpiresAt is when the principal's token ends; the zero time for one that is
	// looked after by Verify alone.
	ExpiresAt time.Time

	// Serve answers a frame. What it returns is the data of the reply, or the
	// problem of the error frame.
	Serve func(ctx context.Context, s *Socket, f Frame) (any, error)

	// Verify tells whether the principal may still be here: zero if so, else the code
	// to close with. That it cannot be told is no reason to close.
	Verify func(ctx context.Context) CloseCode

	// Header goes into the answer to the handshake.
	Header http.Header
}

// Socket is the open socket of a device or a person.
type Socket struct {
	OpenRequest
	hub    *Hub
	conn   *Conn
	opened time.Time
	turn   uint8 // of the hub's wheels

	// What the registration gave: the end of the event stream at that moment, and a
	// number that is higher for the newer of two sockets of a device.
	from  streamID
	order int64

	doubted bool // while it was opening it may have been ended; of the hub's lock

	registration sync.Mutex // one change of it at a time
	withdrawn    bool       // for good; of the registration's lock

	mu       sync.Mutex  // of what follows, and of ExpiresAt
	noticed  bool        // that the token ends soon was told
	timer    *time.Timer // if something is to be done before the next turn
	verified time.Time

	rooms []*subscription // of the feed's lock
}

// ID names the connection.
func (s *Socket) ID() string { return s.conn.ID }

func (h *Hub) newSocket(o OpenRequest) *Socket {
	o.Header = nil // nothing of the handshake is kept
	s := &Socket{OpenRequest: o, hub: h, opened: time.Now(), turn: newTurn()}
	s.verified = s.opened
	s.conn = newConn(&h.cfg.Limits)
	s.conn.serve, s.conn.ended, s.conn.answer = s.serve, s.ended, h.problem
	return s
}

// refuse closes a socket as soon as it is open: a page in a browser sees no status
// of a handshake, but it sees the code of a close.
func (s *Socket) refuse(w http.ResponseWriter, r *http.Request, header http.Header, code CloseCode) error {
	if err := s.upgrade(w, r, header); err != nil {
		return err
	}
	s.conn.ended = func(*Conn, CloseCode) { s.hub.metrics.closed(s, code) }
	s.goAway()
	s.conn.Close(code, "")
	s.conn.start()
	return nil
}

// start takes the socket in and begins to read.
func (s *Socket) start() {
	s.hub.metrics.add(s, 1)
	s.hub.add(s)
	s.arm()
	s.conn.start()
}

// welcome is the first frame.
func (s *Socket) welcome() {
	s.push(typeWelcome, map[string]any{
		"connectionId": s.ID(), "serverTime": fieldgate.At(time.Now()), "pingIntervalMs": s.hub.cfg.Limits.PingEvery.Milliseconds(),
	})
}

func (s *Socket) ended(_ *Conn, code CloseCode) {
	s.stopTimer()
	s.hub.remove(s)
	s.hub.release(s)
	s.hub.disconnect(s)
	s.hub.metrics.add(s, -1)
	s.hub.metrics.closed(s, code)
	s.hub.log.Info("socket closed", "connection", s.ID(), "principal", s.actor(), "code", int(code),
		"seconds", time.Since(s.opened).Seconds(), "requestId", s.RequestID)
}

// actor names who is connected, in events and logs.
func (s *Socket) actor() string {
	if s.Device != "" {
		return store.ActorDevice(s.Device)
	}
	return store.ActorUser(s.User)
}

// serve answers one frame: exactly one answer for one that carries a requestId.
func (s *Socket) serve(c *Conn, f Frame) {
	started := time.Now()
	data, err := s.ask(c.Context(), f)
	c.served()
	switch {
	case c.Context().Err() != nil:
		return
	case err != nil:
		_ = c.Send(s.hub.problem(err, f))
	default:
		s.reply(f, data)
	}
	s.report(f, err, time.Since(started))
	if err != nil && fieldgate.CodeOf(err) == fieldgate.CodeUnauthorized {
		s.verify()
	}
}

// ask has a frame served. A panic is a fault in serving this one, and ends neither
// the socket nor the instance.
func (s *Socket) ask(ctx context.Context, f Frame) (data any, err error) {
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

func (s *Socket) reply(f Frame, data any) {
	if subscribed, ok := data.(Subscribed); ok {
		// What was missed may take long, and is no part of the answer.
		defer func() { go subscribed.begin() }()
	}
	if data == nil {
		data = struct{}{}
	}
	if f.RequestID == "" {
		return
	}
	text, err := encodeFrame(typeReply, f.RequestID, data)
	if err != nil {
		text = s.hub.problem(fmt.Errorf("writing a reply: %w", err), f)
	}
	_ = s.conn.Send(text)
}

// problem writes an error frame.
func (h *Hub) problem(err error, f Frame) []byte {
	text, failed := encodeFrame(typeError, f.RequestID, h.cfg.Problem(err, f.ID))
	if failed != nil {
		h.log.Error("writing an error frame", "error", failed)
	}
	return text
}

// report writes one line of the log for a frame, as there is one for a request. It
// has nothing of what the frame holds, which may be secret.
func (s *Socket) report(f Frame, err error, took time.Duration) {
	line := []slog.Attr{
		slog.String("type", f.Type), slog.String("requestId", f.ID), slog.String("connection", s.ID()),
		slog.String("principal", s.actor()), slog.Float64("durationMs", float64(took.Microseconds())/1000),
	}
	level := logLevel(f, err)
	if err != nil {
		line = append(line, slog.String("code", string(fieldgate.CodeOf(err))))
	}
	if level >= slog.LevelWarn {
		line = append(line, slog.String("error", err.Error()))
	}
	s.hub.log.LogAttrs(context.Background(), level, "frame", line...)
}

// logLevel keeps pings out of the usual log, and refusals from looking like faults.
func logLevel(f Frame, err error) slog.Level {
	switch {
	case err == nil && f.Type == typePing:
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

// push sends a frame that nobody asked for.
func (s *Socket) push(kind string, data any) {
	text, err := encodeFrame(kind, "", data)
	if err != nil {
		s.hub.log.Error("writing a frame", "type", kind, "error", err)
		return
	}
	_ = s.conn.Send(text)
}

// noticeBefore is how long before its end a token is announced to expire.
const noticeBefore = 60 * time.Second

// Renew makes the socket live until a later moment, with a word a minute before.
func (s *Socket) Renew(until time.Time) {
	s.stopTimer()
	s.mu.Lock()
	s.ExpiresAt, s.noticed = until, false
	s.mu.Unlock()
	s.arm()
}

// arm sets the timer for what the end of the token has to bring before the next turn of
// the socket. Most tokens live longer, so that few sockets have one.
func (s *Socket) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ExpiresAt.IsZero() || s.timer != nil || s.conn.Context().Err() != nil {
		return
	}
	if wait := time.Until(s.nextMoment()); wait < 2*s.hub.cfg.Limits.PingEvery {
		s.timer = time.AfterFunc(wait, s.age)
	}
}

// nextMoment is when the client is told next: that the token ends soon, or that it
// has ended. The lock is held.
func (s *Socket) nextMoment() time.Time {
	if s.noticed {
		return s.ExpiresAt
	}
	return s.ExpiresAt.Add(-noticeBefore)
}

// age tells the client what its token has come to.
func (s *Socket) age() {
	s.mu.Lock()
	until, now := s.ExpiresAt, time.Now()
	s.timer = nil
	tell := !s.noticed && !now.Before(s.nextMoment())
	s.noticed = s.noticed || tell
	s.mu.Unlock()
	if tell {
		s.push("token_expiring", map[string]any{"expiresAt": fieldgate.At(until)})
	}
	if !now.Before(until) {
		s.conn.Close(CloseExpired, "token expired")
	}
	s.arm()
}

func (s *Socket) stopTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
