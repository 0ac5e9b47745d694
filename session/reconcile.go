package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/queue/model"
	"github.com/fieldgate/fieldgate/store"
)

// reconcileNewest is how many sessions of a device are looked at: its active one is
// the newest but for damage.
const reconcileNewest = 50

// Reconcile compares the newest sessions of a device with their device and their
// indexes and mends what is not so, as the queue's Reconcile does for commands. It
// costs two readings and a script for each session.
func (s *Service) Reconcile(ctx context.Context, d store.Device) error {
	ids, err := s.seen(ctx, d)
	if err != nil {
		return fmt.Errorf("reading the sessions of a device: %w", err)
	}
	for _, id := range ids {
		if err := s.reconcile(ctx, d, id); err != nil {
			return fmt.Errorf("reconciling a session: %w", err)
		}
	}
	return nil
}

// seen gives the session that the device names, if any, and the newest of its index.
func (s *Service) seen(ctx context.Context, d store.Device) ([]string, error) {
	var named string
	err := s.store.Do(ctx, "reconcile_device", func(ctx context.Context, c store.Client) error {
		found, err := c.HMGet(ctx, d.RecordKey(), "session").Result()
		if err == nil {
			named, _ = found[0].(string)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ids, err := s.store.Members(ctx, store.Listing{Key: d.SessionsKey(), Newest: true}, store.Page{Limit: reconcileNewest})
	if named != "" && !slices.Contains(ids, named) {
		ids = append([]string{named}, ids...)
	}
	return ids, err
}

func (s *Service) reconcile(ctx context.Context, d store.Device, id string) error {
	reply, err := s.store.Run(ctx, reconcileScript, recordKeys(d, id), s.scope(d, store.ActorSystem, "").Args(id)...)
	if err != nil {
		return err
	}
	found := reply.List(2)
	for i := range found {
		s.store.Violated(ctx, violation(d.ID, id, found.String(i)))
	}
	return nil
}

// oneSession is the promise that a device and its active session name each other,
// and that it has no other.
const oneSession = "oneSession"

func violation(device, id, damage string) store.Violation {
	v := store.Violation{Invariant: string(model.NothingLost), Damage: damage + " of a session", ID: id, Device: device}
	switch damage {
	case "missing due", "misplaced due":
		v.Invariant = string(model.NothingForgotten)
	case "missing device", "misplaced device", "left device", "second session":
		v.Invariant = oneSession
	}
	return v
}
