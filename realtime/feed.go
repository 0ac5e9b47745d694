package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// feed reads the event stream of one tenant for all of the tenant's sockets on this
// instance. A wake-up carries no event: it only starts a read of the stream. If a wake-up
// is lost, the next sweep delivers the events.
type feed struct {
	hub      *Hub
	tenant   string
	catchUps semaphore // limits how many of the tenant's subscriptions read missed events at the same time

	ctx    context.Context // ends when the tenant has no more sockets
	cancel context.CancelFunc

	mu          sync.Mutex // guards the fields below; see Hub for the lock order
	sockets     map[*Socket]struct{}
	rooms       map[string]map[*subscription]struct{}
	seen        store.StreamID  // id of the last event that was read, of which the devices are notified
	position    store.StreamID  // id of the last event that was delivered to the rooms; behind seen while delayed
	delayed     bool            // true while a goroutine runs deliverDelayed
	budget      bucket          // limits the frames that are pushed to the tenant's sockets
	reading     bool            // true while a goroutine runs readStream
	reporting   map[string]bool // commands of which the progress is being pushed; true if the device has reported since the last push
	wakePending bool            // a wake-up came during the read that is in progress
}

// event is an entry of the event stream.
type event struct {
	id      store.StreamID
	kind    string
	device  string
	session string
	command string
	frame   eventFrame // frame of the event, without the room
}

// eventFrame is the data of an event frame.
type eventFrame struct {
	Room        string              `json:"room"`
	Offset      string              `json:"offset"`
	Type        string              `json:"type"`
	Time        fieldgate.Timestamp `json:"time"`
	RequestID   string              `json:"requestId,omitempty"`
	Actor       *actor              `json:"actor,omitempty"`
	Details     *actorDetails       `json:"actorDetails,omitempty"`
	Traceparent string              `json:"traceparent,omitempty"`
	Data        map[string]any      `json:"data"`
}

type actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// actorDetails is an actor with the names of a user that were recorded with the event.
type actorDetails struct {
	actor
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// join adds a socket to its tenant's feed. The caller holds h.mu.
//
// A new feed starts at the position at which the socket was registered. It reads the
// stream at once, because no feed received the wake-ups since then. So does an existing feed for
// the socket of a device, whose wake-ups did not concern the feed before. An existing feed may
// be past that position. Events about the socket's device may then have been read before
// the socket was added. So join verifies the socket and pushes the number of claimable
// commands.
func (h *Hub) join(s *Socket) {
	f := h.feeds[s.Tenant]
	created := f == nil
	if created {
		f = h.newFeed(s)
		h.feeds[s.Tenant] = f
	}
	if created || s.Device != "" {
		defer f.wake()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets[s] = struct{}{}
	if s.Device != "" && f.seen.After(s.registeredAt) {
		go s.verify()
		go s.pushAvailable()
	}
}

func (h *Hub) newFeed(s *Socket) *feed {
	f := &feed{
		hub: h, tenant: s.Tenant, catchUps: newSemaphore(), budget: newBucket(h.cfg.Events),
		seen: s.registeredAt, position: s.registeredAt,
		sockets: map[*Socket]struct{}{}, rooms: map[string]map[*subscription]struct{}{}, reporting: map[string]bool{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// leave removes a socket from its tenant's feed. It removes the feed if the feed has no
// other socket. The caller holds h.mu.
func (h *Hub) leave(s *Socket) {
	f := h.feeds[s.Tenant]
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sockets, s)
	for _, sub := range slices.Clone(s.subscriptions) {
		f.unsubscribe(sub)
	}
	if len(f.sockets) == 0 {
		delete(h.feeds, s.Tenant)
		f.cancel()
	}
}

// wake wakes the feed of the tenant of an event. It does nothing if the tenant has no feed on this
// instance, or if the event concerns no socket of the feed. Such a feed reads the event at its next
// wake-up or sweep, together with others.
func (h *Hub) wake(w store.Wake) {
	h.mu.Lock()
	f, s := h.feeds[w.Tenant], h.devices[w.DeviceID]
	h.mu.Unlock()
	if f != nil && (s != nil && !w.RoomsOnly || f.isWatched()) {
		f.wake()
	}
}

// isWatched reports whether a socket is subscribed to a room.
func (f *feed) isWatched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rooms) > 0
}

func (h *Hub) wakeAll() {
	h.mu.Lock()
	feeds := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		feeds = append(feeds, f)
	}
	h.mu.Unlock()
	for _, f := range feeds {
		f.wake()
	}
}

// wake makes the feed read its stream. If a read is in progress, the feed reads again
// after it.
func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reading {
		f.wakePending = true
		return
	}
	f.reading = true
	go f.readStream()
}

// readStream reads the stream up to its end. At most one goroutine runs it. If the store
// fails, readStream returns, and the next sweep continues at the same position.
func (f *feed) readStream() {
	for {
		more, err := f.readPage(context.Background())
		if err != nil {
			f.hub.log.Warn("reading the event stream failed", "tenant", f.tenant, "error", err)
		}
		f.mu.Lock()
		if err != nil || !more && !f.wakePending {
			f.reading, f.wakePending = false, false
			f.mu.Unlock()
			return
		}
		f.wakePending = false
		f.mu.Unlock()
	}
}

// pageSize is the maximum number of events that one read returns.
const pageSize = 200

// readPage reads the next events, notifies the devices and delivers the events to the rooms.
// It reports whether the stream may have more events.
func (f *feed) readPage(ctx context.Context) (more bool, err error) {
	events, err := f.readAfter(ctx, f.lastSeen())
	if err != nil {
		return false, err
	}
	f.logEvents(ctx, events)
	f.noteSeen(events)
	f.notifyDevices(events)
	f.deliverNow(events)
	return len(events) == pageSize, nil
}

