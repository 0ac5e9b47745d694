package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/fieldgate/fieldgate/store"
)

// reconcileNewest is the number of sessions that Reconcile checks for each device. The active
// session is the newest one, unless data is damaged.
const reconcileNewest = 50

// Reconcile compares the newest sessions of a device with the device's record and the
// indexes, and repairs differences. The queue's Reconcile does the same for commands.
// It returns what all sessions of the device count towards the stored bytes of their tenant.
// It costs two reads, two for each 200 sessions, and one script for each of the newest.
func (s *Service) Reconcile(ctx context.Context, d store.Device) (bytes int64, err error) {
	ids, err := s.candidates(ctx, d)
	if err != nil {
		return 0, fmt.Errorf("reading the sessions of a device: %w", err)
	}
	for _, id := range ids {
		if err := s.reconcile(ctx, d, id); err != nil {
			return 0, fmt.Errorf("reconciling a session: %w", err)
		}
	}
	if bytes, err = s.countedBytes(ctx, d); err != nil {
		return 0, fmt.Errorf("adding up the sessions of a device: %w", err)
	}
	return bytes, nil
}

// sessionsPerRead is the maximum number of sessions that one round trip reads.
const sessionsPerRead = 200

// countedBytes returns what the sessions of a device count.
func (s *Service) countedBytes(ctx context.Context, d store.Device) (bytes int64, err error) {
	err = s.eachPage(ctx, d, func(ids []string) error {
		counted, err := s.sumBytes(ctx, ids)
		bytes += counted
		return err
	})
	return bytes, err
}

// eachPage calls f with the ids of the sessions of a device, page by page.
func (s *Service) eachPage(ctx context.Context, d store.Device, f func(ids []string) error) error {
	listing := store.Listing{Key: d.SessionsKey()}
	for page := (store.Page{Limit: sessionsPerRead}); ; {
		ids, err := s.store.Members(ctx, listing, page)
		if err != nil {
			return err
		}
		if err := f(ids[:min(len(ids), page.Limit)]); err != nil {
			return err
		}
		if len(ids) <= page.Limit {
			return nil
		}
		page.Cursor = store.CursorAfter(ids[page.Limit-1])
	}
}

// sumBytes returns what some sessions count.
func (s *Service) sumBytes(ctx context.Context, ids []string) (bytes int64, err error) {
	err = s.store.Do(ctx, "session_bytes", func(ctx context.Context, c store.Client) error {
		bytes = 0 // Do may call this function twice
		pipe := c.Pipeline()
		found := make([]*redis.SliceCmd, len(ids))
		for i, id := range ids {
			found[i] = pipe.HMGet(ctx, store.SessionKey(id), "bytes")
		}
		_, err := pipe.Exec(ctx)
		for _, fields := range found {
			bytes += store.Reply(fields.Val()).Int(0)
		}
		return err
	})
	return bytes, err
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
	found, err := s.compare(ctx, reconcileScript, d, id)
	for _, v := range found {
		s.store.ReportViolation(ctx, v)
	}
	return err
}

// compare runs reconcile_session.lua, or the check of the same script, on a session. It returns
// the violations.
func (s *Service) compare(ctx context.Context, script *store.Script, d store.Device, id string) (found []store.Violation, err error) {
	reply, err := s.store.Run(ctx, script, recordKeys(d, id), store.NewScope(d, store.ActorSystem, "", s.retention).Args(id, s.store.KeepsLonger())...)
	if err != nil {
		return nil, err
	}
	damages := reply.List(2)
	for i := range damages {
		found = append(found, violation(d.ID, id, damages.String(i)))
	}
	return found, nil
}

// OneSession is the invariant that a device has at most one active session, and that the
// device's record names this session.
const OneSession store.Invariant = "oneSession"

// violation returns the violation for the damage that the script has found.
func violation(device, id, damage string) store.Violation {
	v := store.Violation{Invariant: store.NothingLost, Damage: damage + " of a session", ID: id, Device: device}
	switch damage {
	case "missing due", "misplaced due":
		v.Invariant = store.NothingForgotten
	case "missing device", "misplaced device", "left device", "second session":
		v.Invariant = OneSession
	}
	return v
}
