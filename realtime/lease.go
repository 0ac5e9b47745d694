package realtime

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var (
	connectScript    = store.NewScript(files, "lua/connect_socket.lua")
	renewScript      = store.NewScript(files, "lua/renew_socket.lua")
	renewManyScript  = store.NewScript(files, "lua/renew_sockets.lua")
	disconnectScript = store.NewScript(files, "lua/disconnect_socket.lua")
	kickScript       = store.NewScript(files, "lua/kick_socket.lua")
)

// Connection is a socket of any instance, as people see it.
type Connection struct {
	ID       string
	Kind     string // "device" or "customer"
	DeviceID string
	UserID   string
	Agent    string
	Since    time.Time
}

// record is a connection as the store keeps it.
type record struct {
	Kind   string `json:"kind"`
	Device string `json:"device,omitempty"`
	User   string `json:"user,omitempty"`
	Agent  string `json:"agent,omitempty"`
	Since  int64  `json:"since"` // Unix ms
}

// connect registers a socket for all instances. A device's newest socket takes
// the place of an older one, wherever that is. Refusal: unauthorized for a device
// that is shut out.
func (h *Hub) connect(ctx context.Context, s *Socket) error {
	scope := s.scope()
	scope.RequestID = s.RequestID
	reply, err := h.store.Run(ctx, connectScript, s.keys(), s.args(scope)...)
	if err != nil {
		return fmt.Errorf("registering a connection: %w", err)
	}
	if !reply.OK() {
		return errShutOut
	}
	s.from, _ = parseStreamID(reply.String(2))
	s.order = reply.Int(3)
	return nil
}

// keys are the record and the index of the connection and the event stream, and
// the device's key set for a device's.
func (s *Socket) keys() []string {
	t := store.Tenant(s.Tenant)
	keys := []string{t.ConnectionKey(s.ID()), t.ConnectionsKey(), t.StreamKey()}
	if s.Device != "" {
		keys = append(keys, store.Device{Tenant: s.Tenant, ID: s.Device}.Keys()...)
	}
	return keys
}

func (s *Socket) scope() store.Scope {
	return store.Scope{
		Device: store.Device{Tenant: s.Tenant, ID: s.Device}, Actor: s.actor(), Retention: s.hub.cfg.Retention,
	}
}

// args are those of all scripts on a connection.
func (s *Socket) args(scope store.Scope) []any {
	cfg := s.hub.cfg
	return scope.Args(s.ID(), cfg.Lease.Milliseconds(), s.record(), cfg.OnlineFor.Milliseconds())
}

// record is the socket as the store keeps it.
func (s *Socket) record() string {
	content, _ := json.Marshal(record{ // strings and a number can always be written
		Kind: s.kind(), Device: s.Device, User: s.User, Agent: s.Agent, Since: s.opened.UnixMilli(),
	})
	return string(content)
}

// disconnect takes a socket's registration back, unless a newer one of the same
// device has taken its place.
func (h *Hub) disconnect(s *Socket) {
	s.registration.Lock()
	defer s.registration.Unlock()
	s.withdrawn = true
	if _, err := h.store.Run(context.Background(), disconnectScript, s.keys(), s.args(s.scope())...); err != nil {
		h.log.Warn("unregistering a connection; its lease will end", "connection", s.ID(), "error", err)
	}
}

// Connections lists the sockets of a tenant, on all instances, by id, and the
// cursor of the next page.
func (h *Hub) Connections(ctx context.Context, tenant string, page store.Page) ([]Connection, string, error) {
	ids, err := h.store.Members(ctx, store.Listing{Key: store.Tenant(tenant).ConnectionsKey()}, page)
	if err != nil {
		return nil, "", fmt.Errorf("listing connections: %w", err)
	}
	next := ""
	if len(ids) > page.Limit {
		ids = ids[:page.Limit]
		next = store.CursorAfter(ids[page.Limit-1])
	}
	records, err := h.records(ctx, tenant, ids)
	return records, next, err
}

// records reads the connections that are still there. What is left of those of an
// instance that died is cleared away.
func (h *Hub) records(ctx context.Context, tenant string, ids []string) (found []Connection, err error) {
	t := store.Tenant(tenant)
	contents := make([]*redis.StringCmd, len(ids))
	err = h.store.Do(ctx, "read_connections", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			contents[i] = pipe.Get(ctx, t.ConnectionKey(id))
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("reading connections: %w", err)
	}
	var ended []any
	for i, id := range ids {
		if one, ok := connection(id, contents[i].Val()); ok {
			found = append(found, one)
		} else {
			ended = append(ended, id)
		}
	}
	return found, h.clear(ctx, t, ended)
}

// connection reads a record; false for one that is not there any more.
func connection(id, content string) (Connection, bool) {
	var r record
	if json.Unmarshal([]byte(content), &r) != nil {
		return Connection{}, false
	}
	return Connection{
		ID: id, Kind: r.Kind, DeviceID: r.Device, UserID: r.User, Agent: r.Agent, Since: time.UnixMilli(r.Since).UTC(),
	}, true
}

// clear takes connections out of the index. One that is there after all puts itself
// back with its next sign of life.
func (h *Hub) clear(ctx context.Context, t store.Tenant, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	return h.store.Do(ctx, "clear_connections", func(ctx context.Context, c store.Client) error {
		return c.ZRem(ctx, t.ConnectionsKey(), ids...).Err()
	})
}

// Kick closes a socket of a tenant, wherever it is. It answers false when there
// is none of that id.
func (h *Hub) Kick(ctx context.Context, tenant, id string) (bool, error) {
	t := store.Tenant(tenant)
	keys := []string{t.ConnectionKey(id), t.ConnectionsKey()}
	reply, err := h.store.Run(ctx, kickScript, keys, tenant, id, h.cfg.Lease.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("closing a connection: %w", err)
	}
	return reply.OK(), nil
}

var errShutOut = fieldgate.Refuse(fieldgate.CodeUnauthorized, "The token is missing, expired or not valid.")
