package session

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// These are the limits of one call of List or Events. A call that has read maxExamined records
// returns a short page, and a cursor that continues the list.
const (
	minBatch    = 100  // minimum number of records that one round trip reads when a filter is set
	maxExamined = 1000 // maximum number of records that one call reads
)

// Get returns a session. Error: session_not_found.
func (s *Service) Get(ctx context.Context, tenant, id string) (Session, error) {
	if !store.OwnsID(tenant, store.KindSession, id) {
		return Session{}, errSessionNotFound
	}
	found, err := s.read(ctx, tenant, []string{id})
	if err != nil {
		return Session{}, fmt.Errorf("reading a session: %w", err)
	}
	if len(found) == 0 {
		return Session{}, errSessionNotFound
	}
	return found[0], nil
}

// Filter selects the sessions that match all of its fields. An empty field matches every
// session.
type Filter struct {
	DeviceID string
	Status   Status
}

// matches reports whether s has the status f.Status. An empty f.Status matches every session.
func (f Filter) matches(s Session) bool { return f.Status == "" || f.Status == s.Status }

// List returns the tenant's sessions, newest first, and the cursor of the next page.
// The cursor is empty after the last page. Error: validation_failed for an invalid
// cursor.
func (s *Service) List(ctx context.Context, tenant string, f Filter, page store.Page) (list []Session, next string, err error) {
	listing := store.Listing{Key: store.Tenant(tenant).SessionsKey(), Newest: true}
	if f.DeviceID != "" {
		device := store.Device{Tenant: tenant, ID: f.DeviceID}
		if own, err := s.owns(ctx, device); err != nil || !own {
			return nil, "", err
		}
		listing.Key = device.SessionsKey()
	}
	size := page.Limit + 1
	if f.Status != "" {
		size = max(size, minBatch)
	}
	next = page.Cursor
	for examined := 0; examined < maxExamined; examined += size {
		sessions, after, err := s.batch(ctx, tenant, listing, store.Page{Cursor: next, Limit: size})
		if err != nil {
			return nil, "", fmt.Errorf("listing sessions: %w", err)
		}
		for _, session := range sessions {
			if f.matches(session) {
				list = append(list, session)
			}
		}
		if len(list) > page.Limit {
			return list[:page.Limit], store.CursorAfter(list[page.Limit-1].ID), nil
		}
		if next = after; next == "" {
			break
		}
	}
	return list, next, nil
}

// owns reports whether the record of the device d names d.Tenant. The index of a device's
// sessions does not name a tenant. Without this check, another tenant in the partition could
// read session ids from the cursors of a list.
func (s *Service) owns(ctx context.Context, d store.Device) (bool, error) {
	if !store.OwnsID(d.Tenant, store.KindDevice, d.ID) {
		return false, nil
	}
	owner, err := s.store.Owner(ctx, d.RecordKey())
	return err == nil && owner == d.Tenant, err
}

// batch reads one batch of an index. It returns the sessions and the cursor of the
// next batch, which is empty at the end of the index.
func (s *Service) batch(ctx context.Context, tenant string, l store.Listing, page store.Page) (found []Session, next string, err error) {
	ids, err := s.store.Members(ctx, l, page)
	if err != nil {
		return nil, "", err
	}
	if len(ids) > page.Limit {
		ids = ids[:page.Limit]
		next = store.CursorAfter(ids[page.Limit-1])
	}
	found, err = s.read(ctx, tenant, ids)
	return found, next, err
}

// read returns the tenant's sessions by their ids. It omits sessions that are
// missing, belong to another tenant, or cannot be read.
func (s *Service) read(ctx context.Context, tenant string, ids []string) ([]Session, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = store.SessionKey(id)
	}
	reply, err := s.store.Run(ctx, readScript, keys)
	if err != nil {
		return nil, err
	}
	now, records := time.UnixMilli(reply.Int(2)), reply.List(3)
	found := make([]Session, 0, len(ids))
	for i, id := range ids {
		if records.List(i).String(0) == "unreadable" {
			s.log.ErrorContext(ctx, "reading a session failed", "tenant", tenant, "session", id)
		}
		if fields := records.Map(i); fields["tenant"] == tenant {
			found = append(found, decode(id, fields, now))
		}
	}
	return found, nil
}
