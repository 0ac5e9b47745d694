package device

import (
	"context"
	"time"

	"github.com/fieldgate/fieldgate"
	"github.com/fieldgate/fieldgate/store"
)

// presence tells whether a device shows itself: by its socket as long as that
// lives, else by how lately it was heard of. One that is shut out does not,
// however lately that was.
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

// SettlePresence announces the devices that are not there any more: it is the
// sweeper's part of the package. One whose record cannot be worked with is set
// aside, so that it does not keep the others waiting.
func (r *Registry) SettlePresence(ctx context.Context, due []store.Due) error {
	for _, one := range due {
		scope := r.scope(one.Device, store.ActorSystem, "")
		_, err := r.run(ctx, settlePresenceScript, one.Device.Keys(), scope.Args(r.cfg.StaleWithin.Milliseconds()))
		switch {
		case err == nil:
		case ctx.Err() != nil, fieldgate.CodeOf(err) == fieldgate.CodeStoreUnavailable:
			return err
		default:
			r.log.ErrorContext(ctx, "the presence of a device cannot be settled and is set aside", "device", one.ID, "error", err)
			if err := r.store.SetAside(ctx, one); err != nil {
				return err
			}
		}
	}
	return nil
}
