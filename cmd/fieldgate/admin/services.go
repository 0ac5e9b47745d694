package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fieldgate/fieldgate/device"
	"github.com/fieldgate/fieldgate/queue"
	"github.com/fieldgate/fieldgate/quota"
	"github.com/fieldgate/fieldgate/realtime"
	"github.com/fieldgate/fieldgate/session"
	"github.com/fieldgate/fieldgate/store"
)

// services are the parts of the gateway that the commands use.
type services struct {
	store    *store.Store
	devices  *device.Registry
	sessions *session.Service
	queue    *queue.Queue
	quotas   *quota.Service
	hub      *realtime.Hub
}

// newServices returns the services on a store. The retention is that of the gateway; zero is the
// default, for commands that change nothing.
func newServices(s *store.Store, retention time.Duration, log *slog.Logger) services {
	return services{
		store:    s,
		devices:  device.New(device.Config{Store: s, Retention: retention, Logger: log}),
		sessions: session.New(session.Config{Store: s, Retention: retention, Logger: log}),
		queue:    queue.New(queue.Config{Store: s, Retention: retention, Logger: log}),
		quotas:   quota.New(quota.Config{Store: s, Logger: log}),
		hub:      realtime.New(realtime.Config{Store: s, Retention: retention, Logger: log}),
	}
}

// reading runs f with the services on a store that f only reads.
func (c *storeFlags) reading(ctx context.Context, f func(services) error) error {
	return c.read(ctx, func(s *store.Store) error { return f(newServices(s, 0, c.logger())) })
}

// changing runs f with the services on a store that f changes, unless this is a dry run.
func (c *changeFlags) changing(ctx context.Context, f func(services) error) error {
	return c.run(ctx, func(s *store.Store) error { return f(newServices(s, c.Retention, c.logger())) })
}

// notFound returns the error for an id that the store does not have. The exit code differs from
// that of other errors.
func notFound(what, id string) error { return notFoundError{what, id} }

type notFoundError struct{ what, id string }

func (e notFoundError) Error() string {
	return fmt.Sprintf("the store has no %s %s", e.what, oneLine(e.id))
}

// ExitCode returns 3, so that a script can distinguish this error.
func (notFoundError) ExitCode() int { return 3 }

// locateDevice returns the device with an id, of whichever tenant.
func (v services) locateDevice(ctx context.Context, id string) (store.Device, error) {
	if !store.IsID(store.KindDevice, id) {
		return store.Device{}, notFound("device", id)
	}
	tenant, err := v.store.Owner(ctx, store.DeviceKey(id))
	if err == nil && tenant == "" {
		err = notFound("device", id)
	}
	return store.Device{Tenant: tenant, ID: id}, err
}

// locateSession returns the session with an id, of whichever tenant.
func (v services) locateSession(ctx context.Context, id string) (session.Session, error) {
	if !store.IsID(store.KindSession, id) {
		return session.Session{}, notFound("session", id)
	}
	tenant, err := v.store.Owner(ctx, store.SessionKey(id))
	if err != nil {
		return session.Session{}, err
	}
	if tenant == "" {
		return session.Session{}, notFound("session", id)
	}
	return v.sessions.Get(ctx, tenant, id)
}

// newRequestID returns the request id of one run of a command: timelines, events and logs of the
// gateway contain it.
func newRequestID() string { return "admin-" + strings.ToLower(rand.Text()) }
