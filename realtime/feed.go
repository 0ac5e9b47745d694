package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// feed reads the event stream of one tenant for all sockets of it that this
// instance has. A wake-up only says that there may be more: the stream tells
// what, so a wake-up that was lost costs time and nothing else.
type feed struct {
	hub      *Hub
	tenant   string
	catching places // of the tenant's subscriptions that read what they missed

	mu      sync.Mutex
	sockets map[*Socket]struct{}
	rooms   map[string]map[*subscription]struct{}
	last    streamID // everything up to here was given to the rooms
	reading bool
	again   bool
}

// streamID is a place in a stream.
type streamID struct{ ms, seq uint64 }

func parseStreamID(text string) (streamID, bool) {
	ms, seq, ok := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	return streamID{a, b}, ok && err1 == nil && err2 == nil
}

func (i streamID) String() string {
	return strconv.FormatUint(i.ms, 10) + "-" + strconv.FormatUint(i.seq, 10)
}

func (i streamID) after(j streamID) bool { return i.ms > j.ms || i.ms == j.ms && i.seq > j.seq }

// event is an entry of the stream, as the rooms get it.
type event struct {
	id      streamID
	kind    string
	device  string
	session string
	command string
	frame   eventFrame
}

// eventFrame is the data of an event frame, but for its room.
type eventFrame struct {
	Room      string              `json:"room"`
	Offset    string              `json:"offset"`
	Type      string              `json:"type"`
	Time      fieldgate.Timestamp `json:"time"`
	RequestID string              `json:"requestId,omitempty"`
	Actor     *actor              `json:"actor,omitempty"`
	Data      map[string]any      `json:"data"`
}

type actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// join gives a socket its tenant's feed. A new feed begins where the socket was
// registered, and looks at once what came since: nobody heard the wake-ups. One that
// is past that place may have passed what concerns the socket. The hub's lock is held.
func (h *Hub) join(s *Socket) {
	f := h.feeds[s.Tenant]
	if f == nil {
		f = &feed{
			hub: h, tenant: s.Tenant, catching: newPlaces(), last: s.from,
			sockets: map[*Socket]struct{}{}, rooms: map[string]map[*subscription]struct{}{},
		}
		h.feeds[s.Tenant] = f
		defer f.poke()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets[s] = struct{}{}
	if s.Device != "" && f.last.after(s.from) {
		go s.verify()
		go s.tellPending()
	}
}

// part takes a socket out of its tenant's feed, which ends with its last one.
// The hub's lock is held.
func (h *Hub) part(s *Socket) {
	f := h.feeds[s.Tenant]
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sockets, s)
	for _, sub := range slices.Clone(s.rooms) {
		f.drop(sub)
	}
	if len(f.sockets) == 0 {
		delete(h.feeds, s.Tenant)
	}
}

// poke has a tenant's feed look at its stream.
func (h *Hub) poke(tenant string) {
	h.mu.Lock()
	f := h.feeds[tenant]
	h.mu.Unlock()
	if f != nil {
		f.poke()
	}
}

func (h *Hub) pokeAll() {
	h.mu.Lock()
	feeds := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		feeds = append(feeds, f)
	}
	h.mu.Unlock()
	for _, f := range feeds {
		f.poke()
	}
}

// poke has the feed read its stream, now or as soon as it is through.
func (f *feed) poke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reading {
		f.again = true
		return
	}
	f.reading = true
	go f.read()
}

// read reads the stream to its end and stops; there is one reader at a time. An
// outage of the store stops it too: the next sweep begins where it was.
func (f *feed) read() {
	for {
		more, err := f.readPage(context.Background())
		if err != nil {
			f.hub.log.Warn("reading the event stream", "error", err)
		}
		f.mu.Lock()
		if err != nil || !more && !f.again {
			f.reading, f.again = false, false
			f.mu.Unlock()
			return
		}
		f.again = false
		f.mu.Unlock()
	}
}

// pageSize is how many events are read at a time.
const pageSize = 200

// readPage gives the next events to the rooms and the devices.
func (f *feed) readPage(ctx context.Context) (more bool, err error) {
	events, gap, err := f.hub.events(ctx, f.tenant, f.place())
	if err != nil {
		return false, err
	}
	if gap {
		f.hub.log.Warn("the event stream was trimmed before it was read: sockets have to begin anew", "tenant", f.tenant)
		f.sendAway()
	}
	f.note(ctx, events)
	f.dispatch(events)
	f.tellDevices(events)
	return len(events) == pageSize, nil
}

