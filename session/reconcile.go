package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/fieldgate/fieldgate/store"
)

// reconcileNewest is the number of sessions that Reconcile checks for each device. The active
// session is the newest one, unless data is damaged.
const reconcileNewest = 50

// Reconcile compares the newest sessions of a device with the device's record and the indexes,
// and repairs differences. The Reconcile method of the queue does the same for commands.
// Reconcile makes two reads, and runs one script for each session.
func (s *Service) Reconcile(ctx context.Context, d store.Device) error {
	ids, err := s.candidates(ctx, d)
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

// candidates returns the ids of the device's newest sessions. It adds the session that the
// device's record names, if that session is not among them.
func (s *Service) candidates(ctx context.Context, d store.Device) ([]string, error) {
	var active string
	err := s.store.Do(ctx, "reconcile_device", func(ctx context.Context, c store.Client) error {
		found, err := c.HMGet(ctx, d.RecordKey(), "session").Result()
		if err == nil {
			active, _ = found[0].(string)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ids, err := s.store.Members(ctx, store.Listing{Key: d.SessionsKey(), Newest: true}, store.Page{Limit: reconcileNewest})
	if active != "" && !slices.Contains(ids, active) {
		ids = append([]string{active}, ids...)
	}
	return ids, err
}

// reconcile compares and repairs one session, and reports each violation.
func (s *Service) reconcile(ctx context.Context, d store.Device, id string) error {
	reply, err := s.store.Run(ctx, reconcileScript, recordKeys(d, id), store.NewScope(d, store.ActorSystem, "", s.retention).Args(id)...)
	if err != nil {
		return err
	}
	found := reply.List(2)
	for i := range found {
		s.store.ReportViolation(ctx, violation(d.ID, id, found.String(i)))
	}
	return nil
}

// oneSession is the invariant that a device has at most one active session, and that the
// device's record names this session.
const oneSession store.Invariant = "oneSession"

// violation returns the violation for the damage that the script has found.
func violation(device, id, damage string) store.Violation {
	v := store.Violation{Invariant: store.NothingLost, Damage: damage + " of a session", ID: id, Device: device}
	switch damage {
	case "missing due", "misplaced due":
		v.Invariant = store.NothingForgotten
	case "missing device", "misplaced device", "left device", "second session":
		v.Invariant = oneSession
	}
	return v
}