// readAfter reads the events after a position. It closes the tenant's subscribers if events
// are missing.
func (f *feed) readAfter(ctx context.Context, from store.StreamID) ([]event, error) {
	events, gap, err := f.hub.readEvents(ctx, f.tenant, from)
	if gap {
		f.hub.log.Warn("closing sockets: the event stream was trimmed before it was read", "tenant", f.tenant)
		f.closeSubscribers()
	}
	return events, err
}

func (f *feed) lastSeen() store.StreamID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// noteSeen records that events were read, before the devices are notified: join relies on it.
func (f *feed) noteSeen(events []event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(events) > 0 {
		f.seen = events[len(events)-1].id
	}
}

func (f *feed) currentPosition() store.StreamID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.position
}

// logEvents logs each event at level debug, to trace when this instance received it.
func (f *feed) logEvents(ctx context.Context, events []event) {
	if !f.hub.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, e := range events {
		f.hub.log.LogAttrs(ctx, slog.LevelDebug, "event", slog.String("type", e.kind), slog.String("offset", e.id.String()),
			slog.String("requestId", e.frame.RequestID), slog.String("device", e.device), slog.String("command", e.command))
	}
}

// rooms returns the rooms that receive the event.
func (e event) rooms() []string {
	rooms := make([]string, 0, 3)
	rooms = append(rooms, RoomTenant)
	if e.device != "" {
		rooms = append(rooms, RoomDevice+e.device)
	}
	if e.session != "" {
		rooms = append(rooms, RoomSession+e.session)
	}
	return rooms
}

// encode returns the event frame for a room.
func (e event) encode(room string) []byte {
	frame := e.frame
	frame.Room = room
	text, _ := encodeFrame("event", "", frame) // no error is possible: the values were decoded from JSON
	return text
}

// readEvents reads the entries of a tenant's stream after the given position, at most
// pageSize. It reports a gap if entries after that position may have been trimmed.
func (h *Hub) readEvents(ctx context.Context, tenant string, position store.StreamID) (events []event, gap bool, err error) {
	key := store.Tenant(tenant).StreamKey()
	var entries []redis.XMessage
	err = h.store.Do(ctx, "read_events", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		page, first := pipe.XRangeN(ctx, key, "("+position.String(), "+", pageSize), pipe.XRangeN(ctx, key, "-", "+", 1)
		_, err := pipe.Exec(ctx)
		entries, gap = page.Val(), position != store.StreamID{} && firstID(first.Val()).After(position)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("reading the event stream: %w", err)
	}
	for _, entry := range entries {
		events = append(events, parseEvent(entry))
	}
	return events, gap, nil
}

const eventsMissed = "events were missed"

// closeSubscribers closes the sockets that have a subscription, because their clients have
// missed events. When a client subscribes again, the reply reports whether the subscription
// could be resumed.
func (f *feed) closeSubscribers() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		if len(s.subscriptions) > 0 {
			s.conn.Close(CloseTooSlow, eventsMissed)
		}
	}
}

// bounds are the ids of the first and the last entry of a tenant's stream, and its length.
type bounds struct {
	first, last store.StreamID
	length      int64
}

// streamBounds reads the bounds of a tenant's stream.
func (h *Hub) streamBounds(ctx context.Context, tenant string) (b bounds, err error) {
	key := store.Tenant(tenant).StreamKey()
	err = h.store.Do(ctx, "event_bounds", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		first, last, length := pipe.XRangeN(ctx, key, "-", "+", 1), pipe.XRevRangeN(ctx, key, "+", "-", 1), pipe.XLen(ctx, key)
		_, err := pipe.Exec(ctx)
		b = bounds{firstID(first.Val()), firstID(last.Val()), length.Val()}
		return err
	})
	return b, err
}

// firstID returns the id of the first entry, or the zero id if there is none.
func firstID(entries []redis.XMessage) store.StreamID {
	if len(entries) == 0 {
		return store.StreamID{}
	}
	id, _ := store.ParseStreamID(entries[0].ID)
	return id
}

func parseEvent(entry redis.XMessage) event {
	stored := store.ParseEvent(entry)
	e := event{kind: stored.Type, device: stored.Device, session: stored.Session, command: stored.Command}
	e.id, _ = store.ParseStreamID(stored.ID)
	ms, _ := strconv.ParseInt(stored.Time, 10, 64)
	e.frame = eventFrame{
		Offset: stored.ID, Type: e.kind, Time: fieldgate.At(time.UnixMilli(ms)), RequestID: stored.Request, Traceparent: stored.Trace,
	}
	e.frame.Actor, e.frame.Details = parseActor(stored.Actor, stored.Name, stored.Email)
	if json.Unmarshal([]byte(stored.Data), &e.frame.Data) != nil || e.frame.Data == nil {
		e.frame.Data = map[string]any{} // the field "data" is optional
	}
	e.addIDs()
	return e
}

// addIDs adds the ids of what the event concerns to the data of its frame.
func (e event) addIDs() {
	for name, id := range map[string]string{"deviceId": e.device, "sessionId": e.session, "commandId": e.command} {
		if id != "" {
			e.frame.Data[name] = id
		}
	}
}

// parseActor parses "user:<id>", "device:<id>" or "system", and returns the actor without and
// with the names. It returns nil if text is empty.
func parseActor(text, name, email string) (*actor, *actorDetails) {
	kind, id := store.ParseActor(text)
	if kind == "" {
		return nil, nil
	}
	short := actor{Kind: kind, ID: id}
	return &short, &actorDetails{short, name, email}
}