// place is up to where the feed has read.
func (f *feed) place() streamID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// note leaves a trace of each event: which instance learnt of it, and when.
func (f *feed) note(ctx context.Context, events []event) {
	if !f.hub.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, e := range events {
		f.hub.log.LogAttrs(ctx, slog.LevelDebug, "event", slog.String("type", e.kind), slog.String("offset", e.id.String()),
			slog.String("requestId", e.frame.RequestID), slog.String("device", e.device), slog.String("command", e.command))
	}
}

// dispatch gives events to the subscriptions that have caught up. Their place and
// the feed's change together, which is what leaves no hole between the two.
func (f *feed) dispatch(events []event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if !e.id.after(f.last) {
			continue
		}
		f.last = e.id
		for _, room := range e.rooms() {
			f.deliver(room, e)
		}
	}
}

// deliver gives an event to a room. A subscription whose socket has no room for it
// falls behind: from then on it reads for itself, as fast as the client does.
func (f *feed) deliver(room string, e event) {
	var text []byte
	for sub := range f.rooms[room] {
		if !sub.live || !e.id.after(sub.position) {
			continue
		}
		if text == nil {
			text = e.text(room)
		}
		if !sub.socket.conn.Offer(text) {
			sub.live = false
			go f.catchUp(sub)
			continue
		}
		sub.position = e.id
	}
}

// rooms are those that an event belongs to.
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

func (e event) text(room string) []byte {
	frame := e.frame
	frame.Room = room
	text, _ := encodeFrame("event", "", frame) // it was made of what the store holds, and can be written
	return text
}

// events reads the entries of a tenant's stream behind a place. A gap means that
// some of them may have been trimmed already.
func (h *Hub) events(ctx context.Context, tenant string, from streamID) (events []event, gap bool, err error) {
	key := store.Tenant(tenant).StreamKey()
	var entries []redis.XMessage
	err = h.store.Do(ctx, "read_events", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		some, first := pipe.XRangeN(ctx, key, "("+from.String(), "+", pageSize), pipe.XRangeN(ctx, key, "-", "+", 1)
		_, err := pipe.Exec(ctx)
		entries, gap = some.Val(), from != streamID{} && idOf(first.Val()).after(from)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("reading the event stream: %w", err)
	}
	for _, entry := range entries {
		events = append(events, readEvent(entry))
	}
	return events, gap, nil
}

const missed = "events were missed"

// sendAway closes the sockets that watch a room: they missed something, and find
// out when they come back.
func (f *feed) sendAway() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.sockets {
		if len(s.rooms) > 0 {
			s.conn.Close(CloseTooSlow, missed)
		}
	}
}

// bounds are the first and the last entry of a tenant's stream, and how many it has.
func (h *Hub) bounds(ctx context.Context, tenant string) (first, last streamID, length int64, err error) {
	key := store.Tenant(tenant).StreamKey()
	err = h.store.Do(ctx, "event_bounds", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		a, b, n := pipe.XRangeN(ctx, key, "-", "+", 1), pipe.XRevRangeN(ctx, key, "+", "-", 1), pipe.XLen(ctx, key)
		_, err := pipe.Exec(ctx)
		first, last, length = idOf(a.Val()), idOf(b.Val()), n.Val()
		return err
	})
	return first, last, length, err
}

func idOf(entries []redis.XMessage) streamID {
	if len(entries) == 0 {
		return streamID{}
	}
	id, _ := parseStreamID(entries[0].ID)
	return id
}

func readEvent(entry redis.XMessage) event {
	field := func(name string) string {
		text, _ := entry.Values[name].(string)
		return text
	}
	e := event{
		kind: field("type"), device: field("device"), session: field("session"), command: field("command"),
	}
	e.id, _ = parseStreamID(entry.ID)
	ms, _ := strconv.ParseInt(field("time"), 10, 64)
	e.frame = eventFrame{
		Offset: entry.ID, Type: e.kind, Time: fieldgate.At(time.UnixMilli(ms)), RequestID: field("request"),
		Actor: readActor(field("actor")),
	}
	if json.Unmarshal([]byte(field("data")), &e.frame.Data) != nil || e.frame.Data == nil {
		e.frame.Data = map[string]any{} // details are optional
	}
	for name, id := range map[string]string{"deviceId": e.device, "sessionId": e.session, "commandId": e.command} {
		if id != "" {
			e.frame.Data[name] = id
		}
	}
	return e
}

// readActor reads "user:<id>", "device:<id>" or "system".
func readActor(text string) *actor {
	kind, id, _ := strings.Cut(text, ":")
	if kind == "" {
		return nil
	}
	if id == "" {
		id = kind
	}
	return &actor{Kind: kind, ID: id}
}
