package device

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// presence returns the presence of a device. A device with a socket is online while the
// socket's lease lasts. For any other device, the time since its last request decides. A
// suspended or decommissioned device is always offline.
func (r *Registry) presence(d Device, onlineUntil, now time.Time) Presence {
	silent := now.Sub(d.LastSeen)
	switch {
	case d.LastSeen.IsZero():
		return NeverConnected
	case d.Status == Suspended || d.Status == Decommissioned:
		return Offline
	case onlineUntil.After(now), onlineUntil.IsZero() && silent <= r.cfg.OnlineWithin:
		return Online
	case silent <= r.cfg.StaleWithin:
		return Stale
	}
	return Offline
}

// SettlePresence publishes the changed presence of devices that have become stale or
// offline. The sweeper calls it. A device whose record cannot be processed is moved
// to the quarantine, so that it does not block the others.
func (r *Registry) SettlePresence(ctx context.Context, due []store.Due) error {
	for _, d := range due {
		scope := store.NewScope(d.Device, store.ActorSystem, "", r.cfg.Retention)
		_, err := r.run(ctx, settlePresenceScript, d.Device.Keys(), scope.Args(r.cfg.StaleWithin.Milliseconds()))
		switch {
		case err == nil:
		case ctx.Err() != nil, fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable:
			return err
		default:
			r.log.ErrorContext(ctx, "settling the presence of a device failed, moving it to the quarantine",
				"tenant", d.Device.Tenant, "device", d.ID, "error", err)
			if err := r.store.Quarantine(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}
