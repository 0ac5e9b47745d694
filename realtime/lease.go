package realtime

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate"
	devicelua "github.com/fieldgate/fieldgate/device/lua"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// files holds the Lua scripts.
//
//go:embed lua/*.lua
var files embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("realtime", files, devicelua.Library)

var (
	connectScript    = Scripts.Script("lua/connect_socket.lua")
	renewScript      = Scripts.Script("lua/renew_socket.lua")
	renewManyScript  = Scripts.Script("lua/renew_sockets.lua")
	disconnectScript = Scripts.Script("lua/disconnect_socket.lua")
	kickScript       = Scripts.Script("lua/kick_socket.lua")
)

// Connection describes an open socket on any instance.
type Connection struct {
	ID       string
	Kind     string // "device" or "customer"
	DeviceID string
	UserID   string
	Names    fieldgate.Names // names of the user when the socket was opened
	Agent    string          // the client's User-Agent
	Since    time.Time
}

// Actor returns the actor that has opened the socket, in the form of store.ParseActor.
func (c Connection) Actor() string { return actorOf(c.DeviceID, c.UserID) }

// connectionRecord is the stored form of a Connection.
type connectionRecord struct {
	Kind   string `json:"kind"`
	Device string `json:"device,omitempty"`
	User   string `json:"user,omitempty"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Agent  string `json:"agent,omitempty"`
	Since  int64  `json:"since"` // Unix ms
}

// register writes a socket's registration to the store, where all instances can read it.
// A device's newest socket replaces the device's older socket on any instance. Refusal:
// unauthorized for a device that is suspended or decommissioned, and quota_exceeded.
func (h *Hub) register(ctx context.Context, s *Socket) error {
	scope := s.scope()
	scope.RequestID = s.RequestID
	reply, err := h.store.Run(ctx, connectScript, s.keys(), s.args(scope)...)
	if err != nil {
		return fmt.Errorf("registering a connection: %w", err)
	}
	if err := refusal.Of(reply); err != nil {
		return err
	}
	s.registeredAt, _ = store.ParseStreamID(reply.String(2))
	s.order = reply.Int(3)
	return nil
}

// keys returns the keys of the connection's record, and of the tenant's index of connections,
// event stream, leases of sockets and usage record. For a device's socket, the device's key
// set follows.
func (s *Socket) keys() []string {
	t := store.Tenant(s.Tenant)
	keys := []string{t.ConnectionKey(s.ID()), t.ConnectionsKey(), t.StreamKey(), t.SocketLeasesKey(), t.UsageKey()}
	if s.Device != "" {
		keys = append(keys, store.Device{Tenant: s.Tenant, ID: s.Device}.Keys()...)
	}
	return keys
}

func (s *Socket) scope() store.Scope {
	return store.NewScope(store.Device{Tenant: s.Tenant, ID: s.Device}, s.actor(), "", s.hub.cfg.Retention)
}

// args returns the arguments of the scripts that connect, renew and disconnect a socket.
func (s *Socket) args(scope store.Scope) []any {
	cfg := s.hub.cfg
	return scope.Args(s.ID(), cfg.Lease.Milliseconds(), s.encodeRecord(), cfg.OnlineFor.Milliseconds(), cfg.SocketQuota)
}

func (s *Socket) encodeRecord() string {
	content, _ := json.Marshal(connectionRecord{ // strings and numbers can always be encoded
		Kind: s.kind(), Device: s.Device, User: s.User, Name: s.Names.Name, Email: s.Names.Email, Agent: s.Agent, Since: s.openedAt.UnixMilli(),
	})
	return string(content)
}

// unregister removes a socket's registration from the store. It leaves the device's state
// unchanged if the device has registered a newer socket.
func (h *Hub) unregister(s *Socket) {
	s.endRenewals()
	if _, err := h.store.Run(context.Background(), disconnectScript, s.keys(), s.args(s.scope())...); err != nil {
		h.log.Warn("unregistering a connection failed; its lease will expire", "connection", s.ID(), "error", err)
	}
}

// Connections returns a page of a tenant's open sockets on all instances, ordered by
// id, and the cursor of the next page.
func (h *Hub) Connections(ctx context.Context, tenant string, page store.Page) ([]Connection, string, error) {
	ids, next, err := h.connectionIDs(ctx, tenant, page)
	if err != nil {
		return nil, "", err
	}
	connections, expired, err := h.readConnections(ctx, tenant, ids)
	if err != nil {
		return nil, "", err
	}
	return connections, next, h.removeFromIndex(ctx, store.Tenant(tenant), expired)
}

// All returns an iterator over a tenant's open sockets on all instances. Unlike Connections, it
// leaves expired connections in the index, for a caller that must not write.
func (h *Hub) All(ctx context.Context, tenant string) iter.Seq2[Connection, error] {
	return store.All(func(page store.Page) ([]Connection, string, error) {
		ids, next, err := h.connectionIDs(ctx, tenant, page)
		if err != nil {
			return nil, "", err
		}
		found, _, err := h.readConnections(ctx, tenant, ids)
		return found, next, err
	})
}

// connectionIDs returns a page of the index of a tenant's connections, and the cursor of the next
// page.
func (h *Hub) connectionIDs(ctx context.Context, tenant string, page store.Page) (ids []string, next string, err error) {
	ids, err = h.store.Members(ctx, store.Listing{Key: store.Tenant(tenant).ConnectionsKey()}, page)
	if err != nil {
		return nil, "", fmt.Errorf("listing connections: %w", err)
	}
	if len(ids) > page.Limit {
		ids = ids[:page.Limit]
		next = store.CursorAfter(ids[page.Limit-1])
	}
	return ids, next, nil
}

// readConnections reads the records of the connections with these ids. A connection without a
// record has expired, for example because its instance died. The ids of such connections are in
// expired.
func (h *Hub) readConnections(ctx context.Context, tenant string, ids []string) (found []Connection, expired []any, err error) {
	t := store.Tenant(tenant)
	records := make([]*redis.StringCmd, len(ids))
	err = h.store.Do(ctx, "read_connections", func(ctx context.Context, c store.Client) error {
		pipe := c.Pipeline()
		for i, id := range ids {
			records[i] = pipe.Get(ctx, t.ConnectionKey(id))
		}
		return store.ExecReads(ctx, pipe)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading connections: %w", err)
	}
	for i, id := range ids {
		if connection, ok := parseConnection(id, records[i].Val()); ok {
			found = append(found, connection)
		} else {
			expired = append(expired, id)
		}
	}
	return found, expired, nil
}

// parseConnection parses the record of a connection. It returns false if the content is
// not a record.
func parseConnection(id, content string) (Connection, bool) {
	var r connectionRecord
	if json.Unmarshal([]byte(content), &r) != nil {
		return Connection{}, false
	}
	return Connection{
		ID: id, Kind: r.Kind, DeviceID: r.Device, UserID: r.User, Names: fieldgate.Names{Name: r.Name, Email: r.Email},
		Agent: r.Agent, Since: time.UnixMilli(r.Since).UTC(),
	}, true
}

// removeFromIndex removes the connections with these ids from the tenant's index. If such
// a connection is still open, the next renewal of its lease adds it again.
func (h *Hub) removeFromIndex(ctx context.Context, t store.Tenant, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	return h.store.Do(ctx, "clear_connections", func(ctx context.Context, c store.Client) error {
		return c.ZRem(ctx, t.ConnectionsKey(), ids...).Err()
	})
}

// Kick closes a tenant's socket on any instance. Refusal: connection_not_found.
func (h *Hub) Kick(ctx context.Context, tenant, id string) error {
	t := store.Tenant(tenant)
	keys := []string{t.ConnectionKey(id), t.ConnectionsKey(), t.SocketLeasesKey()}
	reply, err := h.store.Run(ctx, kickScript, keys, tenant, id, h.cfg.Lease.Milliseconds())
	if err != nil {
		return fmt.Errorf("closing a connection: %w", err)
	}
	return refusal.Of(reply)
}
