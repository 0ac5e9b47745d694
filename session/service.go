package session

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

//go:embed lua/*.lua
var files embed.FS

var (
	openScript   = store.NewScript(files, "lua/open_session.lua")
	closeScript  = store.NewScript(files, "lua/close_session.lua")
	readScript   = store.NewScript(files, "lua/read_sessions.lua")
	settleScript = store.NewScript(files, "lua/settle_session.lua")

	reconcileScript = store.NewScript(files, "lua/reconcile_session.lua")
)

// memory is how long the answer to an opening is remembered.
const memory = 24 * time.Hour

// Config says how sessions live.
type Config struct {
	Store *store.Store

	// Retention is how long ended sessions are kept. Default: 30 days.
	Retention time.Duration

	// Logger is told of sessions that were set aside. Default: slog.Default().
	Logger *slog.Logger
}

// Service holds the sessions of all tenants. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	retention time.Duration
	log       *slog.Logger
}

// New makes the service over a store.
func New(cfg Config) *Service {
	if cfg.Retention == 0 {
		cfg.Retention = 30 * 24 * time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Service{store: cfg.Store, retention: cfg.Retention, log: cfg.Logger}
}

// OpenRequest asks for a session.
type OpenRequest struct {
	Tenant         string
	DeviceID       string
	UserID         string
	RequestID      string
	Type           string
	Description    string
	Lasts          time.Duration
	IdempotencyKey string // repeats the first answer for 24 h; empty: no memory
}

// Open opens a session. Refusals: device_not_found, device_not_active,
// session_active (with its id), idempotency_key_reused.
func (s *Service) Open(ctx context.Context, o OpenRequest) (Session, error) {
	if !store.OwnsID(o.Tenant, store.KindDevice, o.DeviceID) {
		return Session{}, errDeviceNotFound
	}
	scope := s.scope(store.Device{Tenant: o.Tenant, ID: o.DeviceID}, store.ActorUser(o.UserID), o.RequestID)
	reply, err := s.open(ctx, o, scope)
	if err == nil && reply.Code() == "stale" {
		if err := s.settle(ctx, scope, reply.String(2)); err != nil {
			return Session{}, err
		}
		reply, err = s.open(ctx, o, scope)
	}
	if err != nil {
		return Session{}, err
	}
	if !reply.OK() {
		return Session{}, refusal(reply)
	}
	return decode(reply.String(2), reply.Map(3), time.Time{}), nil
}

func (s *Service) open(ctx context.Context, o OpenRequest, scope store.Scope) (store.Reply, error) {
	id := store.NewID(store.KindSession, store.PartitionOf(o.Tenant))
	keys := append(recordKeys(scope.Device, id), store.PartitionOf(o.Tenant).TenantsKey())
	keys = append(keys, store.IdempotencyKeys(o.Tenant, o.IdempotencyKey)...)
	mark := store.DigestOf(fmt.Sprintf("open %s %s %q %d", o.DeviceID, o.Type, o.Description, o.Lasts))
	return s.store.Run(ctx, openScript, keys,
		scope.Args(id, o.Type, o.Description, o.Lasts.Milliseconds(), mark, memory.Milliseconds())...)
}

// CloseRequest asks for the end of a session.
type CloseRequest struct {
	Tenant    string
	SessionID string
	UserID    string
	RequestID string
	Reason    string
}

// Close ends a session with all that waits in it. Closing one that has ended
// answers how it ended. Refusal: session_not_found.
func (s *Service) Close(ctx context.Context, c CloseRequest) (Session, error) {
	found, err := s.Get(ctx, c.Tenant, c.SessionID)
	if err != nil {
		return Session{}, err
	}
	device := store.Device{Tenant: c.Tenant, ID: found.DeviceID}
	scope := s.scope(device, store.ActorUser(c.UserID), c.RequestID)
	reply, err := s.store.Run(ctx, closeScript, append(device.Keys(), store.SessionKey(c.SessionID)), scope.Args(c.SessionID, c.Reason)...)
	if err != nil {
		return Session{}, err
	}
	if !reply.OK() {
		return Session{}, refusal(reply)
	}
	return decode(c.SessionID, reply.Map(2), time.Time{}), nil
}

// Settle ends the sessions whose time is over and forgets those whose retention
// is: it is the sweeper's part of the package. One that cannot be settled is set
// aside, so that it never stops the others.
func (s *Service) Settle(ctx context.Context, due []store.Due) error {
	for _, one := range due {
		err := s.settle(ctx, s.scope(one.Device, store.ActorSystem, ""), one.ID)
		if err == nil {
			continue
		}
		if passing(ctx, err) {
			return fmt.Errorf("settling a session: %w", err)
		}
		s.log.ErrorContext(ctx, "a session cannot be settled and is set aside", "session", one.ID, "error", err)
		if err := s.store.SetAside(ctx, one); err != nil {
			return fmt.Errorf("setting a session aside: %w", err)
		}
	}
	return nil
}

// passing tells an outage, or the end of the sweeper, from a session that cannot
// be settled.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable
}

func (s *Service) settle(ctx context.Context, scope store.Scope, id string) error {
	_, err := s.store.Run(ctx, settleScript, recordKeys(scope.Device, id), scope.Args(id)...)
	return err
}

func (s *Service) scope(d store.Device, actor, requestID string) store.Scope {
	return store.Scope{Device: d, Actor: actor, RequestID: requestID, Retention: s.retention}
}

// recordKeys are the keys of a session's own, behind those of its device.
func recordKeys(d store.Device, id string) []string {
	return append(d.Keys(), store.SessionKey(id), store.Tenant(d.Tenant).SessionsKey(), d.SessionsKey())
}

var (
	errDeviceNotFound  = fieldgate.Refuse(fieldgate.CodeDeviceNotFound, "There is no such device.")
	errSessionNotFound = fieldgate.Refuse(fieldgate.CodeSessionNotFound, "There is no such session.")
)

// refusal turns what a script answered into what the caller is told.
func refusal(reply store.Reply) error {
	switch code := reply.Code(); code {
	case fieldgate.CodeDeviceNotFound:
		return errDeviceNotFound
	case fieldgate.CodeSessionNotFound:
		return errSessionNotFound
	case fieldgate.CodeDeviceNotActive:
		return fieldgate.Refuse(code, "The device is not active: it has not registered, or it was suspended or decommissioned.")
	case fieldgate.CodeIdempotencyKeyReused:
		return fieldgate.Refuse(code, "This Idempotency-Key belongs to another request.")
	case fieldgate.CodeSessionActive:
		return &fieldgate.Error{
			Code: code, Detail: "The device has an active session already.", SessionID: reply.String(2),
		}
	default:
		return fmt.Errorf("a script answered %q", code)
	}
}
