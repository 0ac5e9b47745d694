package session

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fieldgate/fieldgate"
	queuelua "github.com/fieldgate/fieldgate/queue/lua"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/refusal"
	"github.com/fieldgate/fieldgate/store"
)

// scripts holds the Lua scripts.
//
//go:embed lua/*.lua
var scripts embed.FS

// Scripts is the set of the package's scripts.
var Scripts = store.NewScripts("session", scripts, queuelua.Library)

var (
	openScript   = Scripts.Script("lua/open_session.lua")
	closeScript  = Scripts.Script("lua/close_session.lua")
	readScript   = Scripts.Script("lua/read_sessions.lua")
	settleScript = Scripts.Script("lua/settle_session.lua")

	eraseOpenedNamesScript = Scripts.Script("lua/erase_opened_names.lua")

	reconcileScript = Scripts.Script("lua/reconcile_session.lua")
	checkScript     = store.NewCheck(scripts, "lua/reconcile_session.lua", queuelua.Library)
)

// idempotencyTTL is the time for which the store remembers the IdempotencyKey of a request to
// open a session.
const idempotencyTTL = 24 * time.Hour

// Config configures a Service. Store is required.
type Config struct {
	Store *store.Store

	// Retention is the time for which a session is kept after it has ended. Default: 30 days.
	Retention time.Duration

	// Limits are the installation's quotas of each tenant for open sessions and stored bytes.
	// Zero: no limit.
	Limits quota.Amounts

	// Logger logs errors that concern one session, for example a session that is moved to the
	// quarantine. Default: slog.Default().
	Logger *slog.Logger
}

// Service manages the sessions of all tenants. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	retention time.Duration
	limits    quota.Amounts
	log       *slog.Logger
}

// New returns a Service with the given configuration.
func New(cfg Config) *Service {
	if cfg.Retention == 0 {
		cfg.Retention = store.DefaultRetention
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Service{store: cfg.Store, retention: cfg.Retention, limits: cfg.Limits, log: cfg.Logger}
}

// OpenRequest is a request to open a session.
type OpenRequest struct {
	Tenant         string
	DeviceID       string
	UserID         string
	Names          fieldgate.Names
	RequestID      string
	Type           string
	Description    string
	Duration       time.Duration
	IdempotencyKey string // a repeated request of the user with this key within 24 h gets the same reply; empty means no key
}

// Open opens a session. Errors: device_not_found, device_not_active, session_active
// with the id of the active session, quota_exceeded, idempotency_key_reused.
func (s *Service) Open(ctx context.Context, o OpenRequest) (Session, error) {
	if !store.OwnsID(o.Tenant, store.KindDevice, o.DeviceID) {
		return Session{}, errDeviceNotFound
	}
	scope := store.NewScope(store.Device{Tenant: o.Tenant, ID: o.DeviceID}, store.ActorUser(o.UserID), o.RequestID, s.retention).WithNames(o.Names)
	reply, err := s.open(ctx, o, scope)
	if err == nil && errors.Is(refusal.Of(reply), refusal.Stale) {
		if err := s.settle(ctx, scope, reply.String(2)); err != nil {
			return Session{}, err
		}
		reply, err = s.open(ctx, o, scope)
	}
	if err != nil {
		return Session{}, err
	}
	if err := refusal.Of(reply); err != nil {
		return Session{}, err
	}
	return decode(reply.String(2), reply.Map(3), time.Time{}), nil
}

// open runs open_session.lua once. The code of the reply is "stale" if the device has an
// expired session that was not settled.
func (s *Service) open(ctx context.Context, o OpenRequest, scope store.Scope) (store.Reply, error) {
	id := store.NewID(store.KindSession, store.PartitionOf(o.Tenant))
	keys := append(recordKeys(scope.Device, id), store.PartitionOf(o.Tenant).TenantsKey())
	keys = append(keys, store.IdempotencyKeys(o.Tenant, o.IdempotencyKey)...)
	request := fmt.Sprintf("open %s %s %q %d", o.DeviceID, o.Type, o.Description, o.Duration)
	digest, earlier := store.DigestOf(scope.Actor+" "+request), store.DigestOf(request) // earlier releases ignored the user
	return s.store.Run(ctx, openScript, keys,
		scope.Args(id, o.Type, o.Description, o.Duration.Milliseconds(), digest, idempotencyTTL.Milliseconds(),
			s.limits.OpenSessions, s.limits.StoredBytes, earlier)...)
}

// CloseRequest is a request to close a session.
type CloseRequest struct {
	Tenant    string
	SessionID string
	UserID    string
	Names     fieldgate.Names
	RequestID string
	Reason    string
}

// Close closes a session and ends its commands that are not claimed. If the session has
// already ended, Close returns it unchanged. Error: session_not_found.
func (s *Service) Close(ctx context.Context, c CloseRequest) (Session, error) {
	found, err := s.Get(ctx, c.Tenant, c.SessionID)
	if err != nil {
		return Session{}, err
	}
	device := store.Device{Tenant: c.Tenant, ID: found.DeviceID}
	scope := store.NewScope(device, store.ActorUser(c.UserID), c.RequestID, s.retention).WithNames(c.Names)
	reply, err := s.store.Run(ctx, closeScript, append(device.Keys(), store.SessionKey(c.SessionID)), scope.Args(c.SessionID, c.Reason)...)
	if err != nil {
		return Session{}, err
	}
	if err := refusal.Of(reply); err != nil {
		return Session{}, err
	}
	return decode(c.SessionID, reply.Map(2), time.Time{}), nil
}

// Settle ends sessions that have expired, and deletes sessions whose retention has ended. The
// sweeper calls it. It quarantines a session that cannot be settled, so that this session does not
// block the others.
func (s *Service) Settle(ctx context.Context, due []store.Due) error {
	for _, d := range due {
		err := s.settle(ctx, store.NewScope(d.Device, store.ActorSystem, "", s.retention), d.ID)
		if err == nil {
			continue
		}
		if store.IsTransient(ctx, err) {
			return fmt.Errorf("settling a session: %w", err)
		}
		s.log.ErrorContext(ctx, "settling a session failed, moving it to the quarantine",
			"tenant", d.Device.Tenant, "session", d.ID, "error", err)
		if err := s.store.Quarantine(ctx, d); err != nil {
			return fmt.Errorf("moving a session to the quarantine: %w", err)
		}
	}
	return nil
}

// settle ends or deletes one session, or updates the time at which it is due.
func (s *Service) settle(ctx context.Context, scope store.Scope, id string) error {
	_, err := s.store.Run(ctx, settleScript, recordKeys(scope.Device, id), scope.Args(id)...)
	return err
}

// recordKeys returns the keys of the device, followed by the keys of the session: its
// record, the tenant's index and the device's index.
func recordKeys(d store.Device, id string) []string {
	return append(d.Keys(), store.SessionKey(id), store.Tenant(d.Tenant).SessionsKey(), d.SessionsKey())
}

var (
	errDeviceNotFound  = refusal.New(fieldgate.CodeDeviceNotFound)
	errSessionNotFound = refusal.New(fieldgate.CodeSessionNotFound)
)
