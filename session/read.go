package session

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldgate/fieldgate/store"
)

// Bounds of the records that one call looks at: how many at a time where only
// some of them are wanted, and how many in all. A page may end early because of
// the latter, and its cursor goes on.
const (
	minChunk    = 100
	maxExamined = 1000
)

// Get reads a session. Refusal: session_not_found.
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

// Filter chooses sessions. Empty fields choose all.
type Filter struct {
	DeviceID string
	Status   Status
}

func (f Filter) matches(s Session) bool { return f.Status == "" || f.Status == s.Status }

// List reads sessions, the newest first, and the cursor of the next page.
// Refusal: validation_failed for a cursor that is not ours.
func (s *Service) List(ctx context.Context, tenant string, f Filter, page store.Page) (list []Session, next string, err error) {
	listing := store.Listing{Key: store.Tenant(tenant).SessionsKey(), Newest: true}
	if f.DeviceID != "" {
		if !store.OwnsID(tenant, store.KindDevice, f.DeviceID) {
			return nil, "", nil
		}
		listing.Key = store.Device{Tenant: tenant, ID: f.DeviceID}.SessionsKey()
	}
	chunk := page.Limit + 1
	if f.Status != "" {
		chunk = max(chunk, minChunk)
	}
	next = page.Cursor
	for examined := 0; examined < maxExamined; examined += chunk {
		some, after, err := s.some(ctx, tenant, listing, store.Page{Cursor: next, Limit: chunk})
		if err != nil {
			return nil, "", fmt.Errorf("listing sessions: %w", err)
		}
		for _, one := range some {
			if f.matches(one) {
				list = append(list, one)
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

// some reads a part of an index, and the cursor of what follows.
func (s *Service) some(ctx context.Context, tenant string, l store.Listing, page store.Page) (found []Session, next string, err error) {
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

// read gets the tenant's sessions by id; what is missing, or another's, or cannot be
// read, is left out.
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
	now := time.UnixMilli(reply.Int(1))
	found := make([]Session, 0, len(ids))
	for i, id := range ids {
		if reply.List(i+2).String(0) == "unreadable" {
			s.log.ErrorContext(ctx, "a session cannot be read", "session", id)
		}
		if fields := reply.Map(i + 2); fields["tenant"] == tenant {
			found = append(found, decode(id, fields, now))
		}
	}
	return found, nil
}
